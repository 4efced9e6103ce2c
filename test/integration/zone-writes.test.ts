import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { DeskThread } from '../../src/control/zone-desk-thread.js';
import { etagOf } from '../../src/control/zone-write.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms, meridian } from '../support/process.js';
import { until } from '../support/until.js';

const ZONE = `# by hand
zone: a.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.a.test }
records:
  www: { type: A, value: 192.0.2.1 } # the web
`;

afterEach(endPrograms);
afterAll(removeFolders);

async function change(
  node: TestNode,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${node.api}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${node.tokens.admin}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      'if-match': '*',
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

interface Explained {
  readonly answers: readonly { readonly rdata: string }[];
}
const answerOf = async (node: TestNode, name: string) =>
  ((await node.get(`/v1/explain?name=${name}`)) as Explained).answers.map(({ rdata }) => rdata);
const zoneFile = (node: TestNode, file = 'a.test.yaml') =>
  readFileSync(join(node.folder, 'zones', file), 'utf8');

interface Revisions {
  readonly revisions: readonly {
    readonly id: number;
    readonly source: string;
    readonly author: string;
    readonly message: string;
  }[];
}

describe('changes of zones of a running node', () => {
  it('are live when they are answered, stand in the file, and are one revision each', async () => {
    const node = await startNode({ zones: { 'a.test.yaml': ZONE } });
    const set = await change(node, 'PATCH', '/v1/zones/a.test/records/www/A?message=moved', {
      value: '192.0.2.9',
    });
    expect(set).toMatchObject({ status: 200, body: { published: true } });
    expect(await answerOf(node, 'www.a.test')).toEqual(['192.0.2.9']);
    expect(zoneFile(node)).toBe(ZONE.replace('192.0.2.1', '192.0.2.9'));
    node.writeZone('a.test.yaml', ZONE.replace('192.0.2.1', '192.0.2.7'));
    await until('the edit is answered', async () => (await answerOf(node, 'www.a.test'))[0] === '192.0.2.7');
    const stale = await change(node, 'DELETE', '/v1/zones/a.test', undefined, {
      'if-match': String(set.body['etag']),
    });
    expect(stale).toMatchObject({ status: 412, body: { actual: etagOf(zoneFile(node)) } });
    expect(await change(node, 'DELETE', '/v1/zones/a.test')).toMatchObject({ status: 200 });
    await until(
      'four revisions',
      async () => ((await node.get('/v1/revisions')) as Revisions).revisions.length === 4,
    );
    const { revisions } = (await node.get('/v1/revisions')) as Revisions;
    expect(revisions.map(({ source, message }) => [source, message])).toEqual([
      ['api', ''],
      ['file', 'edited: a.test.yaml'],
      ['api', 'moved'],
      ['file', 'the zone folder as it was found: 1 file'],
    ]);
    const back = await fetch(`${node.api}/v1/revisions/2/rollback?what=zones`, {
      method: 'POST',
      headers: { authorization: `Bearer ${node.tokens.admin}`, 'if-match': '*' },
    });
    expect([back.status, await back.clone().text()]).toEqual([200, expect.any(String)]);
    expect(await answerOf(node, 'www.a.test')).toEqual(['192.0.2.9']);
  });

  it('finish at the start where a crash interrupted them', async () => {
    const first = await startNode({ zones: { 'a.test.yaml': ZONE } });
    await first.program.end('SIGKILL');
    const draft = join(first.folder, 'zones', '.a.test.yaml.77-1.meridian-new');
    writeFileSync(draft, ZONE.replace('192.0.2.1', '192.0.2.8'));
    const steps = [{ target: join(first.folder, 'zones', 'a.test.yaml'), draft }];
    writeFileSync(join(first.folder, 'state', 'zone-write.json'), JSON.stringify({ format: 1, steps }));
    const node = await startNode({ folder: first.folder });
    expect(await answerOf(node, 'www.a.test')).toEqual(['192.0.2.8']);
    expect(node.program.output).toContain('an interrupted change of zones was finished');
  });

  it('are refused with mode: gitops', async () => {
    const node = await startNode({ zones: { 'a.test.yaml': ZONE }, env: { MERIDIAN_MODE: 'gitops' } });
    expect(await change(node, 'DELETE', '/v1/zones/a.test')).toMatchObject({
      status: 403,
      body: { code: 'gitops' },
    });
  });

  it('take large zones in a thread of their own', async () => {
    const node = await startNode({ zones: {} });
    const records = Object.fromEntries(
      Array.from({ length: 3000 }, (_, i) => [`n${i}`, { type: 'A', value: `192.0.2.${i % 250}` }]),
    );
    const value = {
      nameservers: { ns1: { A: '127.0.0.1' } },
      soa: { contact: 'hostmaster.big.test' },
      records,
    };
    const made = await change(node, 'PUT', '/v1/zones/big.test', value, { 'if-none-match': '*' });
    expect(made.status).toBe(400);
    const headers = {
      authorization: `Bearer ${node.tokens.admin}`,
      'content-type': 'application/json',
      'if-none-match': '*',
    };
    const put = await fetch(`${node.api}/v1/zones/big.test`, {
      method: 'PUT',
      headers,
      body: JSON.stringify(value),
    });
    expect([put.status, ((await put.json()) as { changes_total: number }).changes_total]).toEqual([
      201, 3003,
    ]);
    const set = await change(node, 'PATCH', '/v1/zones/big.test/records/n7/A', { ttl: 5 });
    expect(set).toMatchObject({ status: 200, body: { changes_total: 1, published: true } });
    const page = (await node.get('/v1/zones/big.test/records?limit=2&type=A')) as { total: number };
    expect(page.total).toBe(3000);
  });
});

describe('meridian zone and record', () => {
  it('show, put, set and delete, and say what changed', async () => {
    const node = await startNode({ zones: { 'a.test.yaml': ZONE } });
    const tell = (...args: readonly string[]) => meridian([...args, '--api', node.api], { cwd: node.folder });
    expect((await tell('zone', 'list')).stdout).toMatch(/^ZONE +STATE.*\na\.test\. +current/);
    expect((await tell('zone', 'show', 'a.test')).stdout).toBe(ZONE);
    const set = await tell(
      'record',
      'set',
      'a.test',
      '@',
      'MX',
      '{ preference: 10, exchange: mail.example.net. }',
      '--ttl',
      '60',
      '-m',
      'mail',
    );
    expect(set.stdout).toContain('+ a.test. MX');
    expect(set.stdout).toMatch(/a\.test: revision \d+, a\.test\.yaml; it is answered now/);
    expect(zoneFile(node)).toBe(
      `${ZONE}  "": { type: MX, ttl: 60, value: { preference: 10, exchange: mail.example.net. } }\n`,
    );
    expect((await tell('record', 'list', 'a.test', 'www')).stdout).toMatch(
      /^NAME.*\nwww\.a\.test\. +A +192\.0\.2\.1$/m,
    );
    const wrong = await tell('record', 'set', 'a.test', 'x', 'A', '192.0.2.999');
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('a.test.yaml:8:')]);
    const dry = await tell('zone', 'delete', 'a.test');
    expect([dry.code, dry.stderr]).toEqual([2, expect.stringContaining('add --yes')]);
    writeFileSync(join(node.folder, 'b.yaml'), ZONE.replaceAll('a.test', 'b.test'));
    expect((await tell('zone', 'put', 'b.yaml')).stdout).toContain('+ www.b.test. A');
    expect((await tell('zone', 'put', 'b.yaml')).stdout).toContain('nothing to change');
    const conflict = await tell('zone', 'delete', 'b.test', '--yes', '--if-match', '0123456789abcdef');
    expect([conflict.code, conflict.stderr]).toEqual([1, expect.stringContaining('412')]);
    expect((await tell('zone', 'delete', 'b.test', '--yes')).code).toBe(0);
    expect((await tell('zone', 'show', 'b.test')).code).toBe(1);
  });
});

describe('DeskThread', () => {
  it('tells a thread that ends, and goes on with a new one', async () => {
    const entry = pathToFileURL(resolve(import.meta.dirname, '../../dist/control/zone-desk-worker.js'));
    const desk = new DeskThread({}, new URL('data:text/javascript,setTimeout(()=>process.exit(1),50)'));
    const large = `${ZONE}${Array.from({ length: 4000 }, (_, i) => `  n${i}: { type: A, value: 192.0.2.1 }\n`).join('')}`;
    const query = { offset: 0, limit: 1 };
    await expect(desk.list('a.yaml', large, '"x"', query)).rejects.toThrow(/nothing was changed/);
    const good = new DeskThread({}, entry);
    expect(await good.list('a.yaml', large, '"x"', query)).toMatchObject({ total: 4001 });
    expect(
      await good.check([{ file: 'a.yaml', path: '/a.yaml', before: large, after: large }]),
    ).toMatchObject({ problems: [], zones: [] });
    await good.close();
    await desk.close();
  });
});
