import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askTcp } from '../support/differential-peers.js';
import { dig, isInstalled } from '../support/dig.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { packet } from '../support/packet.js';
import { endPrograms } from '../support/process.js';
import { zoneText } from '../support/query-rig.js';
import { until } from '../support/until.js';

const POOLS = 'pools: { eu: { endpoints: [{ A: 192.0.2.7 }] } }\n';
const RECORDS =
  'records:\n  www: { type: A, value: 192.0.2.1 }\n  geo: { type: A, dynamic: { rules: [{ pool: eu }] } }\n';
const ZONE = zoneText('example.com', POOLS + RECORDS);
const FREE = zoneText('free.test', 'rate_limit: off\nrecords: { www: { type: A, value: 192.0.2.2 } }\n');
const RATE = 5;
const FLOOD = 200;

const TC = 0x02;

/** A client at an address of its own; it keeps what it hears. */
async function client(node: TestNode, address: string) {
  const socket: Socket = createSocket('udp4');
  const answers: Buffer[] = [];
  socket.on('message', (bytes) => void answers.push(bytes));
  socket.bind(0, address);
  await once(socket, 'listening');
  return {
    answers,
    send: (name: string, id: number) => void socket.send(packet({ id, name }), node.port, '127.0.0.1'),
    close: () => void socket.close(),
  };
}

interface LogLine {
  readonly client?: string;
  readonly name?: string;
  readonly action: string;
}

function linesOf(file: string): readonly LogLine[] {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine);
}

