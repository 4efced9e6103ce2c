import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

const ZONE = `zone: health.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.health.test }
monitors: { tcp: { type: tcp, port: 80, interval: 60s, fall: 1, quorum: all } }
pools:
  eu:
    monitor: tcp
    shed: { from: 0.7, to: 0.95 }
    endpoints: [{ A: 192.0.2.1, proxy: proxy-eu, service: web }, { A: 192.0.2.2 }]
records: { www: { type: A, dynamic: { steering: failover, pools: [eu] } } }
`;
const READ = { authorization: 'Bearer read' };

let rig: ControlRig;
let api: Api;

beforeEach(async () => {
  rig = controlRig();
  rig.down.add('192.0.2.2');
  await rig.load({ 'health.test.yaml': ZONE });
  api = await apiOn(rig);
});
afterEach(async () => {
  // The client may keep a connection that it no longer reads.
  api.server.closeAllConnections();
  await api.close();
  rig.close();
});

async function get(url: string) {
  const response = await api.inject({ url, headers: READ });
  expect(response.statusCode).toBe(200);
  return response.json();
}

function report(healthy: number, sequence: number) {
  const load = { capacity: 100, utilisation: 0.8, limiting: 'cpu' };
  return api.inject({
    method: 'POST',
    url: '/v1/reports',
    headers: { authorization: 'Bearer report' },
    payload: {
      schema: 1,
      node: 'proxy-eu',
      region: 'eu',
      epoch: Date.now(),
      sequence,
      sent: Date.now(),
      intervalMs: 2000,
      state: 'up',
      services: [{ service: 'web', endpoints: 2, healthy, load }],
    },
  });
}

describe('GET /v1/health', () => {
  it('shows the verdict of each target, since when, and what each observer sees', async () => {
    const found = await get('/v1/health');
    expect(found).toMatchObject({
      total: 2,
      nodes: [],
      proxies: [{ node: 'proxy-eu', fresh: false }],
      pools: [{ pool: 'pool eu of health.test.', shedding: false, share: 0 }],
      targets: [
        {
          target: '192.0.2.1',
          monitor: 'tcp',
          state: 'up',
          basis: 'observers',
          forced: false,
          up: 1,
          known: 1,
          quorum: 'all',
          share: 1,
          observers: [
            { observer: 'probe', view: 'up', detail: 'status 200' },
            { observer: 'proxy:proxy-eu/web', view: 'unknown', detail: 'no observation yet' },
          ],
        },
        {
          target: '192.0.2.2',
          state: 'down',
          last_error: { detail: 'refused' },
          observers: [{ observer: 'probe', view: 'down', detail: 'refused' }],
        },
      ],
    });
    const [first] = found.targets;
    expect(Date.parse(first.next_check) - Date.parse(first.last_check)).toBeGreaterThan(50_000);
    expect(first.last_error).toBeUndefined();
  });

  it.each([
    ['state=down', ['192.0.2.2']],
    ['state=up', ['192.0.2.1']],
    ['state=held', []],
    ['target=192.0.2.2', ['192.0.2.2']],
    ['limit=1', ['192.0.2.1']],
  ])('takes ?%s', async (query, targets) => {
    const found = await get(`/v1/health?${query}`);
    expect(found.targets.map(({ target }: { target: string }) => target)).toEqual(targets);
  });

  it('shows endpoints whose state an operator fixed, at the end', async () => {
    const fixed = '{ A: 192.0.2.3, status: down }, { A: 192.0.2.4, AAAA: "2001:db8::4", status: up }';
    await rig.load({ 'health.test.yaml': ZONE.replace('{ A: 192.0.2.2 }', `{ A: 192.0.2.2 }, ${fixed}`) });
    const about = { monitor: 'tcp', basis: 'forced', forced: true, pool: 'pool eu of health.test.' };
    const [down, up, six] = [
      { target: '192.0.2.3', state: 'down' },
      { target: '192.0.2.4', state: 'up' },
      { target: '2001:db8::4', state: 'up' },
    ].map((one) => ({ ...about, ...one }));
    expect(await get('/v1/health?state=forced')).toMatchObject({ total: 3, targets: [down, up, six] });
    expect(await get('/v1/health?state=down&limit=2')).toMatchObject({
      total: 2,
      targets: [{ target: '192.0.2.2', forced: false }, down],
    });
    const first = await get('/v1/health?limit=3');
    expect(first.targets.at(-1)).toMatchObject({ ...down });
    const rest = await get(`/v1/health?limit=1&cursor=${first.next}`);
    expect(rest).toMatchObject({ total: 5, targets: [up] });
    expect(await get(`/v1/health?cursor=${rest.next}`)).not.toHaveProperty('next');
    await rig.load({ 'health.test.yaml': ZONE });
    expect(await get('/v1/health?state=forced')).toMatchObject({ total: 0, targets: [] });
  });

  it.each(['state=well', 'limit=0', 'limit=1001', 'cursor=x', 'offset=1'])('refuses ?%s', async (query) => {
    expect((await api.inject({ url: `/v1/health?${query}`, headers: READ })).statusCode).toBe(400);
  });

  it.each(['/v1/health', '/v1/health/events'])('%s is closed without a token', async (url) => {
    expect((await api.inject({ url })).statusCode).toBe(401);
    const wrong = await api.inject({ url, headers: { authorization: 'Bearer report' } });
    expect(wrong.statusCode).toBe(403);
  });

  it('shows what a proxy says of itself', async () => {
    expect((await report(0, 1)).json()).toEqual({ outcome: 'accepted' });
    const found = await get('/v1/health?target=192.0.2.1');
    expect(found.targets[0]).toMatchObject({
      state: 'down',
      known: 2,
      observers: [{ view: 'up' }, { view: 'down', region: 'eu', detail: '0 of 2 endpoints healthy' }],
    });
  });
});

describe('GET /v1/health/events', () => {
  it('tells of transitions as they happen, and of those missed', async () => {
    const address = await api.listen({ host: '127.0.0.1', port: 0 });
    const open = async (headers: Readonly<Record<string, string>>) => {
      const response = await fetch(`${address}/v1/health/events`, { headers: { ...READ, ...headers } });
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      return response.body!.pipeThrough(new TextDecoderStream()).getReader();
    };
    const untilText = async (reader: ReadableStreamDefaultReader<string>, wanted: string) => {
      let text = '';
      while (!text.includes(wanted)) text += (await reader.read()).value ?? '';
      return text;
    };
    const reader = await open({});
    await untilText(reader, 'retry');
    await report(0, 1);
    const text = await untilText(reader, '\n\n');
    const [, id] = /^id: (\d+)$/m.exec(text)!;
    expect(text).toContain('event: transition\n');
    expect(JSON.parse(/^data: (.*)$/m.exec(text)![1]!)).toMatchObject({
      target: '192.0.2.1',
      monitor: 'tcp',
      state: 'down',
      basis: 'observers',
      reason: expect.stringContaining('0 of 2 endpoints healthy'),
    });
    await reader.cancel();
    const again = await open({ 'last-event-id': String(Number(id) - 1) });
    expect(await untilText(again, 'id: ')).toContain(`id: ${id}`);
    await again.cancel();
  });

  it('ends with the server', async () => {
    const address = await api.listen({ host: '127.0.0.1', port: 0 });
    const response = await fetch(`${address}/v1/health/events`, { headers: READ });
    const ended = response.text();
    await api.close();
    expect(await ended).toContain('retry');
  });
});
