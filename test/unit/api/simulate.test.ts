import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig, useEmbeddedGeo } from '../../support/control-rig.js';

const MONITOR = '{ type: tcp, port: 80, interval: 60s, fall: 1 }';
const ZONE = `zone: geo.test
ttl: 30
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.geo.test }
regions: { fra: { location: [50.1, 8.7] }, nyc: { location: [40.7, -74] } }
monitors: { tcp: ${MONITOR} }
pools:
  eu: { region: fra, monitor: tcp, endpoints: [{ A: 192.0.2.1, weight: 3 }, { A: 192.0.2.2 }], fallback: us }
  us: { region: nyc, monitor: tcp, endpoints: [{ A: 198.51.100.1 }] }
  office: { endpoints: [{ A: 203.0.113.1 }] }
records:
  www: { type: A, dynamic: { rules: [{ subnets: [53.0.0.0/16], pool: office }, { geos: [EU], pool: eu }, { pool: us }] } }
  shut: { type: A, fail: closed, dynamic: { steering: failover, pools: [us] } }
  alias: { type: CNAME, value: www.geo.test. }
  plain: { type: A, value: 192.0.2.9 }
`;

interface Parts {
  readonly answers: readonly { rdata: string; pool: string; share: number }[];
  readonly pools: readonly { pool: string; share: number }[];
  readonly empty: number;
}

interface World {
  readonly records: readonly object[];
  readonly families: readonly {
    readonly family: number;
    readonly addresses: number;
    readonly total: Parts;
    readonly places: readonly ({ readonly place: string; readonly addresses: number } & Parts)[];
    readonly left: { readonly places: number; readonly addresses: number };
    readonly before?: { readonly moved: number; readonly total: Parts };
  }[];
}

let rig: ControlRig;
let api: Api;
beforeAll(async () => {
  rig = controlRig();
  await useEmbeddedGeo(rig);
  await rig.load({ 'geo.yaml': ZONE });
  api = await apiOn(rig);
});
afterAll(async () => {
  rig.close();
  await api.close();
});

async function post(payload: object, token = 'read') {
  return api.inject({
    method: 'POST',
    url: '/v1/simulate',
    payload,
    headers: { authorization: `Bearer ${token}` },
  });
}

async function world(payload: object): Promise<World> {
  const response = await post(payload);
  expect(response.statusCode, response.body).toBe(200);
  return response.json() as World;
}

const shareOf = ({ pools }: Parts, pool: string) => pools.find((one) => one.pool === pool)?.share ?? 0;

describe('POST /v1/simulate', () => {
  it('answers many clients at once, as the query path does', async () => {
    const response = await post({
      clients: [
        { name: 'www.geo.test', subnet: '193.0.0.0/24' },
        { name: 'www.geo.test', subnet: '53.0.1.0/24' },
        { name: 'alias.geo.test', type: 'A', subnet: '8.8.8.8' },
        { name: 'nowhere.geo.test' },
      ],
      down: ['192.0.2.1'],
      seed: 7,
    });
    expect(response.statusCode, response.body).toBe(200);
    const { answers } = response.json() as { answers: { rcode: string; pool?: string; answers: object[] }[] };
    expect(answers.map(({ rcode, pool, answers: list }) => [rcode, pool, list.at(-1)])).toEqual([
      ['NOERROR', 'us', { type: 'A', rdata: '198.51.100.1' }],
      ['NOERROR', 'office', { type: 'A', rdata: '203.0.113.1' }],
      ['NOERROR', 'us', { type: 'A', rdata: '198.51.100.1' }],
      ['NXDOMAIN', undefined, undefined],
    ]);
  });

  it('gives the share of each answer by country, whose parts are the whole', async () => {
    const { families } = await world({ name: 'www.geo.test', by: 'country', places: 1000 });
    expect(families.map(({ family }) => family)).toEqual([4, 6]);
    for (const { addresses, total, places, left } of families) {
      expect(left.places).toBe(0);
      const sum = places.reduce((all, place) => all + place.addresses, 0);
      expect(sum / addresses).toBeCloseTo(1, 6);
      expect(total.answers.reduce((all, { share }) => all + share, total.empty)).toBeCloseTo(1, 6);
      const [germany, japan] = ['DE', 'JP'].map((code) => places.find(({ place }) => place === code)!);
      expect(shareOf(japan!, 'us')).toBe(1);
      expect(shareOf(germany!, 'eu')).toBeGreaterThan(0.9);
    }
    const [v4] = families;
    const germany = v4!.places.find(({ place }) => place === 'DE')!;
    expect(germany.answers[0]!.share).toBeCloseTo(shareOf(germany, 'eu') * 0.75, 9);
    // 53.0.0.0/16 is in Germany.
    expect(shareOf(germany, 'office') * germany.addresses).toBeCloseTo(65_536, 3);
  });

  it('says what moves as if a region were down', async () => {
    const [v4] = (await world({ name: 'www.geo.test', family: 4, places: 3, down: ['region:fra'] })).families;
    expect(shareOf(v4!.total, 'eu')).toBe(0);
    const before = shareOf(v4!.before!.total, 'eu');
    expect(before).toBeGreaterThan(0.1);
    expect(v4!.before!.moved).toBeCloseTo(before, 9);
    expect(v4!.places).toHaveLength(3);
    expect(v4!.left.places).toBeGreaterThan(100);
  });

  it('takes all dynamic names of a zone together', async () => {
    const { records, families } = await world({ zone: 'geo.test', by: 'continent', down: ['us', 'eu'] });
    expect(records).toEqual([
      { name: 'www.geo.test.', type: 'A' },
      { name: 'shut.geo.test.', type: 'A' },
    ]);
    // Half of the records fails closed.
    expect(families[0]!.total.empty).toBeCloseTo(0.5, 9);
  });

  it.each([
    [{}, 400, 'invalid_request'],
    [{ name: 'www.geo.test', zone: 'geo.test' }, 400, 'invalid_request'],
    [{ nmae: 'www.geo.test' }, 400, 'invalid_request'],
    [{ name: 'www.geo.test', by: 'planet' }, 400, 'invalid_request'],
    [{ name: 'a..b' }, 400, 'invalid_name'],
    [{ name: 'www.geo.test', type: 'NOPE' }, 400, 'invalid_type'],
    [{ clients: [{ name: 'www.geo.test', subnet: '10.0.0.0/99' }] }, 400, 'invalid_subnet'],
    [{ clients: [] }, 400, 'invalid_request'],
    [{ name: 'www.geo.test', down: ['mars'] }, 400, 'unknown_subject'],
    [{ name: 'www.geo.test', down: ['pool:fra'] }, 400, 'unknown_subject'],
    [{ name: 'www.example.com' }, 404, 'not_found'],
    [{ zone: 'example.com' }, 404, 'not_found'],
    [{ name: 'plain.geo.test' }, 422, 'static_answer'],
    [{ name: 'www.geo.test', plan: 'p1' }, 404, 'not_found'],
  ])('refuses %j', async (payload, status, code) => {
    const response = await post(payload);
    expect([response.statusCode, (response.json() as { code: string }).code]).toEqual([status, code]);
  });

  it('is for those who may read', async () => {
    expect((await post({ name: 'www.geo.test' }, 'report')).statusCode).toBe(403);
    expect((await post({ name: 'www.geo.test' }, 'nobody')).statusCode).toBe(401);
  });
});
