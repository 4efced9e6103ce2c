import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig, useEmbeddedGeo } from '../../support/control-rig.js';

const MONITOR = '{ type: tcp, port: 80, interval: 60s, fall: 1 }';
const zone = (name: string, fail: string) => `zone: ${name}
ttl: 30
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.${name} }
monitors: { tcp: ${MONITOR} }
pools:
  eu: { monitor: tcp, pick: all, endpoints: [{ A: 192.0.2.1, weight: 3 }, { A: 192.0.2.2 }], fallback: us }
  us: { monitor: tcp, endpoints: [{ A: 198.51.100.1 }] }
  dead: { monitor: tcp, endpoints: [{ A: 203.0.113.1 }] }
records:
  www: { type: A, dynamic: { rules: [{ subnets: [10.0.0.0/8], pool: us }, { geos: [EU], pool: eu }, { pool: us }] } }
  grave: { type: A, fail: ${fail}, dynamic: { steering: failover, pools: [dead] } }
  alias: { type: CNAME, value: www.${name}. }
  "*.wild": { type: A, value: 192.0.2.9 }
  sub: { type: NS, values: [ns.example.net.] }
`;

interface Explained {
  readonly rcode: string;
  readonly scope?: number;
  readonly answers: readonly { readonly type: string; readonly rdata: string }[];
  readonly steps: readonly { readonly step: string; readonly text: string }[];
}

let rig: ControlRig;
let api: Api;
beforeAll(async () => {
  rig = controlRig();
  rig.down.add('203.0.113.1').add('192.0.2.2');
  await useEmbeddedGeo(rig);
  await rig.load({ 'a.yaml': zone('open.test', 'open'), 'b.yaml': zone('closed.test', 'closed') });
  api = await apiOn(rig);
});
afterAll(async () => {
  rig.close();
  await api.close();
});

async function ask(query: Record<string, string>) {
  return api.inject({ url: '/v1/explain', query, headers: { authorization: 'Bearer read' } });
}

async function explained(query: Record<string, string>): Promise<Explained> {
  const response = await ask(query);
  expect(response.statusCode).toBe(200);
  return response.json() as Explained;
}

const steps = ({ steps: list }: Explained) => list.map(({ step, text }) => `${step}: ${text}`);

describe('GET /v1/explain', () => {
  it('says on what the health of each endpoint rests', async () => {
    const { steps: list } = await explained({ name: 'grave.open.test' });
    expect(list.find(({ step }) => step === 'pool')).toMatchObject({
      endpoints: [
        {
          endpoint: '203.0.113.1',
          health: 'down',
          basis: 'observers',
          since: expect.stringMatching(/^20\d\d-/),
          observers: ['probe: down (refused)'],
        },
      ],
    });
  });

  it('says name, client, rule, pool and endpoints of a geo answer', async () => {
    const answer = await explained({ name: 'www.open.test', subnet: '53.0.0.0/8' });
    expect(steps(answer)).toEqual([
      'name: www.open.test. is a name of the zone open.test.',
      expect.stringMatching(/^client: client 53\.0\.0\.0\/8 shares the decision with all of its \/\d+$/),
      'rule: rule 2 (EU) leads to pool eu',
      // 192.0.2.2 is down, and has a quarter of the weight.
      'pool: pool eu (A): weight 3 of 4 is up, it serves',
      'endpoint: answered: 192.0.2.1 (weight 3)',
    ]);
    expect(answer.answers).toMatchObject([{ type: 'A', rdata: '192.0.2.1' }]);
    expect(answer.scope).toBeLessThanOrEqual(8);
  });

  it('names the subnet that a rule matched', async () => {
    const answer = await explained({ name: 'www.open.test', subnet: '10.1.2.0/24' });
    expect(steps(answer)).toContain('rule: rule 1 (10.0.0.0/8) leads to pool us');
    expect(answer.scope).toBe(8);
  });

  it('names the default', async () => {
    const answer = await explained({ name: 'www.open.test', subnet: '2600::/32' });
    expect(steps(answer)).toContain('rule: rule 3 (default) leads to pool us');
  });

  it('says that it fails open', async () => {
    const answer = await explained({ name: 'grave.open.test' });
    expect(steps(answer)).toContain(
      'all-down: every pool is down; failing open: answered as if the first were up',
    );
    expect(answer.answers).toMatchObject([{ rdata: '203.0.113.1' }]);
  });

  it('says that it fails closed', async () => {
    const answer = await explained({ name: 'grave.closed.test' });
    expect(steps(answer)).toContain('all-down: every pool is down; failing closed: no address is answered');
    expect(answer).toMatchObject({ rcode: 'NOERROR', answers: [] });
  });

  it.each([
    {
      name: 'alias.open.test',
      type: 'A',
      rcode: 'NOERROR',
      says: 'alias: the CNAME is followed to www.open.test.',
    },
    {
      name: 'x.wild.open.test',
      type: 'A',
      rcode: 'NOERROR',
      says: 'the wildcard *.wild.open.test. answers for it',
    },
    { name: 'nope.open.test', type: 'A', rcode: 'NXDOMAIN', says: 'does not exist in open.test.' },
    { name: 'a.sub.open.test', type: 'A', rcode: 'NOERROR', says: 'is delegated at sub.open.test.' },
    { name: 'example.org', type: 'A', rcode: 'REFUSED', says: 'is in no zone of this server' },
    { name: 'WWW.Open.Test.', type: 'AAAA', rcode: 'NOERROR', says: 'is a name of the zone open.test.' },
    { name: 'open.test', type: 'TYPE6', rcode: 'NOERROR', says: 'open.test. is a name of the zone' },
  ])('$name $type is $rcode: $says', async ({ name, type, rcode, says }) => {
    const answer = await explained({ name, type });
    expect(answer.rcode).toBe(rcode);
    expect(steps(answer).join('\n')).toContain(says);
  });

  it.each([
    [{ name: 'a..b' }, 'invalid_name'],
    [{ name: 'x'.repeat(64) }, 'invalid_name'],
    [{ name: 'www.open.test', type: 'BOGUS' }, 'invalid_type'],
    [{ name: 'www.open.test', type: 'TYPE65536' }, 'invalid_type'],
    [{ name: 'www.open.test', subnet: '10.0.0.0/33' }, 'invalid_subnet'],
    [{ name: 'www.open.test', subnet: '10.0.0' }, 'invalid_subnet'],
    [{ name: 'www.open.test', subnet: '2001:db8::/129' }, 'invalid_subnet'],
    [{ name: 'www.open.test', subnet: '10.0.0.0/8/8' }, 'invalid_subnet'],
    [{}, 'invalid_request'],
    [{ name: 'x'.repeat(1025) }, 'invalid_request'],
    [{ name: 'www.open.test', extra: '1' }, 'invalid_request'],
  ])('answers 400 to %j, with the code %s', async (query, code) => {
    const response = await ask(query as Record<string, string>);
    expect(response.json()).toMatchObject({ status: 400, code, detail: expect.stringMatching(/./) });
    expect(response.statusCode).toBe(400);
    expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
  });

  it('survives every odd name', async () => {
    for (const name of [
      '',
      '.',
      '*',
      '\\000',
      '\\999',
      '\\',
      'a\\.b.open.test',
      'ü.open.test',
      '%00',
      '_.open.test',
    ]) {
      expect([200, 400]).toContain((await ask({ name })).statusCode);
    }
  });
});