describe.each(['batched', 'portable'])('limits and the query log, with dns.io: %s', (io) => {
  let node: TestNode;
  let log: string;
  beforeAll(async () => {
    node = await startNode({
      zones: { 'example.com.yaml': ZONE, 'free.test.yaml': FREE },
      config: { dns: { io, rate_limit: { enabled: true, responses_per_second: RATE, ipv4_prefix: 32 } } },
      env: { MERIDIAN_LOG_QUERIES_SAMPLE: '1', MERIDIAN_LOG_QUERIES_FILE: 'queries.log' },
    });
    log = join(node.folder, 'queries.log');
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  it('a flood gets few answers, some of them truncated; its neighbour gets all', async () => {
    const flood = await client(node, '127.0.0.2');
    const neighbour = await client(node, '127.0.0.3');
    for (let id = 0; id < FLOOD; id++) flood.send('www.example.com', id);
    for (let id = 0; id < RATE; id++) neighbour.send('www.example.com', id);
    await until('the neighbour is answered', () => neighbour.answers.length === RATE);
    const limited = 'meridian_dns_rate_limited_total{zone="example.com.",kind="positive",action=';
    const counted = async () =>
      (await node.metric(`${limited}"dropped"}`)) + (await node.metric(`${limited}"slipped"}`));
    await until('the flood is counted', async () => (await counted()) >= FLOOD - 3 * RATE);
    const dropped = await node.metric(`${limited}"dropped"}`);
    await until('all answers', () => flood.answers.length >= FLOOD - dropped);
    const whole = flood.answers.filter((bytes) => (bytes[2]! & TC) === 0);
    const truncated = flood.answers.filter((bytes) => (bytes[2]! & TC) !== 0);
    expect(whole.length).toBeGreaterThanOrEqual(RATE);
    expect(whole.length).toBeLessThanOrEqual(3 * RATE);
    expect(truncated.length).toBe(await node.metric(`${limited}"slipped"}`));
    expect(Math.abs(truncated.length - dropped)).toBeLessThanOrEqual(1);
    // Header and question only.
    for (const bytes of truncated) expect([...bytes.subarray(6, 12)]).toEqual([0, 0, 0, 0, 0, 0]);
    expect(neighbour.answers.every((bytes) => (bytes[2]! & TC) === 0)).toBe(true);
    flood.close();
    neighbour.close();
    await node.program.says(/"prefix":"127\.0\.0\.2\/32","kind":"positive","zone":"example\.com\."/);
  });

  it('who is limited is served over TCP', async () => {
    for (let id = 0; id < 3 * RATE; id++) {
      const answer = await askTcp(node.port, packet({ id, name: 'www.example.com' }), 3000);
      expect(answer?.[7]).toBe(1);
    }
  });

  it('a zone may have no limit', async () => {
    const flood = await client(node, '127.0.0.4');
    for (let id = 0; id < 10 * RATE; id++) flood.send('www.free.test', id);
    await until('all answers', () => flood.answers.length === 10 * RATE);
    expect(flood.answers.every((bytes) => (bytes[2]! & TC) === 0)).toBe(true);
    flood.close();
  });

  it('queries are logged, with what became of them, and the file is opened anew on SIGHUP', async () => {
    await until('the flood in the log', () =>
      linesOf(log).some(({ client: from, action }) => from === '127.0.0.2' && action === 'dropped'),
    );
    renameSync(log, `${log}.old`);
    node.program.kill('SIGHUP');
    const one = await client(node, '127.0.0.5');
    // Late lines of the flood may be in it as well.
    const line = await until('its line in the new file', () => {
      one.send('geo.example.com', 1);
      return linesOf(log).find(({ name }) => name === 'geo.example.com.');
    });
    expect(line).toMatchObject({
      client: '127.0.0.5',
      transport: 'udp',
      type: 'A',
      class: 'IN',
      rcode: 'NOERROR',
      aa: true,
      zone: 'example.com.',
      pool: 'eu',
      policy: 'rules',
      outcome: 'first',
    });
    one.close();
    expect(await node.metric('meridian_query_log_lines_total{result="written"}')).toBeGreaterThan(FLOOD);
  });

  it('counters of a zone go on after a reload', async () => {
    const series =
      'meridian_dns_zone_requests_total{zone="example.com.",type="A",transport="tcp",family="4"}';
    const before = await node.metric(series);
    expect(before).toBeGreaterThanOrEqual(3 * RATE);
    node.writeZone(
      'aaa.test.yaml',
      zoneText('aaa.test', 'records: { www: { type: A, value: 192.0.2.9 } }\n'),
    );
    await until('the new zone', async () => {
      const answer = await askTcp(node.port, packet({ name: 'www.aaa.test' }), 3000);
      return answer?.[7] === 1;
    });
    await askTcp(node.port, packet({ name: 'www.example.com' }), 3000);
    expect(await node.metric(series)).toBe(before + 1);
    const added = 'meridian_dns_zone_requests_total{zone="aaa.test.",type="A",transport="tcp",family="4"}';
    expect(await node.metric(added)).toBeGreaterThanOrEqual(1);
    const chosen = '{zone="example.com.",pool="eu",region="",policy="rules",outcome="first"}';
    expect(await node.metric(`meridian_dns_decisions_total${chosen}`)).toBeGreaterThanOrEqual(1);
  });
});

describe.skipIf(!isInstalled('dig', '-v'))(
  'a limited client with dig (skipped where it is not installed)',
  () => {
    afterAll(async () => {
      await endPrograms();
      removeFolders();
    });

    it('gets TC, comes again over TCP, and is answered', async () => {
      const node = await startNode({
        zones: { 'example.com.yaml': ZONE },
        config: { dns: { rate_limit: { enabled: true, responses_per_second: 1, slip: 1 } } },
      });
      const from = ['-b', '127.0.0.6', 'www.example.com', 'A'];
      // No cookie: the second query would be free with it.
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await dig({ port: node.port }, '+nocookie', ...from));
      for (const { answers: records } of answers) expect(records).toHaveLength(1);
      expect(answers.at(-1)?.text).toContain('(TCP)');
      const tcp = await node.metric('meridian_dns_requests_total{transport="tcp",family="4"}');
      expect(tcp).toBeGreaterThanOrEqual(1);
    });
  },
);
