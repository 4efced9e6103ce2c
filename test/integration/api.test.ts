import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms } from '../support/process.js';
import { until } from '../support/until.js';

const ZONE = `zone: api.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.api.test }
pools:
  eu: { endpoints: [{ A: 192.0.2.1, proxy: proxy-eu, service: web }] }
records:
  www: { type: A, dynamic: { steering: failover, pools: [eu] } }
`;

let node: TestNode;
beforeAll(async () => {
  node = await startNode({ zones: { 'api.test.yaml': ZONE } });
});
afterAll(async () => {
  await endPrograms();
  removeFolders();
});

const EPOCH = Date.now();
const report = (sequence: number, healthy: number) => ({
  schema: 1,
  node: 'proxy-eu',
  region: 'eu',
  epoch: EPOCH,
  sequence,
  sent: Date.now(),
  intervalMs: 100,
  state: 'up',
  services: [{ service: 'web', endpoints: 2, healthy }],
});

interface Status {
  readonly health: readonly {
    state: string;
    basis: string;
    observers: readonly { observer: string; view: string }[];
  }[];
}

const target = async () => ((await node.get('/v1/status')) as Status).health[0]!;
const view = async () =>
  (await target()).observers.find(({ observer }) => observer === 'proxy:proxy-eu/web')?.view;

describe('POST /v1/reports of a running node', () => {
  it.each(['wrong', ''])('answers 401 to the token "%s"', async (token) => {
    const response = await node.report(report(1, 0), token);
    expect(response.status).toBe(401);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(await node.metric('meridian_reports_total{result="accepted"}')).toBe(0);
  });

  it('believes a report, ignores and counts an old sequence, and lets a silent reporter become unknown', async () => {
    expect(await (await node.report(report(5, 0))).json()).toEqual({ outcome: 'accepted' });
    expect(await target()).toMatchObject({ state: 'down' });
    expect(await view()).toBe('down');
    const old = await node.report(report(4, 2));
    expect(old.status).toBe(200);
    expect(await old.json()).toEqual({ outcome: 'ignored', code: 'old_sequence' });
    expect(await node.metric('meridian_reports_total{result="old_sequence"}')).toBe(1);
    expect(await node.metric('meridian_reports_total{result="accepted"}')).toBe(1);
    expect((await target()).state).toBe('down');
    expect(await (await node.report(report(6, 2))).json()).toEqual({ outcome: 'accepted' });
    expect((await target()).state).toBe('up');
    await until('an unknown view', async () => (await view()) === 'unknown');
    expect((await target()).state).toBe('up');
  });

  it('counts a report of a node that no endpoint names', async () => {
    const response = await node.report({ ...report(1, 1), node: 'stranger' });
    expect(await response.json()).toEqual({ outcome: 'ignored', code: 'unknown_node' });
    expect(await node.metric('meridian_reports_total{result="unknown_node"}')).toBe(1);
  });
});

describe('the API of a running node', () => {
  it('keeps answering after connections that send no HTTP', async () => {
    const { port } = new URL(node.api);
    for (const text of [
      '\0\0\0',
      'GET / HTTP/9.9\r\n\r\n',
      'POST /v1/reports HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
    ]) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      socket.end(text);
      await new Promise((done) => socket.resume().once('close', done));
    }
    expect((await fetch(`${node.api}/healthz`)).status).toBe(200);
  });

  it('takes the tokens of a token file, and no others', async () => {
    const folder = temporaryFolder();
    const sha256 = createHash('sha256').update('open sesame').digest('hex');
    const tokens = join(folder, 'tokens.yaml');
    writeFileSync(tokens, `tokens:\n  - { name: reader, role: read, sha256: ${sha256} }\n`, { mode: 0o600 });
    mkdirSync(join(folder, 'state'));
    for (const role of ['admin', 'report']) writeFileSync(join(folder, 'state', `${role}.token`), role);
    const other = await startNode({ folder, config: { api: { tokens } }, zones: { 'api.test.yaml': ZONE } });
    const status = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`${other.api}/v1/status`, { headers })).status;
    };
    expect(await status('open sesame')).toBe(200);
    expect(await status('admin')).toBe(401);
    const refused = await other.report(report(1, 1), 'open sesame');
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([403, 'forbidden']);
  });
});
