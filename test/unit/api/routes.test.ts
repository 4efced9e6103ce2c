import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { type ApiDescription, operationsOf } from '../../support/api-description.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

const ZONE = `zone: api.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.api.test }
pools: { eu: { endpoints: [{ A: 192.0.2.1, proxy: proxy-eu, service: web }] } }
records: { www: { type: A, dynamic: { steering: failover, pools: [eu] } } }
`;
const REPORT = {
  schema: 1,
  node: 'proxy-eu',
  region: 'eu',
  epoch: 1,
  sequence: 1,
  sent: 1,
  intervalMs: 2000,
  state: 'up',
  services: [{ service: 'web', endpoints: 2, healthy: 2 }],
};

/** Every route that asks for a role, and a request that it takes. */
const CLOSED = [
  { method: 'GET', url: '/v1/status', role: 'read' },
  { method: 'GET', url: '/v1/health', role: 'read' },
  { method: 'GET', url: '/v1/proxies', role: 'read' },
  { method: 'GET', url: '/v1/zones', role: 'read' },
  { method: 'GET', url: '/v1/explain?name=www.api.test', role: 'read' },
  { method: 'GET', url: '/metrics', role: 'read' },
  { method: 'GET', url: '/v1/whoami', role: 'read' },
  { method: 'GET', url: '/v1/plans', role: 'read' },
  { method: 'GET', url: '/v1/tokens', role: 'admin' },
  { method: 'POST', url: '/v1/reports', role: 'report', payload: REPORT },
] as const;

const OPEN = ['/healthz', '/readyz', '/openapi.json', '/docs', '/docs/json'];

let rig: ControlRig;
let api: Api;
beforeAll(async () => {
  rig = controlRig();
  await rig.load({ 'api.test.yaml': ZONE });
  api = await apiOn(rig);
});
afterAll(async () => {
  rig.close();
  await api.close();
});

const as = (token: string) => ({ authorization: `Bearer ${token}` });

function expectProblem(
  response: { statusCode: number; headers: Record<string, unknown>; json: () => unknown },
  status: number,
  code: string,
) {
  expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(response.json()).toMatchObject({ type: 'about:blank', status, code, detail: expect.any(String) });
  expect(response.statusCode).toBe(status);
}

describe.each(CLOSED)('$method $url', ({ role, ...request }) => {
  it.each([
    ['without a token', {}],
    ['with a token of nobody', as('nobody')],
    ['with an empty token', { authorization: 'Bearer ' }],
    ['with another scheme', { authorization: 'Basic YTpi' }],
  ])('answers 401 %s', async (_what, headers) => {
    expectProblem(await api.inject({ ...request, headers }), 401, 'unauthorized');
  });

  it('answers 403 to a token of another role', async () => {
    const other = role === 'read' ? 'report' : 'read';
    expectProblem(await api.inject({ ...request, headers: as(other) }), 403, 'forbidden');
  });

  it.each([role, 'admin'])('answers 200 to the role %s', async (token) => {
    expect((await api.inject({ ...request, headers: as(token) })).statusCode).toBe(200);
  });
});

describe('every other route', () => {
  it.each(OPEN)('%s is open', async (url) => {
    expect((await api.inject(url)).statusCode).toBe(200);
  });

  it('of /v1 is closed, whatever it is', async () => {
    const description = (await api.inject('/openapi.json')).json() as ApiDescription;
    const operations = operationsOf(description).filter(({ path }) => path.startsWith('/v1/'));
    expect(operations.length).toBeGreaterThan(10);
    for (const { method, path, operation } of operations) {
      expect(operation.security, path).toEqual([{ token: [] }]);
      const url = path.replaceAll(/\{\w+\}/g, 'x');
      expectProblem(await api.inject({ method: method as 'GET', url }), 401, 'unauthorized');
    }
    const open = operationsOf(description).filter(({ operation }) => !operation.security);
    expect(open.map(({ path }) => path).toSorted()).toEqual(['/healthz', '/readyz']);
  });
});

describe('errors', () => {
  it.each([
    ['GET', '/nothing'],
    ['GET', '/v1/'],
    ['DELETE', '/v1/zones'],
    ['GET', '/v1/reports'],
  ] as const)('%s %s is 404', async (method, url) => {
    expectProblem(await api.inject({ method, url, headers: as('admin') }), 404, 'not_found');
  });

  const post = (payload: string | object, type = 'application/json') =>
    api.inject({
      method: 'POST',
      url: '/v1/reports',
      headers: { ...as('report'), 'content-type': type },
      payload,
    });

  it('answer 413 to a body that is too large', async () => {
    expectProblem(await post(JSON.stringify({ x: 'x'.repeat(2_200_000) })), 413, 'too_large');
  });

  it('answer 415 to another media type', async () => {
    expectProblem(await post('schema: 1', 'application/yaml'), 415, 'unsupported_media_type');
  });

  it.each(['{', '', '[]', '"text"', '{"__proto__":{"a":1}}'])('answer 400 to the body %s', async (body) => {
    const response = await post(body);
    expect(response.statusCode).toBe(400);
    expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
  });

  it.each([
    ['schema', 2],
    ['node', ''],
    ['node', 'x'.repeat(64)],
    ['region', 7],
    ['epoch', -1],
    ['sequence', 0],
    ['sequence', 1.5],
    ['sent', 'now'],
    ['intervalMs', 99],
    ['intervalMs', 60_001],
    ['state', 'fine'],
    ['services', {}],
    ['services', [{ service: 'web', endpoints: 2 }]],
    ['services', [{ service: 'web', endpoints: 2, healthy: -1 }]],
    ['services', [{ service: 'web', endpoints: 2, healthy: 1, extra: 1 }]],
    ['services', Array.from({ length: 1001 }, () => ({ service: 'web', endpoints: 1, healthy: 1 }))],
    ['extra', 1],
  ])('answer 400 to a report whose %s is %j, and name it', async (key, value) => {
    const response = await post({ ...REPORT, [key]: value });
    expectProblem(response, 400, 'invalid_request');
    expect(response.json()).toMatchObject({ detail: expect.stringMatching(/^body/) });
  });

  it('do not show what went wrong inside', async () => {
    const broken = await apiOn({
      ...rig,
      control: Object.create(rig.control, {
        health: { value: rig.control.health },
        steering: { value: undefined },
        zones: {
          get() {
            throw new Error('a secret');
          },
        },
      }),
    });
    const response = await broken.inject({ url: '/v1/zones', headers: as('read') });
    expectProblem(response, 500, 'internal');
    expect(response.body).not.toContain('secret');
    await broken.close();
  });
});

