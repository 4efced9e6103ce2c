import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, get as httpGet, type IncomingMessage, type Server } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, startMeridian } from '../support/process.js';
import { until } from '../support/until.js';

const TOKEN = 'a-token-of-this-test-that-is-long-enough';
const POOLS = ['blue', 'green'] as const;

const backends: Server[] = [];
const ports: number[] = [];
/** What the green endpoint answers with. */
let greenStatus = 200;

beforeAll(async () => {
  for (const name of POOLS) {
    const server = createServer((incoming, response) => {
      incoming.resume();
      const failing = name === 'green' && incoming.url !== '/healthz';
      response.writeHead(failing ? greenStatus : 200).end(name);
    });
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    backends.push(server);
    ports.push((server.address() as AddressInfo).port);
  }
});
afterEach(async () => {
  greenStatus = 200;
  await endPrograms();
});
afterAll(() => {
  for (const server of backends) {
    server.closeAllConnections();
    server.close();
  }
  removeFolders();
});

interface Seen {
  readonly pool: string;
  readonly cookie: string | undefined;
}

async function startCanary(io: 'batched' | 'portable') {
  const folder = temporaryFolder();
  const file = join(folder, 'proxy.yaml');
  const [port, admin] = (await freePorts(2)) as [number, number];
  const digest = createHash('sha256').update(TOKEN).digest('hex');
  writeFileSync(join(folder, 'tokens.yaml'), `tokens: [ { name: ops, role: admin, sha256: ${digest} } ]\n`, {
    mode: 0o600,
  });
  // The recipe of the manual, with the ports of this test and steps that are ordered.
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/proxy.md'), 'utf8');
  const recipe = /```yaml\n([\s\S]*?)```/.exec(page.slice(page.indexOf('## Canaries')))![1]!;
  const config = (more = ''): string =>
    `workers: 2\nio: ${io}\ntimeouts: { drain: 200ms }\n${recipe}`
      .replace('127.0.0.1:8301', `127.0.0.1:${admin}`)
      .replace('0.0.0.0:8080', `127.0.0.1:${port}`)
      .replace('10.0.0.11:80', `127.0.0.1:${ports[0]}`)
      .replace('10.0.0.12:80', `127.0.0.1:${ports[1]}`)
      .replace('min_requests: 100', 'min_requests: 20')
      // How long answers take says more about who else uses the machine.
      .replace('latency_ratio: 1.5', 'latency_ratio: 0')
      .replace('    routes:\n', `    routes:\n      ${more}\n`);
  const write = (more?: string): void => writeFileSync(file, config(more));
  write();
  const begin = () => startMeridian(['proxy', '-c', file], /"msg":"proxying"/);
  const program = await begin();
  const api = async (
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Record<string, unknown> }> => {
    const response = await fetch(`http://127.0.0.1:${admin}/v1/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${TOKEN}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const get = async (cookie?: string): Promise<Seen> => {
    const response = await alone(port, '/', cookie ? { cookie } : {});
    return { pool: await text(response), cookie: response.headers['set-cookie']?.[0]?.split(';')[0] };
  };
  /** So many new clients, each with one request. */
  const clients = async (count: number): Promise<readonly Seen[]> => {
    const seen: Seen[] = [];
    for (let i = 0; i < count; i += 20)
      seen.push(...(await Promise.all(Array.from({ length: 20 }, () => get()))));
    return seen;
  };
  const metrics = async () => await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  return { program, begin, api, get, clients, write, metrics, port };
}

/** On a connection of its own: a listener that is opened anew ends those that are idle, maybe just when they are used. */
function alone(port: number, path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpGet({ host: '127.0.0.1', port, path, headers, agent: false }, resolve).on('error', reject);
  });
}

async function overHttp2(port: number, cookie: string): Promise<string> {
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    return await new Promise((resolve, reject) => {
      let text = '';
      const stream = session.request({ ':path': '/', cookie });
      stream.on('data', (chunk) => {
        text += String(chunk);
      });
      stream.on('end', () => resolve(text));
      stream.on('error', reject);
      stream.end();
    });
  } finally {
    session.close();
  }
}

describe.each(['batched', 'portable'] as const)('a canary of a route, %s tier', (io) => {
  it('goes on by itself, keeps clients, is kept over reload and restart, and steps back when it is bad', async () => {
    const { program, begin, api, get, clients, write, metrics, port } = await startCanary(io);
    expect(new Set((await clients(20)).map(({ pool }) => pool))).toEqual(new Set(['blue']));
    const steps = [
      { percent: 50, hold: 0 },
      { percent: 100, hold: 600 },
    ];
    const begun = await api('rollouts/shop/start', { steps: [{ percent: 30, hold: 600 }, ...steps] });
    expect(begun).toMatchObject({ status: 200, body: { state: 'running', percent: 30, by: 'ops' } });
    expect((await api('rollouts/shop/start', {})).status).toBe(409);

    const seen = await clients(120);
    const green = seen.filter(({ pool }) => pool === 'green');
    // 36 ± 5, six standard deviations each way.
    expect(green.length).toBeGreaterThan(6);
    expect(green.length).toBeLessThan(66);
    for (const { pool, cookie } of seen.slice(0, 20)) {
      expect(await get(cookie)).toEqual({ pool, cookie: undefined });
    }
    expect(await overHttp2(port, green[0]!.cookie!)).toBe('green');

    write('- { match: { path: /other }, pool: blue }');
    await until('the reload', async () => (await metrics()).includes('reloads_total{result="applied"} 1'));
    expect(await get(green[0]!.cookie)).toEqual({ pool: 'green', cookie: undefined });
    expect((await api('rollouts/shop')).body.percent).toBe(30);

    const other = async (): Promise<number | undefined> => {
      const response = await alone(port, '/other');
      response.resume();
      return response.statusCode;
    };
    expect((await api('pools/blue/maintenance', { on: true, why: 'disks' })).body).toMatchObject({
      maintenance: true,
    });
    await until('maintenance in all workers', async () =>
      (await Promise.all([1, 2, 3, 4].map(other))).every((status) => status === 503),
    );
    expect(await metrics()).toContain('meridian_proxy_pool_maintenance{pool="blue"} 1');
    await api('pools/blue/maintenance', { on: null });
    await until('its end', async () =>
      (await Promise.all([1, 2, 3, 4].map(other))).every((status) => status === 200),
    );

    greenStatus = 500;
    await clients(60);
    await until('the step back', async () => (await api('rollouts/shop')).body.state === 'rolled_back');
    greenStatus = 200;
    expect((await get(green[0]!.cookie)).pool).toBe('blue');
    const { events } = (await api('events')).body as { events: { type: string; data: { event: string } }[] };
    const rollouts = events.filter(({ type }) => type === 'rollout.changed');
    expect(rollouts.map(({ data }) => data.event)).toEqual(['started', 'rolled_back']);
    const orders = events.filter(({ type }) => type === 'pool.maintenance');
    expect(orders.map(({ data }) => data)).toEqual([
      { pool: 'blue', on: true, why: 'disks', by: 'ops' },
      { pool: 'blue', on: null, by: 'ops' },
    ]);
    expect(await metrics()).toContain(
      'meridian_proxy_rollout_events_total{route="shop",event="rolled_back"} 1',
    );

    // The rest is of the main thread, which is the same in both tiers.
    if (io === 'portable') return;
    expect((await api('rollouts/shop/start', { steps })).status).toBe(200);
    await clients(60);
    await until('the second step', async () => (await api('rollouts/shop')).body.percent === 100);
    expect((await api('rollouts/shop/promote', { why: 'good' })).body.state).toBe('promoted');
    await program.end();
    await begin();
    expect(new Set((await clients(20)).map(({ pool }) => pool))).toEqual(new Set(['green']));
  });
});
