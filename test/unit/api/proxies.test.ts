import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { countLatency, encodeLatency, LATENCY_CELLS } from '../../../src/core/tally/latency.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

const ZONE = `zone: proxies.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.proxies.test }
pools: { eu: { endpoints: [{ A: 192.0.2.1, proxy: proxy-eu, service: web }] } }
records: { www: { type: A, dynamic: { steering: failover, pools: [eu] } } }
`;
const EPOCH = Date.now() - 60_000;

const COUNTERS = { issued: 0, ok: 0, errors: 0, connectFailures: 0, timeouts: 0, retried: 0, shed: 0 };
const POOL = {
  ejected: 1,
  draining: 1,
  healthyWeight: 3,
  weight: 5,
  panic: false,
  inFlight: 7,
  queued: 2,
  counters: COUNTERS,
};
const WEB = { service: 'web', endpoints: 5, healthy: 3, pool: POOL };
const PROXY = {
  version: '1.0.0',
  cpu: 0.25,
  loopLagMs: 3.5,
  memoryBytes: 100_000_000,
  connections: { open: 10, limit: 1000 },
  certificateExpires: Date.UTC(2027, 0, 1),
  configuration: '0123456789abcdef',
};
const REPORT = {
  schema: 1,
  node: 'proxy-eu',
  region: 'eu',
  epoch: EPOCH,
  sequence: 1,
  sent: EPOCH,
  intervalMs: 2000,
  ttlMs: 6000,
  state: 'degraded',
  reason: 'no healthy endpoint: db',
  services: [WEB],
  proxy: PROXY,
  scaling: {
    ...{ action: 'up', factor: 1.2, service: 'web', limiting: 'cpu' },
    subjects: [
      {
        ...{ subject: '(proxy)', action: 'up', current: 1, desired: 1.2, reason: 'usage', limiting: 'cpu' },
        ...{ usage: 1.2, forecast: 1.4, forecastError: 0.1 },
      },
      { subject: 'web', action: 'down', current: 3, desired: 2, reason: 'usage' },
    ],
  },
};

function subject(changes: object): object {
  const web = { subject: 'web', action: 'up', current: 3, desired: 4, reason: 'usage', ...changes };
  return { action: 'up', factor: 1, service: 'web', limiting: 'cpu', subjects: [web] };
}

let rig: ControlRig;
let api: Api;

beforeEach(async () => {
  rig = controlRig();
  await rig.load({ 'proxies.test.yaml': ZONE });
  api = await apiOn(rig);
});
afterEach(async () => {
  await api.close();
  rig.close();
});

function send(change: object) {
  return api.inject({
    method: 'POST',
    url: '/v1/reports',
    headers: { authorization: 'Bearer report' },
    payload: { ...REPORT, ...change },
  });
}

async function proxies() {
  const response = await api.inject({ url: '/v1/proxies', headers: { authorization: 'Bearer read' } });
  expect(response.statusCode).toBe(200);
  return response.json().proxies;
}

function latencyOf(...durations: readonly number[]): readonly number[] {
  const cells = new Float64Array(LATENCY_CELLS);
  for (const ms of durations) countLatency(cells, 0, ms);
  return encodeLatency(cells);
}

