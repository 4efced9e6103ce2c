import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

const ZONE = `zone: roll.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.roll.test }
pools:
  blue: { endpoints: [{ A: 192.0.2.1 }] }
  green: { endpoints: [{ A: 198.51.100.1 }] }
records: { www: { type: A, dynamic: { rules: [{ pool: blue }] } } }
`;
const ORDER = { zone: 'roll.test', from: 'blue', to: 'green' };
const URL = '/v1/steering/rollouts';

let rig: ControlRig;
let api: Api;

beforeEach(async () => {
  rig = controlRig();
  await rig.load({ 'roll.test.yaml': ZONE });
  api = await apiOn(rig);
});
afterEach(async () => {
  api.server.closeAllConnections();
  await api.close();
  rig.close();
});

async function send(
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  url: string,
  {
    body,
    role = 'operate',
    ifMatch,
  }: { readonly body?: object; readonly role?: string; readonly ifMatch?: string } = {},
) {
  const response = await api.inject({
    method,
    url,
    headers: { authorization: `Bearer ${role}`, ...(ifMatch !== undefined && { 'if-match': ifMatch }) },
    ...(body && { payload: body }),
  });
  return { status: response.statusCode, headers: response.headers, body: response.json() };
}

describe('POST /v1/steering/rollouts', () => {
  it('starts a canary with the usual steps, by health alone where nobody reports', async () => {
    const { status, headers, body } = await send('POST', URL, { body: { ...ORDER, reason: 'v2' } });
    expect([status, headers['location'], headers['etag']]).toEqual([201, `${URL}/r1`, '"s1"']);
    expect(body).toMatchObject({
      revision: 1,
      id: 'r1',
      rollout: {
        ...{ zone: 'roll.test.', from: 'blue', to: 'green', state: 'running', percent: 5, step: 0 },
        ...{ by: 'operate', reason: 'v2', on_failure: 'rollback' },
        analysis: { min_requests: 0, window_seconds: 60 },
        history: [{ event: 'started', percent: 5, by: 'operate' }],
      },
    });
    expect(body.rollout.steps.map(({ percent }: { percent: number }) => percent)).toEqual([5, 25, 50, 100]);
  });

  it.each<[string, object, number, string]>([
    ['without a pool', { zone: 'roll.test', from: 'blue' }, 400, 'invalid_request'],
    ['with a key that is unknown', { ...ORDER, step: [] }, 400, 'invalid_request'],
    ['with no steps', { ...ORDER, steps: [] }, 400, 'invalid_request'],
    [
      'with steps that do not end with all',
      { ...ORDER, steps: [{ percent: 5, hold: '1m' }] },
      400,
      'invalid_request',
    ],
    [
      'with a time that is none',
      { ...ORDER, steps: [{ percent: 100, hold: 'soon' }] },
      400,
      'invalid_request',
    ],
    ['with a time of a year', { ...ORDER, steps: [{ percent: 100, hold: '365d' }] }, 400, 'invalid_request'],
    ['from a pool to itself', { ...ORDER, to: 'blue' }, 400, 'invalid_request'],
    ['in a zone that is none', { ...ORDER, zone: 'a..b' }, 400, 'invalid_request'],
    ['in every zone', { ...ORDER, zone: '*' }, 400, 'invalid_request'],
    ['to a pool that is not there', { ...ORDER, to: 'gren' }, 404, 'no_such_target'],
    ['by requests that nobody reports', { ...ORDER, analysis: { min_requests: 5 } }, 400, 'invalid_request'],
    ['with a name that is __proto__', { ...ORDER, id: '__proto__' }, 201, ''],
  ])('%s', async (_, body, status, code) => {
    const done = await send('POST', URL, { body });
    expect([done.status, done.body.code ?? '']).toEqual([status, code]);
    if (status !== 201) expect((await send('GET', URL)).body).toEqual({ rollouts: [] });
  });

  it.each(['read', 'zones', 'report'])('is not for the role %s', async (role) => {
    expect((await send('POST', URL, { body: ORDER, role })).status).toBe(403);
  });

  it('based on an old document is refused', async () => {
    await send('POST', URL, { body: ORDER });
    const { status, body } = await send('POST', `${URL}/r1/pause`, { ifMatch: '"s0"' });
    expect([status, body.code, body.current]).toEqual([412, 'precondition_failed', '"s1"']);
  });
});

