import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { impactOn, planBook } from '../../support/plan-rig.js';

const zone = (name: string) => `zone: ${name}
nameservers: { ns1: { A: 192.0.2.53 } }
regions: { eu: { location: [50, 8] } }
pools:
  eu: { region: eu, endpoints: [{ A: 192.0.2.1 }], fallback: us }
  us: { endpoints: [{ A: 192.0.2.2 }] }
records:
  www: { type: A, dynamic: { rules: [{ pool: eu }] } }
  other: { type: A, dynamic: { rules: [{ pool: us }] } }
`;

let rig: ControlRig;
let api: Api;
let zones = '';
beforeEach(async () => {
  rig = controlRig();
  zones = join(temporaryFolder(), 'zones');
  mkdirSync(zones);
  const texts: Record<string, string> = {};
  for (const name of ['a.test', 'b.test']) {
    texts[join(zones, `${name}.yaml`)] = zone(name);
    writeFileSync(join(zones, `${name}.yaml`), zone(name));
  }
  await rig.load(texts);
  api = await apiOn(rig, { modules: { plans: planBook(rig, zones), impact: impactOn(rig, zones) } });
});
afterEach(async () => {
  await api.close();
  rig.close();
  removeFolders();
});

async function ask(steering: object, token = 'read') {
  const headers = { authorization: `Bearer ${token}` };
  const { statusCode, json } = await api.inject({
    method: 'POST',
    url: '/v1/plan',
    headers,
    payload: { steering },
  });
  return { status: statusCode, body: json() };
}

describe('POST /v1/plan of steering', () => {
  it('tells who would move, and steers nothing', async () => {
    const { status, body } = await ask({ forces: { 'a.test/eu': { state: 'drain', reason: 'works' } } });
    expect([status, body]).toMatchObject([
      200,
      {
        state: 'ready',
        etag: '"s0"',
        steering: [{ path: 'forces.a.test/eu', after: { state: 'drain', by: 'read', reason: 'works' } }],
        impact: {
          changed: 1,
          compared: 2,
          groups: [
            {
              names: [{ name: 'www.a.test.', type: 'A' }],
              v4: 1,
              moves: [{ from: { pool: 'eu' }, to: { pool: 'us', reason: 'fallback' } }],
            },
          ],
        },
      },
    ]);
    expect(rig.control.steering?.document.forces).toEqual({});
  });

  it('compares with what is steered already, and takes back', async () => {
    const { steering } = rig.control;
    await steering!.force('a.test/eu', { state: 'down' }, { by: 'ann' });
    const gone = await ask({ forces: { 'a.test/eu': null } });
    expect(gone.body).toMatchObject({
      etag: '"s1"',
      impact: { changed: 1, groups: [{ moves: [{ from: { pool: 'us' }, to: { pool: 'eu' } }] }] },
    });
    // Only the reason differs.
    const same = await ask({ forces: { 'a.test/eu': { state: 'down', reason: 'why' } } });
    expect(same.body).toMatchObject({ state: 'ready', impact: { compared: 0, changed: 0 } });
  });

  it('looks at the end of a ramp, at every zone of a region, and at a whole document', async () => {
    const dialled = await ask({ dials: { 'region:eu': { percent: 0, over: '1h' } } });
    expect(dialled.body.impact).toMatchObject({ compared: 4, changed: 2, v4: 0.5 });
    const document = {
      forces: { 'b.test/eu/192.0.2.1': { state: 'down' } },
      dials: {},
      maintenance: {},
      rollouts: {},
    };
    const whole = await ask({ document });
    expect(whole.body.impact).toMatchObject({ compared: 2, changed: 1 });
    const names = whole.body.impact.groups[0].names;
    expect(names).toEqual([{ name: 'www.b.test.', type: 'A' }]);
  });

  it('looks at the moment that is asked for', async () => {
    const start = new Date(Date.now() + 3_600_000).toISOString();
    const maintenance = { night: { target: 'a.test/eu', start, duration: '1h' } };
    expect((await ask({ maintenance })).body.impact.changed).toBe(0);
    expect((await ask({ maintenance, at: start })).body.impact.changed).toBe(1);
  });

  it.each<[string, object, number, string]>([
    ['nothing', {}, 400, 'needs either document, or some of forces, dials and maintenance'],
    ['an unknown target', { forces: { 'a.test/ee': { state: 'up' } } }, 404, 'did you mean a.test/eu'],
    ['no target', { forces: { ' ': null } }, 400, 'body.steering.forces. '],
    ['what is not steered', { dials: { 'a.test/eu': null } }, 404, 'dials has no entry a.test/eu'],
    ['a wrong state', { forces: { 'a.test/eu': { state: 'dwon' } } }, 400, 'steering.forces'],
    [
      'an end in the past',
      { forces: { 'a.test/eu': { state: 'up', until: '2020-01-01T00:00Z' } } },
      400,
      'over already',
    ],
    ['a mistyped key', { force: {} }, 400, 'did you mean forces'],
    ['a moment that is none', { forces: {}, at: '2026-99-01T00:00Z' }, 400, 'no date of the calendar'],
    [
      'a window without a name',
      { maintenance: { ' ': { target: 'a.test/eu', duration: '1h' } } },
      400,
      'want letters',
    ],
  ])('refuses %s', async (_, steering, status, message) => {
    const response = await ask(steering);
    expect(response.status).toBe(status);
    expect(JSON.stringify(response.body)).toContain(message);
  });
});
