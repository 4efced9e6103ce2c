import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

const ZONE = `zone: steer.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.steer.test }
regions: { eu: {} }
monitors: { tcp: { type: tcp, port: 80, interval: 60s, fall: 1 } }
pools:
  eu: { region: eu, monitor: tcp, endpoints: [{ A: 192.0.2.1 }, { A: 192.0.2.2 }], fallback: us }
  us: { endpoints: [{ A: 198.51.100.1 }] }
records: { www: { type: A, dynamic: { rules: [{ pool: eu }] } } }
`;

let rig: ControlRig;
let api: Api;

beforeEach(async () => {
  rig = controlRig();
  rig.down.add('192.0.2.2');
  await rig.load({ 'steer.test.yaml': ZONE });
  api = await apiOn(rig);
});
afterEach(async () => {
  api.server.closeAllConnections();
  await api.close();
  rig.close();
});

interface Asked {
  readonly body?: object;
  readonly role?: string;
  readonly ifMatch?: string;
}

async function send(method: 'GET' | 'PUT' | 'POST' | 'DELETE', url: string, asked: Asked = {}) {
  const { body, role = 'operate', ifMatch } = asked;
  const response = await api.inject({
    method,
    url,
    headers: { authorization: `Bearer ${role}`, ...(ifMatch !== undefined && { 'if-match': ifMatch }) },
    ...(body && { payload: body }),
  });
  return {
    status: response.statusCode,
    etag: response.headers['etag'],
    headers: response.headers,
    body: response.json(),
  };
}

const forceUrl = (target: string) => `/v1/steering/forces/${encodeURIComponent(target)}`;
const dialUrl = (target: string) => `/v1/steering/dials/${encodeURIComponent(target)}`;

async function answers(): Promise<readonly string[]> {
  const { body } = await send('GET', '/v1/explain?name=www.steer.test');
  return body.answers.map(({ rdata }: { rdata: string }) => rdata);
}

describe('PUT /v1/steering/forces/{target}', () => {
  it('forces, says what it reaches, and gives the ETag of the new document', async () => {
    const done = await send('PUT', forceUrl('steer.test/eu'), {
      body: { state: 'drain', for: '1h', reason: 'disk' },
    });
    expect(done).toMatchObject({
      status: 200,
      etag: '"s1"',
      body: { revision: 1, changed: true, id: 'steer.test/eu', reaches: { pools: 1, endpoints: 2 } },
    });
    expect(await answers()).toEqual(['198.51.100.1']);
  });

  it.each(['read', 'zones', 'report'])('is not for the role %s', async (role) => {
    const { status, body } = await send('PUT', forceUrl('steer.test/eu'), { body: { state: 'down' }, role });
    expect([status, body.code]).toEqual([403, 'forbidden']);
  });

  it('with an ETag that is old, weak or of something else is refused, with both versions', async () => {
    await send('PUT', forceUrl('steer.test/us'), { body: { state: 'up' } });
    for (const ifMatch of ['"s0"', 'W/"s1"', '"1"', 's1', '"s0", "s7"']) {
      const { status, body } = await send('PUT', forceUrl('steer.test/eu'), {
        body: { state: 'down' },
        ifMatch,
      });
      expect([status, body.code, body.current], ifMatch).toEqual([412, 'precondition_failed', '"s1"']);
    }
    for (const ifMatch of ['"s1"', '*', '"s9" , "s3"']) {
      const { status } = await send('PUT', forceUrl('steer.test/eu'), { body: { state: 'down' }, ifMatch });
      expect(status, ifMatch).toBe(200);
    }
  });

  it.each<[string, object, string]>([
    ['no state', {}, 'body'],
    ['another state', { state: 'off' }, 'body.state'],
    ['a mistyped key', { state: 'up', reson: 'x' }, 'body.reson'],
    ['a duration that is none', { state: 'up', for: 'long' }, 'body.for'],
    ['a time that is over', { state: 'up', until: '2020-01-01T00:00:00Z' }, 'body.until'],
    ['a reason of two lines', { state: 'up', reason: 'a\nb' }, 'body.reason'],
  ])('with %s is refused and says where', async (_, body, path) => {
    const { status, body: problem } = await send('PUT', forceUrl('steer.test/eu'), { body });
    expect([status, problem.code]).toEqual([400, 'invalid_request']);
    expect(problem.problems[0].path).toBe(path);
  });

  it('of what is not there names what is near', async () => {
    const { status, body } = await send('PUT', forceUrl('steer.test/ue'), { body: { state: 'down' } });
    expect([status, body.code]).toEqual([404, 'no_such_target']);
    expect(body.detail).toContain('did you mean steer.test/eu?');
  });

  it('takes targets as long as names may be', async () => {
    const zone = Array.from({ length: 4 }, (_, i) => String(i).repeat(60)).join('.');
    const { status, body } = await send('PUT', forceUrl(`${zone}/eu/2001:db8::1`), {
      body: { state: 'down' },
    });
    expect([status, body.code]).toEqual([404, 'no_such_target']);
  });
});

describe('DELETE', () => {
  it('takes an entry back, and says where there is none', async () => {
    await send('PUT', forceUrl('region:eu'), { body: { state: 'down' } });
    expect(await send('DELETE', forceUrl('region:eu'))).toMatchObject({ status: 200, etag: '"s2"' });
    expect(await send('DELETE', forceUrl('region:eu'))).toMatchObject({
      status: 404,
      body: { code: 'not_steered' },
    });
    expect(await answers()).toEqual(['192.0.2.1']);
  });
});

