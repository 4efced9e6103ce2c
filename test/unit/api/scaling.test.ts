import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

const ZONE = `zone: scaling.test
ttl: 30
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.scaling.test }
pools:
  eu: { endpoints: [ { A: 192.0.2.1, proxy: p1, service: web }, { A: 192.0.2.2, proxy: p2, service: web } ] }
records: { www: { type: A, dynamic: { rules: [ { pool: eu } ] } } }
`;

let rig: ControlRig;
let api: Api;
beforeEach(async () => {
  rig = controlRig();
  await rig.load({ 'scaling.test.yaml': ZONE });
  api = await apiOn(rig);
});
afterEach(async () => {
  await api.close();
  rig.close();
});

async function report(node: string, region: string, subjects: readonly object[]) {
  const nowMs = Date.now();
  const { statusCode, json } = await api.inject({
    method: 'POST',
    url: '/v1/reports',
    headers: { authorization: 'Bearer report' },
    payload: {
      ...{ schema: 1, node, region, epoch: nowMs, sequence: 1, sent: nowMs, intervalMs: 2000, state: 'up' },
      services: [{ service: 'web', endpoints: 4, healthy: 4 }],
      scaling: { action: 'up', factor: 1.5, service: 'web', limiting: 'cpu', subjects },
    },
  });
  expect([statusCode, json()]).toEqual([200, { outcome: 'accepted' }]);
}

async function scaling(query = '') {
  const response = await api.inject({
    url: `/v1/scaling${query}`,
    headers: { authorization: 'Bearer read' },
  });
  return { status: response.statusCode, body: response.json() };
}

const own = (desired: number) => {
  return {
    subject: '(proxy)',
    action: 'up',
    current: 1,
    desired,
    reason: 'usage',
    limiting: 'cpu',
    usage: desired,
  };
};

it('GET /v1/scaling adds up what the proxies of a region want, by name', async () => {
  expect((await scaling()).body).toEqual({ regions: {} });
  await report('p1', 'eu', [
    own(1.6),
    { subject: 'web', action: 'up', current: 4, desired: 5, reason: 'usage' },
  ]);
  await report('p2', 'eu', [
    { ...own(1.5), forecast: 2, forecastError: 0.25 },
    { subject: 'web', action: 'up', current: 4, desired: 7, reason: 'step', limiting: 'latency', usage: 3 },
  ]);
  const { status, body } = await scaling();
  expect(status).toBe(200);
  expect(body).toEqual({
    regions: {
      eu: {
        missing: 0,
        proxies: {
          ...{ action: 'up', current: 2, desired: 4, ratio: 2, reason: 'usage' },
          ...{ limiting: 'cpu', usage: 1.6 },
        },
        pools: {
          web: {
            ...{ action: 'up', current: 4, desired: 7, ratio: 1.75, reason: 'step' },
            ...{ limiting: 'latency', usage: 3 },
          },
        },
      },
    },
  });
  expect((await scaling('?region=us')).body).toEqual({ regions: {} });
  expect((await scaling('?region=eu')).body).toEqual(body);
});

it('GET /v1/scaling takes a token, and no other parameters', async () => {
  expect((await api.inject('/v1/scaling')).statusCode).toBe(401);
  expect((await scaling('?zone=x')).status).toBe(400);
});