describe('GET /v1/proxies', () => {
  it('shows a proxy that has never reported', async () => {
    expect(await proxies()).toEqual([{ node: 'proxy-eu', fresh: false, services: [] }]);
  });

  it('shows what a report of an older version tells', async () => {
    const { ttlMs: _, reason: __, proxy: ___, scaling: ____, ...old } = REPORT;
    const services = [{ service: 'web', endpoints: 5, healthy: 3 }];
    const response = await api.inject({
      method: 'POST',
      url: '/v1/reports',
      headers: { authorization: 'Bearer report' },
      payload: { ...old, services },
    });
    expect(response.json()).toEqual({ outcome: 'accepted' });
    expect(await proxies()).toMatchObject([{ node: 'proxy-eu', state: 'degraded', services }]);
  });

  it('shows the process, the state with its reason, the pools and the hint', async () => {
    await send({});
    expect(await proxies()).toMatchObject([
      {
        node: 'proxy-eu',
        region: 'eu',
        state: 'degraded',
        reason: 'no healthy endpoint: db',
        started: new Date(EPOCH).toISOString(),
        version: '1.0.0',
        cpu: 0.25,
        loop_lag_ms: 3.5,
        memory_bytes: 100_000_000,
        connections: { open: 10, limit: 1000 },
        certificate_expires: '2027-01-01T00:00:00.000Z',
        configuration: '0123456789abcdef',
        scaling: {
          ...{ action: 'up', factor: 1.2, service: 'web', limiting: 'cpu' },
          subjects: [
            {
              ...{ subject: '(proxy)', action: 'up', current: 1, desired: 1.2, reason: 'usage' },
              ...{ limiting: 'cpu', usage: 1.2, forecast: 1.4, forecast_error: 0.1 },
            },
            { subject: 'web', action: 'down', current: 3, desired: 2, reason: 'usage' },
          ],
        },
        services: [
          {
            service: 'web',
            ejected: 1,
            draining: 1,
            healthy_weight: 3,
            weight: 5,
            panic: false,
            in_flight: 7,
            queued: 2,
          },
        ],
      },
    ]);
  });

  it('makes rates and latencies of the difference of two reports', async () => {
    const first = { ...POOL, counters: { ...COUNTERS, issued: 100, ok: 90 }, latency: latencyOf(5000) };
    await send({ services: [{ ...WEB, pool: first }] });
    expect((await proxies())[0].services[0].rates).toBeUndefined();
    const counters = { ...COUNTERS, issued: 300, ok: 280, errors: 10, shed: 4 };
    const second = { ...POOL, counters, latency: latencyOf(5000, 1, 1, 1, 100) };
    await send({ sequence: 2, sent: EPOCH + 2000, services: [{ ...WEB, pool: second }] });
    const [service] = (await proxies())[0].services;
    expect(service.rates).toEqual({
      seconds: 2,
      requests: 100,
      ok: 95,
      errors: 5,
      connect_failures: 0,
      timeouts: 0,
      retried: 0,
      shed: 2,
    });
    expect(service.latency_ms.p50).toBeCloseTo(1, 0);
    expect(service.latency_ms.p99).toBeGreaterThan(90);
    expect(service.latency_ms.p99).toBeLessThan(113);
  });

  it('makes no rates across a restart', async () => {
    await send({ services: [{ ...WEB, pool: { ...POOL, counters: { ...COUNTERS, issued: 100 } } }] });
    await send({ epoch: EPOCH + 1000, sent: EPOCH + 2000 });
    expect((await proxies())[0].services[0].rates).toBeUndefined();
  });

  it('takes a time that no calendar has', async () => {
    await send({ proxy: { ...PROXY, certificateExpires: Number.MAX_SAFE_INTEGER } });
    expect((await proxies())[0].certificate_expires).toBe('+275760-09-13T00:00:00.000Z');
  });

  it('asks for a token', async () => {
    expect((await api.inject('/v1/proxies')).statusCode).toBe(401);
  });
});

describe('POST /v1/reports', () => {
  const pool = (change: object) => ({ services: [{ ...WEB, pool: { ...POOL, ...change } }] });

  it.each([
    ['ttlMs', { ttlMs: 99 }],
    ['ttlMs', { ttlMs: 600_001 }],
    ['reason', { reason: 'x'.repeat(201) }],
    ['cpu', { proxy: { ...PROXY, cpu: 1.01 } }],
    ['loopLagMs', { proxy: { ...PROXY, loopLagMs: -1 } }],
    ['memoryBytes', { proxy: { ...PROXY, memoryBytes: 0.5 } }],
    ['limit', { proxy: { ...PROXY, connections: { open: 1, limit: -1 } } }],
    ['certificateExpires', { proxy: { ...PROXY, certificateExpires: 'soon' } }],
    ['configuration', { proxy: { ...PROXY, configuration: 'x' } }],
    ['version', { proxy: { ...PROXY, version: 'x'.repeat(64) } }],
    ['action', { scaling: { action: 'away', factor: 1, service: 'web', limiting: 'cpu' } }],
    ['factor', { scaling: { action: 'up', factor: 0, service: 'web', limiting: 'cpu' } }],
    ['action', { scaling: subject({ action: 'away' }) }],
    ['desired', { scaling: subject({ desired: -1 }) }],
    ['usage', { scaling: subject({ usage: 1e10 }) }],
    ['subject', { scaling: subject({ subject: '' }) }],
    ['more', { scaling: subject({ more: 1 }) }],
    ['panic', pool({ panic: 1 })],
    ['inFlight', pool({ inFlight: -1 })],
    ['issued', pool({ counters: { ...COUNTERS, issued: -1 } })],
    ['counters', pool({ counters: {} })],
    ['latency', pool({ latency: Array.from({ length: 337 }, () => 1) })],
    ['ejected endpoints', pool({ ejected: 6 })],
    ['draining endpoints', pool({ draining: 6 })],
    ['healthy weight', pool({ healthyWeight: 6 })],
    ['latency', pool({ latency: [5, 1, 4, 1] })],
    ['latency', pool({ latency: [5] })],
    ['healthy endpoints', { services: [{ service: 'web', endpoints: 1, healthy: 2 }] }],
    ['twice', { services: [WEB, WEB] }],
  ])('refuses a wrong %s: %j', async (word, change) => {
    const response = await send(change);
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ code: 'invalid_request' });
    expect(response.json().detail).toContain(word);
  });
});