describe('dials and maintenance', () => {
  it('are set, shown with what they do, and removed', async () => {
    expect(await send('PUT', dialUrl('steer.test/eu'), { body: { percent: 20, over: '10m' } })).toMatchObject(
      {
        status: 200,
        body: { reaches: { pools: 1 } },
      },
    );
    const window = await send('POST', '/v1/steering/maintenance', {
      body: {
        target: 'steer.test/us',
        days: ['mon'],
        time: '03:00',
        duration: '2h',
        timezone: 'Europe/Berlin',
      },
    });
    expect(window).toMatchObject({
      status: 201,
      body: { id: 'm1' },
      headers: { location: '/v1/steering/maintenance/m1' },
    });
    const named = { target: 'region:eu', action: 'down', duration: '1h' };
    expect(await send('PUT', '/v1/steering/maintenance/kernel', { body: named })).toMatchObject({
      status: 200,
    });
    const { body } = await send('GET', '/v1/steering', { role: 'read' });
    expect(body).toMatchObject({
      revision: 3,
      dials: [{ target: 'steer.test/eu', percent: 20, holds: true, by: 'operate' }],
      maintenance: [
        { id: 'm1', target: 'steer.test/us' },
        { id: 'kernel', action: 'down', open: true, holds: true },
      ],
      endpoints: [
        {
          endpoint: '192.0.2.1',
          state: 'down',
          real: 'up',
          steering: [{ kind: 'maintenance', id: 'kernel' }],
        },
        { endpoint: '192.0.2.2', state: 'down', real: 'down' },
      ],
      pools: [{ zone: 'steer.test.', pool: 'eu' }],
    });
    expect(await send('DELETE', '/v1/steering/maintenance/kernel')).toMatchObject({ status: 200 });
    expect(await send('DELETE', dialUrl('steer.test/eu'))).toMatchObject({ status: 200 });
    expect(await send('DELETE', '/v1/steering/maintenance/__proto__')).toMatchObject({ status: 404 });
  });

  it('of an endpoint there is no dial', async () => {
    const { status, body } = await send('PUT', dialUrl('steer.test/eu/192.0.2.1'), { body: { percent: 5 } });
    expect([status, body.code]).toEqual([400, 'invalid_request']);
  });
});

describe('PUT /v1/steering', () => {
  it('takes back what GET gave, but not without its ETag', async () => {
    await send('PUT', forceUrl('steer.test/eu'), { body: { state: 'drain' } });
    const { body, etag } = await send('GET', '/v1/steering');
    const document = { ...body.document, forces: { ...body.document.forces, 'region:eu': { state: 'up' } } };
    expect(await send('PUT', '/v1/steering', { body: document })).toMatchObject({
      status: 428,
      body: { code: 'precondition_required' },
    });
    const done = await send('PUT', '/v1/steering?reason=review', { body: document, ifMatch: String(etag) });
    expect(done).toMatchObject({ status: 200, etag: '"s2"' });
    const again = await send('PUT', '/v1/steering', { body: document, ifMatch: String(etag) });
    expect(again).toMatchObject({ status: 412, body: { expected: ['"s1"'], current: '"s2"' } });
    const now = await send('GET', '/v1/steering');
    expect(now.body.forces).toMatchObject([
      { target: 'steer.test/eu', by: 'operate', state: 'drain' },
      { target: 'region:eu', by: 'operate', state: 'up' },
    ]);
  });

  it('names every mistake, and changes nothing', async () => {
    const body = {
      forces: { eu: { state: 'up' } },
      dials: { 'a/b/c': { percent: 5 } },
      maintenance: {},
      rollouts: {},
    };
    const { status, body: problem } = await send('PUT', '/v1/steering', { body, ifMatch: '"s0"' });
    expect(status).toBe(400);
    expect(problem.problems.map(({ path }: { path: string }) => path)).toEqual([
      'body.forces.eu',
      'body.dials.a/b/c',
    ]);
    expect((await send('GET', '/v1/steering')).etag).toBe('"s0"');
  });
});

describe('what is steered is shown', () => {
  beforeEach(() =>
    send('PUT', forceUrl('steer.test/eu'), { body: { state: 'up', reason: 'probes are wrong', for: '2h' } }),
  );

  it('in GET /v1/health, beside what is seen', async () => {
    const { body } = await send('GET', '/v1/health');
    expect(body.targets).toMatchObject([
      { target: '192.0.2.1', state: 'up', steered: [{ zone: 'steer.test.', pool: 'eu', state: 'up' }] },
      {
        target: '192.0.2.2',
        state: 'down',
        steered: [
          {
            state: 'up',
            text: expect.stringMatching(/^force of steer\.test\/eu by operate until \S+: probes are wrong$/),
          },
        ],
      },
    ]);
    expect(body.steered).toMatchObject([
      { endpoint: '192.0.2.1' },
      { endpoint: '192.0.2.2', real: 'down', state: 'up' },
    ]);
  });

  it('in explain, with who, why and until when', async () => {
    const { body } = await send('GET', '/v1/explain?name=www.steer.test');
    const { endpoints } = body.steps.find(({ step }: { step: string }) => step === 'pool');
    expect(endpoints[1]).toMatchObject({
      endpoint: '192.0.2.2',
      health: 'up',
      forced: true,
      real: 'down',
      basis: 'observers',
      steering: [{ by: 'operate', reason: 'probes are wrong', until: expect.any(String) }],
    });
  });

  it('in the metrics', async () => {
    await send('PUT', dialUrl('steer.test/us'), { body: { percent: 12.5 } });
    const text = (await api.inject({ url: '/metrics', headers: { authorization: 'Bearer read' } })).body;
    expect(text).toContain('meridian_steering_endpoints{zone="steer.test.",pool="eu",state="up"} 2');
    expect(text).toContain('meridian_steering_dial_percent{zone="steer.test.",pool="us",region=""} 12.5');
    expect(text).toContain('meridian_steering_entries{kind="forces"} 1');
  });
});