describe('a rollout', () => {
  it('is paused, resumed, promoted, aborted, and forgotten', async () => {
    await send('POST', URL, { body: { ...ORDER, id: 'v2' } });
    const to = async (what: string) => {
      const { status, body } = await send('POST', `${URL}/v2/${what}?reason=because`);
      return [status, body.rollout?.state ?? body.code, body.rollout?.percent];
    };
    expect(await to('resume')).toEqual([409, 'rollout_refused', undefined]);
    expect(await to('pause')).toEqual([200, 'paused', 5]);
    expect(await to('pause')).toEqual([409, 'rollout_refused', undefined]);
    expect(await to('resume')).toEqual([200, 'running', 5]);
    expect((await send('DELETE', `${URL}/v2`)).status).toBe(409);
    expect(await to('promote')).toEqual([200, 'promoted', 100]);
    const shown = (await send('GET', `${URL}/v2`, { role: 'read' })).body;
    expect(shown.next).toContain('that name blue name green');
    expect(
      shown.history.map(({ event, why }: { event: string; why?: string }) => `${event} ${why ?? ''}`),
    ).toEqual(['started ', 'paused because', 'resumed because', 'promoted because']);
    expect(await to('abort')).toEqual([200, 'aborted', 0]);
    expect((await send('DELETE', `${URL}/v2`)).status).toBe(200);
    expect((await send('GET', `${URL}/v2`)).body.code).toBe('not_steered');
  });

  it.each(['nothing', '__proto__', 'constructor'])('that is not there (%s) is 404', async (id) => {
    for (const what of ['promote', 'pause', 'resume', 'abort']) {
      expect((await send('POST', `${URL}/${id}/${what}`)).body.code).toBe('not_steered');
    }
    expect((await send('GET', `${URL}/${id}`)).status).toBe(404);
    expect((await send('DELETE', `${URL}/${id}`)).status).toBe(404);
  });

  it('is told by explain, with who began it', async () => {
    await send('POST', URL, { body: { ...ORDER, steps: [{ percent: 100, hold: '1h' }], reason: 'v2' } });
    const { body } = await send('GET', '/v1/explain?name=www.roll.test');
    expect(body.answers[0].rdata).toBe('198.51.100.1');
    const step = body.steps.find(({ step: kind }: { step: string }) => kind === 'rollout');
    expect(step.text).toBe(
      'a rollout gives 100 % of the clients of pool blue to green; this one is among them',
    );
    expect(step.steering[0].text).toBe('rollout r1 of roll.test/blue by operate: v2');
    expect(body.would_change.map(({ text }: { text: string }) => text)).toContainEqual(
      expect.stringContaining('if the rollout from pool blue were aborted'),
    );
  });

  it('stays when the document is replaced', async () => {
    await send('POST', URL, { body: ORDER });
    const document = { forces: {}, dials: {}, maintenance: {}, rollouts: {} };
    expect((await send('PUT', '/v1/steering', { body: document, ifMatch: '"s1"' })).status).toBe(200);
    expect((await send('GET', `${URL}/r1`)).body.state).toBe('running');
  });

  it('is a row of the metrics', async () => {
    await send('POST', URL, { body: ORDER });
    const { payload } = await api.inject({ url: '/metrics', headers: { authorization: 'Bearer read' } });
    expect(payload).toContain(
      'meridian_rollout_percent{rollout="r1",zone="roll.test.",from="blue",to="green",state="running"} 5',
    );
  });
});