describe('POST /v1/reports', () => {
  const send = async (change: object) =>
    (
      await api.inject({
        method: 'POST',
        url: '/v1/reports',
        headers: as('report'),
        payload: { ...REPORT, epoch: Date.now(), sent: Date.now(), ...change },
      })
    ).json();

  it('tells what became of a report', async () => {
    const epoch = Date.now();
    expect(await send({ epoch, sequence: 3 })).toEqual({ outcome: 'accepted' });
    expect(await send({ epoch, sequence: 3 })).toEqual({ outcome: 'ignored', code: 'old_sequence' });
    expect(await send({ node: 'stranger' })).toEqual({ outcome: 'ignored', code: 'unknown_node' });
    expect(await send({ sent: epoch + 3_600_000 })).toEqual({ outcome: 'ignored', code: 'from_future' });
  });

  it('counts and names those that are refused', async () => {
    const before = { ...rig.health.reportCounters };
    const lines = rig.logged.length;
    const headers = as('bound');
    const large = JSON.stringify({ x: 'x'.repeat(2_200_000) });
    const request = { method: 'POST', url: '/v1/reports' } as const;
    const json = { ...headers, 'content-type': 'application/json' };
    for (let i = 0; i < 3; i++) await api.inject({ ...request, headers: json, payload: large });
    await api.inject({ ...request, headers, payload: { ...REPORT, node: 'another' } });
    await api.inject({ ...request, headers, payload: { schema: 2 } });
    await api.inject({ ...request, payload: REPORT });
    const { too_large, wrong_identity, malformed, accepted } = rig.health.reportCounters;
    expect([too_large - before.too_large, wrong_identity - before.wrong_identity]).toEqual([3, 2]);
    expect([malformed - before.malformed, accepted - before.accepted]).toEqual([1, 0]);
    const told = rig.logged.slice(lines).filter((line) => line.includes('a report is refused'));
    expect(told.filter((line) => line.includes('too_large'))).toHaveLength(1);
    expect(told.some((line) => line.includes('bound') && line.includes('wrong_identity'))).toBe(true);
  });

  it('lets a token of a proxy report for that proxy only', async () => {
    const now = Date.now();
    const payload = { ...REPORT, epoch: now, sent: now };
    const headers = { authorization: 'Bearer bound' };
    const other = await api.inject({ method: 'POST', url: '/v1/reports', headers, payload });
    expectProblem(other, 403, 'forbidden');
    const own = { ...payload, node: 'bound' };
    const response = await api.inject({ method: 'POST', url: '/v1/reports', headers, payload: own });
    expect(response.statusCode).toBe(200);
  });

  it('refuses a service with more healthy endpoints than it has', async () => {
    const services = [{ service: 'web', endpoints: 0, healthy: 1 }];
    expect(await send({ services })).toMatchObject({ status: 400, code: 'invalid_request' });
  });

  it('takes the name of the scheme in any case', async () => {
    const headers = { authorization: 'bearer read' };
    expect((await api.inject({ url: '/v1/status', headers })).statusCode).toBe(200);
  });
});

describe('the description', () => {
  it('is OpenAPI 3.1 with every problem schema resolved', async () => {
    const document = (await api.inject('/openapi.json')).json() as {
      openapi: string;
      info: { version: string };
      components: { schemas: Record<string, unknown> };
    };
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(document.info.version).toBe('1.2.3');
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(0);
    for (const [, name] of references) expect(Object.keys(document.components.schemas)).toContain(name);
  });
});

describe('GET /readyz', () => {
  it('is 503 while no zone is served, and names where to look', async () => {
    const empty = controlRig();
    const other = await apiOn(empty);
    const response = await other.inject('/readyz');
    expectProblem(response, 503, 'not_ready');
    expect(response.json().missing).toEqual(['no zone is served: there is no zone file in the zone folder']);
    expect((await other.inject('/healthz')).statusCode).toBe(200);
    await empty.load({ 'api.test.yaml': ZONE });
    expect((await other.inject('/readyz')).statusCode).toBe(200);
    empty.close();
    await other.close();
  });
});

describe('GET /readyz of a node that serves zones', () => {
  it('names what else is missing', async () => {
    const missing = ['the thread dns-0 ended and is being replaced'];
    const lame = await apiOn(rig, { modules: { missing: () => missing } });
    const response = await lame.inject('/readyz');
    expectProblem(response, 503, 'not_ready');
    expect(response.json()).toMatchObject({ missing, detail: missing[0] });
    await lame.close();
  });
});

describe('GET /metrics', () => {
  it('is open where only this machine can reach it', async () => {
    const open = await apiOn(rig, { openMetrics: true });
    const response = await open.inject('/metrics');
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-type']).toMatch(/^text\/plain/);
    await open.close();
  });
});
