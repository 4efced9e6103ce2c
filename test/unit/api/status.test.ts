import { afterEach, describe, expect, it } from 'vitest';
import { apiOn, type ControlRig, controlRig, useEmbeddedGeo } from '../../support/control-rig.js';

const ZONE = `zone: status.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.status.test }
monitors: { tcp: { type: tcp, port: 80, interval: 60s } }
pools: { eu: { monitor: tcp, endpoints: [{ A: 192.0.2.1, proxy: proxy-eu }, { A: 192.0.2.2 }] } }
records: { www: { type: A, dynamic: { steering: failover, pools: [eu] } } }
`;

let rig: ControlRig;
afterEach(() => rig.close());

async function get(url: string): Promise<unknown> {
  const api = await apiOn(rig);
  const response = await api.inject({ url, headers: { authorization: 'Bearer read' } });
  expect(response.statusCode).toBe(200);
  await api.close();
  return response.json();
}

describe('GET /v1/status', () => {
  it('shows node, geo database, targets with their observers, and proxies', async () => {
    rig = controlRig();
    rig.down.add('192.0.2.2');
    await useEmbeddedGeo(rig);
    await rig.load({ 'status.test.yaml': ZONE });
    expect(await get('/v1/status')).toMatchObject({
      node: 'dns-test',
      region: 'eu',
      version: '1.2.3',
      listen: ['127.0.0.1:5300'],
      problems: [],
      geo: {
        sources: [{ path: 'embedded', attribution: expect.stringContaining('CC BY 4.0') }],
        problems: [],
      },
      health: [
        {
          target: '192.0.2.1 (tcp)',
          state: 'up',
          observers: [{ observer: 'probe', view: 'up' }, { view: 'unknown' }],
        },
        {
          target: '192.0.2.2 (tcp)',
          state: 'down',
          observers: [{ observer: 'probe', view: 'down', detail: 'refused' }],
        },
      ],
      proxies: [{ node: 'proxy-eu', fresh: false }],
    });
  });

  it('shows a mistake with its line, and goes on serving the last good zone', async () => {
    rig = controlRig();
    await rig.load({ 'status.test.yaml': ZONE });
    await rig.load({ 'status.test.yaml': ZONE.replace('192.0.2.1', '192.0.2.x') });
    expect(await get('/v1/status')).toMatchObject({
      problems: [expect.stringMatching(/^status\.test\.yaml:5:\d+: pools\.eu\.endpoints/)],
    });
    expect(await get('/v1/zones')).toMatchObject({
      zones: [{ zone: 'status.test.', state: 'stale', problems: [expect.stringContaining(':5:')] }],
    });
    await rig.load({ 'status.test.yaml': ZONE });
    expect(await get('/v1/zones')).toMatchObject({ zones: [{ state: 'current', problems: [] }] });
  });

  it('forgets a zone whose file is gone', async () => {
    rig = controlRig();
    await rig.load({ 'status.test.yaml': ZONE });
    await rig.load({});
    expect(await get('/v1/zones')).toEqual({ zones: [], total: 0 });
    expect(await get('/v1/status')).toMatchObject({ health: [], proxies: [] });
  });
});
