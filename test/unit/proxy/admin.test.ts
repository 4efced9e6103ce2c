import { request as httpRequest } from 'node:http';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { AdminServer } from '../../../src/proxy/admin.js';
import type { ProxyControl, ProxyStatus } from '../../../src/proxy/control.js';

const QUIET = { info() {}, warn() {}, error() {} };
const TOKENS: Readonly<Record<string, { name: string; role: string }>> = {
  'the-admin': { name: 'ops', role: 'admin' },
  'the-reader': { name: 'grafana', role: 'read' },
};

class FakeControl implements ProxyControl {
  readonly orders: unknown[] = [];
  draining = false;

  status(): ProxyStatus {
    return {
      node: { name: 'p', region: 'r' },
      ...{ version: '1', startedMs: 0, workers: 1, state: 'up', draining: false },
      configuration: { hash: 'h', sinceMs: 0, applied: 0, refused: 0, problems: [], waiting: [] },
      listeners: [],
      pools: [
        {
          ...{ pool: 'web', balance: 'round_robin', healthy: 1, panic: false, inFlight: 0, queued: 0 },
          ...{ fail: 'secure', maintenance: true },
          maintenanceOrder: { by: 'ops', atMs: 0, why: 'new database' },
          endpoints: [
            {
              ...{ endpoint: '[::1]:9000', state: 'draining', detail: '', weight: 7, inFlight: 3 },
              ...{ connections: 0, idle: 0, requests: 0, errors: 0, connectFailures: 0 },
            },
          ],
        },
      ],
      reports: [],
    };
  }
  notReady(): string | null {
    return this.draining ? 'draining' : null;
  }
  drain(pool: string, endpoint: string, on: boolean) {
    this.orders.push(['drain', pool, endpoint, on]);
    return pool === 'web' ? null : ({ code: 'unknown_pool', message: `there is no pool ${pool}` } as const);
  }
  weight(pool: string, endpoint: string, weight: number | null) {
    this.orders.push(['weight', pool, endpoint, weight]);
    return endpoint.startsWith('[') ? null : ({ code: 'unknown_endpoint', message: 'none' } as const);
  }
  maintain(...order: readonly unknown[]) {
    this.orders.push(['maintain', ...order]);
    return order[0] === 'web' ? null : ({ code: 'unknown_pool', message: 'none' } as const);
  }
  breaker(pool: string, endpoint: string, wanted: string) {
    this.orders.push(['breaker', pool, endpoint, wanted]);
    return pool === 'web' ? null : ({ code: 'no_breaker', message: 'none' } as const);
  }
}

const open: AdminServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function start(options: { tokens?: boolean; host?: string } = {}) {
  const control = new FakeControl();
  const server = new AdminServer(
    { host: options.host ?? '127.0.0.1', port: 0 },
    {
      log: QUIET,
      metrics: new Registry(),
      control,
      refresh: async () => {},
      scaling: () => ({ views: [], sampledMs: Number.NaN }),
      ...(options.tokens !== false && { findToken: (text: string) => TOKENS[text] ?? null }),
    },
  );
  open.push(server);
  expect(await server.start()).toBeNull();
  const ask = async (method: string, path: string, token?: string, body?: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      method,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    const code = type.includes('problem') ? (JSON.parse(text) as { code: string }).code : undefined;
    return { status: response.status, text, type, code };
  };
  return { control, ask, port: server.port };
}

const WEB = '/v1/pools/web/endpoints/%5B%3A%3A1%5D%3A9000';

