import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startDemo, type TestDemo } from '../support/demo.js';
import { digShort, isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode } from '../support/node.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, startMeridian } from '../support/process.js';
import { until } from '../support/until.js';

const PROBE = { intervalMs: 1000, fall: 2, rise: 2 };
/** Long enough that no probe can be what changes an answer. */
const SLOW = { intervalMs: 60_000, fall: 3, rise: 1 };

const monitor = (port: number, { intervalMs, fall, rise }: typeof PROBE) =>
  `{ type: http, port: ${port}, path: /healthz, interval: ${intervalMs}ms, timeout: 500ms, fall: ${fall}, rise: ${rise} }`;

/** A zone whose name `www` is answered by eu, and by us where eu is down. */
function zone(name: string, web: string, endpoints: (network: number, region: string) => string): string {
  return `
zone: ${name}
ttl: 5
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.${name} }
monitors: { web: ${web} }
pools:
  eu: { monitor: web, endpoints: ${endpoints(1, 'eu')}, fallback: us }
  us: { monitor: web, endpoints: ${endpoints(2, 'us')}, fallback: eu }
records:
  www: { type: A, dynamic: { steering: failover, pools: [eu, us] } }
`;
}

describe.skipIf(!isInstalled('dig', '-v'))('health (skipped where dig is not installed)', () => {
  let demo: TestDemo;

  beforeAll(async () => {
    const folder = temporaryFolder();
    const zones = join(folder, 'zones');
    mkdirSync(zones);
    // The ports are known only when the demo runs: the zones come while it does.
    demo = await startDemo(folder, zones);
    const { 'endpoint-port': endpoint, 'http-port': http } = demo.ports;
    const direct = (network: number) => `[{ A: 127.0.${network}.11 }]`;
    const proxied = (network: number, region: string) =>
      `[{ A: 127.0.${network}.1, proxy: proxy-${region}, service: web }]`;
    writeFileSync(join(zones, 'a.yaml'), zone('probed.test', monitor(endpoint, PROBE), direct));
    writeFileSync(join(zones, 'b.yaml'), zone('reported.test', monitor(http, SLOW), proxied));
    await until('both zones', async () => {
      const first = await ask('probed.test');
      const second = await ask('reported.test');
      return first === '127.0.1.11' && second === '127.0.1.1';
    });
    await until('the first reports', () => observersFresh(demo));
  });

  afterEach(() => demo.turn('eu', 'start'));
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  const ask = async (name: string) =>
    String(await digShort({ port: demo.ports['dns-port'] }, `www.${name}`, 'A'));

  async function measure(what: string, name: string, address: string, withinMs: number): Promise<number> {
    const fromMs = performance.now();
    await until(what, async () => (await ask(name)) === address, withinMs);
    const tookMs = Math.round(performance.now() - fromMs);
    process.stdout.write(`measured: ${what} after ${tookMs} ms (allowed: ${withinMs})\n`);
    return tookMs;
  }

  it('leaves a dead region within interval × fall + 1 s by probes alone, and returns after rise', async () => {
    const { intervalMs, fall, rise } = PROBE;
    await demo.turn('eu', 'stop');
    const leftMs = await measure('left by probes', 'probed.test', '127.0.2.11', intervalMs * fall + 1000);
    // The second failure in a row is at least one interval, shortened by jitter, after the first.
    expect(leftMs).toBeGreaterThan((intervalMs * (fall - 1)) / 2);
    await demo.turn('eu', 'start');
    const backMs = await measure('back by probes', 'probed.test', '127.0.1.11', intervalMs * rise + 1000);
    expect(backMs).toBeGreaterThan((intervalMs * (rise - 1)) / 2);
  });

  it("leaves a dead region within 3 s by the proxy's report alone, and returns", async () => {
    expect(await ask('reported.test')).toBe('127.0.1.1');
    await demo.turn('eu', 'stop');
    await measure('left by the report', 'reported.test', '127.0.2.1', 3000);
    await demo.turn('eu', 'start');
    await measure('back by the report', 'reported.test', '127.0.1.1', 3000);
  });
});

async function observersFresh({ ports, state }: TestDemo): Promise<boolean> {
  const token = readFileSync(join(state, 'admin.token'), 'utf8').trim();
  const response = await fetch(`http://127.0.0.1:${ports['api-port']}/v1/status`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { proxies } = (await response.json()) as { proxies: readonly { fresh: boolean }[] };
  return proxies.length === 2 && proxies.every(({ fresh }) => fresh);
}

interface Status {
  readonly health: readonly {
    readonly state: string;
    readonly basis: string;
    readonly observers: readonly { readonly observer: string; readonly view: string }[];
  }[];
  readonly proxies: readonly { readonly node: string; readonly fresh: boolean }[];
}

describe('a reporter that dies', () => {
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  it('becomes unknown, not down, and its endpoints stay up', async () => {
    const [proxyPort, backendPort] = await freePorts(2);
    const backend = createServer((socket) => socket.destroy());
    await new Promise<void>((done) => backend.listen(backendPort, '127.0.0.1', done));
    const node = await startNode({
      zones: {
        'a.yaml': zone(
          'dead.test',
          `{ type: tcp, port: ${backendPort}, interval: 500ms, timeout: 250ms }`,
          (n) => (n === 1 ? '[{ A: 127.0.0.1, proxy: proxy-eu, service: web }]' : '[{ A: 127.0.0.1 }]'),
        ),
      },
    });
    const config = join(node.folder, 'proxy.yaml');
    writeFileSync(
      config,
      proxyConfig(node.api, join(node.folder, 'state/report.token'), proxyPort!, backendPort!),
    );
    const proxy = await startMeridian(['proxy', '--config', config], /"msg":"proxying"/);
    const status = async () => (await node.get('/v1/status')) as Status;
    const views = ({ health }: Status) =>
      health
        .flatMap(({ observers }) => observers.map(({ observer, view }) => `${observer}=${view}`))
        .toSorted();
    await until('a fresh view of the proxy', async () =>
      views(await status()).includes('proxy:proxy-eu/web=up'),
    );
    const fromMs = performance.now();
    await proxy.end('SIGKILL');
    const after = await until('an unknown view of the proxy', async () => {
      const now = await status();
      expect(now.health.map(({ state }) => state)).not.toContain('down');
      return views(now).includes('proxy:proxy-eu/web=unknown') && now;
    });
    process.stdout.write(`measured: unknown ${Math.round(performance.now() - fromMs)} ms after the kill\n`);
    expect(after.proxies).toMatchObject([{ node: 'proxy-eu', fresh: false }]);
    expect(after.health.every(({ state, basis }) => state === 'up' && basis !== 'held')).toBe(true);
    expect(await node.metric('meridian_reporter_fresh{node="proxy-eu"}')).toBe(0);
    backend.close();
  });
});

function proxyConfig(api: string, token: string, port: number, backend: number): string {
  return JSON.stringify({
    node: { name: 'proxy-eu', region: 'eu' },
    report_to: [{ url: api, token_file: token }],
    listeners: [{ listen: `127.0.0.1:${port}`, protocol: 'tcp', pool: 'web' }],
    pools: { web: { endpoints: [{ address: `127.0.0.1:${backend}` }], health: { type: 'tcp' } } },
  });
}
