import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProxyNode } from '../../src/compose/proxy-node.js';
import {
  DEFAULT_LIMITS,
  DEFAULT_OUTLIER,
  DEFAULT_TIMEOUTS,
  type ProxyModel,
} from '../../src/core/balance/model.js';
import type { Report } from '../../src/core/health/report.js';
import { CHECK, endAll, exchange, FakeChecker, httpBackend, ok, QUIET, waitFor } from './proxy-rig.js';

const FILE = join(import.meta.dirname, '../../dist/compose/proxy-node.js');
const isBuilt = existsSync(FILE);
const { startProxyNode } = isBuilt
  ? ((await import(pathToFileURL(FILE).href)) as typeof import('../../src/compose/proxy-node.js'))
  : { startProxyNode: null as never };

const started: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of started.splice(0)) await close();
  await endAll();
});

function modelOf(ports: readonly number[], changes: Partial<ProxyModel> = {}): ProxyModel {
  const any = { host: '127.0.0.1', port: 0 };
  return {
    node: { name: 'proxy-eu-1', region: 'eu-west' },
    workers: 2,
    io: 'auto',
    reportTo: [],
    admin: { listen: any },
    listeners: [
      { protocol: 'http', listen: any, routes: [{ match: { pathPrefix: '/' }, pool: 'web' }], trusted: [] },
    ],
    pools: [
      {
        name: 'web',
        balance: 'round_robin',
        endpoints: ports.map((port) => ({ address: { host: '127.0.0.1', port }, weight: 1 })),
        health: CHECK,
      },
    ],
    timeouts: DEFAULT_TIMEOUTS,
    limits: DEFAULT_LIMITS,
    ...changes,
  };
}

async function start(model: ProxyModel, checker = new FakeChecker()): Promise<ProxyNode> {
  const node = await startProxyNode(model, { log: QUIET, checker });
  if (!node.ok) throw new Error(node.failures[0]!.message);
  started.push(() => node.close());
  return node;
}

async function receiver(
  status: number,
): Promise<{ url: string; reports: Report[]; tokens: string[]; server: Server }> {
  const reports: Report[] = [];
  const tokens: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      expect(`${request.method} ${request.url}`).toBe('POST /v1/reports');
      tokens.push(request.headers.authorization ?? '');
      reports.push(JSON.parse(body));
      response.writeHead(status).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  started.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, reports, tokens, server };
}

/** Again and again, until it is so. */
async function untilAsync(condition: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 1_000; n++) if (await condition()) return;
  throw new Error('waited in vain');
}

describe.skipIf(!isBuilt)('startProxyNode()', () => {
  it('serves, and tells what it does in its administration', async () => {
    const port = await httpBackend(() => ok('hello'));
    const node = await start(modelOf([port]));
    const text = await exchange(node.ports[0]!, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(text).toMatch(/hello$/);
    const admin = `http://127.0.0.1:${node.adminPort}`;
    expect(await (await fetch(`${admin}/healthz`)).text()).toBe('ok\n');
    expect((await fetch(`${admin}/readyz`)).status).toBe(200);
    expect((await fetch(`${admin}/nothing`)).status).toBe(404);
    expect((await fetch(`${admin}/v1/status`, { method: 'POST' })).status).toBe(405);
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    expect(metrics).toContain(
      `meridian_proxy_requests_total{listener="127.0.0.1:${node.ports[0]}",pool="web",status="2xx"} 1`,
    );
    expect(metrics).toContain(`meridian_proxy_endpoint_up{pool="web",endpoint="127.0.0.1:${port}"} 1`);
    const status = await (await fetch(`${admin}/v1/status`)).json();
    expect(status).toMatchObject({ node: { name: 'proxy-eu-1' }, pools: [{ name: 'web', healthy: 1 }] });
  });

  it('reports to every receiver, at once on a change, and says when it drains', async () => {
    const good = await receiver(204);
    const bad = await receiver(500);
    const checker = new FakeChecker();
    const node = await start(
      modelOf([1, 2], { reportTo: [{ url: bad.url }, { url: `${good.url}/` }] }),
      checker,
    );
    await waitFor(() => good.reports.length === 1 && bad.reports.length === 1, 'the first reports');
    expect(good.reports[0]).toMatchObject({
      schema: 1,
      node: 'proxy-eu-1',
      region: 'eu-west',
      intervalMs: 2000,
      state: 'up',
      services: [{ service: 'web', endpoints: 2, healthy: 2 }],
    });
    checker.set('web/127.0.0.1:1', false);
    await waitFor(() => good.reports.length >= 2, 'the report of the change');
    expect(good.reports.at(-1)!.services[0]!.healthy).toBe(1);
    expect(good.reports.at(-1)!.sequence).toBeGreaterThan(good.reports[0]!.sequence);
    await node.close();
    await waitFor(() => good.reports.at(-1)!.state === 'draining', 'the last report');
  });

  it('ends an ejection in the workers when a check is good', async () => {
    let asked = 0;
    const bad = await httpBackend(() => {
      asked++;
      return 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n';
    });
    const good = await httpBackend(() => ok('good'));
    const checker = new FakeChecker();
    const model = modelOf([bad, good], { workers: 1 });
    const pools = [{ ...model.pools[0]!, outlier: { ...DEFAULT_OUTLIER, consecutive: 1 } }];
    const node = await start({ ...model, pools }, checker);
    const get = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    for (let n = 0; n < 10; n++) await exchange(node.ports[0]!, get);
    expect(asked).toBe(1);
    checker.pass(`web/127.0.0.1:${bad}`);
    await untilAsync(async () => {
      await exchange(node.ports[0]!, get);
      return asked > 1;
    });
  });

  it('gives a failure that names the key when a port is taken', async () => {
    const first = await start(modelOf([1]));
    const listen = { host: '127.0.0.1', port: first.ports[0]! };
    const model = modelOf([1], { listeners: [{ protocol: 'tcp', listen, pool: 'web' }] });
    const second = await startProxyNode(model, { log: QUIET, checker: new FakeChecker() });
    expect(second).toMatchObject({
      ok: false,
      failures: [{ code: 'address_in_use', key: 'listeners[0].listen', address: `127.0.0.1:${listen.port}` }],
    });
    const admin = await startProxyNode(modelOf([1], { admin: { listen } }), {
      log: QUIET,
      checker: new FakeChecker(),
    });
    expect(admin).toMatchObject({ ok: false, failures: [{ key: 'admin.listen' }] });
  });
});