describe('AdminServer', () => {
  it.each([
    ['drain', undefined, ['drain', 'web', '[::1]:9000', true]],
    ['resume', undefined, ['drain', 'web', '[::1]:9000', false]],
    ['weight', '{"weight":5}', ['weight', 'web', '[::1]:9000', 5]],
    ['weight', '{"weight":0}', ['weight', 'web', '[::1]:9000', 0]],
    ['breaker', '{"state":"open"}', ['breaker', 'web', '[::1]:9000', 'open']],
    ['breaker', '{"state":"auto"}', ['breaker', 'web', '[::1]:9000', 'auto']],
    ['weight', '{"weight":null}', ['weight', 'web', '[::1]:9000', null]],
  ])('passes on the order %s with the body %s', async (action, body, order) => {
    const { control, ask } = await start();
    const answer = await ask('POST', `${WEB}/${action}`, 'the-admin', body);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toEqual({
      ...{ pool: 'web', endpoint: '[::1]:9000', state: 'draining', weight: 7, in_flight: 3 },
    });
    expect(control.orders).toEqual([order]);
  });

  it.each([
    ['{"on":true,"why":"new database"}', [true, 'ops', 'new database']],
    ['{"on":false}', [false, 'ops', undefined]],
    ['{"on":null}', [null, 'ops', undefined]],
  ])('passes on maintenance of a pool: %s', async (body, order) => {
    const { control, ask } = await start();
    const answer = await ask('POST', '/v1/pools/web/maintenance', 'the-admin', body);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      200,
      { pool: 'web', maintenance: true, in_flight: 0 },
    ]);
    expect(control.orders).toEqual([['maintain', 'web', ...order]]);
  });

  it('says of each pool how it fails, and who put it into maintenance', async () => {
    const { ask } = await start();
    const { pools } = JSON.parse((await ask('GET', '/v1/status')).text) as { readonly pools: unknown };
    const since = '1970-01-01T00:00:00.000Z';
    expect(pools).toMatchObject([
      {
        name: 'web',
        fail: 'secure',
        maintenance: true,
        maintenance_order: { by: 'ops', since, why: 'new database' },
      },
    ]);
  });

  it.each([
    ['no token', undefined, 401, 'unauthorized'],
    ['an unknown token', 'nobody', 401, 'unauthorized'],
    ['a token that may only read', 'the-reader', 403, 'forbidden'],
  ])('refuses an order with %s', async (_, token, status, code) => {
    const { control, ask } = await start();
    expect(await ask('POST', `${WEB}/drain`, token)).toMatchObject({ status, code });
    expect(control.orders).toEqual([]);
  });

  it('takes no orders at all where no tokens are configured', async () => {
    const { control, ask } = await start({ tokens: false });
    const answer = await ask('POST', `${WEB}/drain`, 'the-admin');
    expect(answer).toMatchObject({ status: 403, code: 'forbidden' });
    expect(answer.text).toContain('admin.tokens');
    expect(control.orders).toEqual([]);
  });

  it.each([
    ['GET', `${WEB}/drain`, 405, 'method_not_allowed', undefined],
    ['POST', '/v1/status', 405, 'method_not_allowed', undefined],
    ['GET', '/nothing', 404, 'not_found', undefined],
    ['POST', `${WEB}/explode`, 404, 'not_found', undefined],
    ['POST', '/v1/pools/db/endpoints/a%3A1/drain', 404, 'unknown_pool', undefined],
    ['POST', '/v1/pools/web/endpoints/a%3A1/weight', 404, 'unknown_endpoint', '{"weight":1}'],
    ['POST', '/v1/pools/web/endpoints/%ff/drain', 400, 'bad_request', undefined],
    ['POST', `${WEB}/weight`, 400, 'invalid_request', undefined],
    ['POST', `${WEB}/weight`, 400, 'invalid_request', '{"weight":1001}'],
    ['POST', `${WEB}/weight`, 400, 'invalid_request', '{"weight":-1}'],
    ['POST', `${WEB}/weight`, 400, 'invalid_request', '{"weight":1.5}'],
    ['POST', `${WEB}/weight`, 400, 'invalid_request', '{"weight":"1"}'],
    ['POST', `${WEB}/weight`, 400, 'invalid_request', '{"weight":1,"other":2}'],
    ['POST', `${WEB}/weight`, 400, 'invalid_request', '[]'],
    ['POST', '/v1/pools/db/maintenance', 404, 'unknown_pool', '{"on":true}'],
    ['GET', '/v1/pools/web/maintenance', 405, 'method_not_allowed', undefined],
    ['POST', '/v1/pools/web/maintenance', 400, 'invalid_request', undefined],
    ['POST', '/v1/pools/web/maintenance', 400, 'invalid_request', '{"on":"yes"}'],
    ['POST', '/v1/pools/web/maintenance', 400, 'invalid_request', '{"on":true,"until":"noon"}'],
    ['POST', '/v1/pools/web/maintenance', 400, 'invalid_request', '{"on":true,"why":"a\\u0007b"}'],
    ['POST', '/v1/pools/web/maintenance', 400, 'invalid_request', `{"on":true,"why":"${'x'.repeat(501)}"}`],
    ['POST', `${WEB}/weight`, 400, 'bad_request', '{'],
    ['POST', `${WEB}/weight`, 413, 'too_large', 'x'.repeat(5000)],
  ] as const)('answers %s %s with %d %s', async (method, path, status, code, body) => {
    const { ask } = await start();
    const answer = await ask(method, path, 'the-admin', body);
    expect(answer).toMatchObject({ status, code });
    expect(answer.type).toBe('application/problem+json');
  });

  it('says whether traffic is welcome', async () => {
    const { control, ask } = await start();
    expect(await ask('GET', '/healthz')).toMatchObject({ status: 200, text: 'ok\n' });
    expect(await ask('GET', '/readyz')).toMatchObject({ status: 200 });
    control.draining = true;
    expect(await ask('GET', '/readyz')).toMatchObject({ status: 503, text: 'draining\n' });
  });

  it('lets everybody on this machine read', async () => {
    const { ask } = await start();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
    expect((await ask('GET', '/metrics')).status).toBe(200);
  });

  it('asks for a token to read where others can connect', async () => {
    const { ask } = await start({ host: '0.0.0.0' });
    for (const path of ['/v1/status', '/metrics']) {
      expect(await ask('GET', path)).toMatchObject({ status: 401 });
      expect((await ask('GET', path, 'the-reader')).status).toBe(200);
      expect((await ask('GET', path, 'the-admin')).status).toBe(200);
    }
    expect((await ask('GET', '/healthz')).status).toBe(200);
  });

  it('ignores an authorization of an absurd length', async () => {
    const { ask } = await start();
    expect((await ask('POST', `${WEB}/drain`, 'x'.repeat(2000))).status).toBe(401);
  });

  it('gives a HEAD no body', async () => {
    const { port } = await start();
    const length = await new Promise((resolve) => {
      httpRequest({ port, method: 'HEAD', path: '/v1/status' }, (response) => {
        resolve(response.headers['content-length']);
        response.resume();
      }).end();
    });
    expect(Number(length)).toBeGreaterThan(100);
  });
});
