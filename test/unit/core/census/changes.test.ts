import { describe, expect, it } from 'vitest';
import { DIAL_FULL, ENDPOINT, POOL } from '../../../../src/core/answer/snapshot.js';
import { decisionOf } from '../../../../src/core/census/decision.js';
import { SLOT_DIALLED, SLOT_FORCED_DOWN } from '../../../../src/core/health/word.js';
import { QUARTERS } from '../../../support/census-rig.js';
import { wireOf } from '../../../support/packet.js';
import { addressOf, type QueryRig, rigOf, zoneText } from '../../../support/query-rig.js';

const ZONE = zoneText(
  'example.com',
  `monitors: { m: { type: tcp, port: 80 } }
pools:
  eu: { monitor: m, min_up: 0.5, endpoints: [{ A: 10.0.0.1 }, { A: 10.0.0.2 }, { A: 10.0.0.3 }], fallback: us }
  us: { monitor: m, endpoints: [{ A: 10.0.1.1 }] }
  office: { pick: hash, endpoints: [{ A: 10.0.2.1 }, { A: 10.0.2.2 }] }
records:
  www: { type: A, fail: closed, dynamic: { rules: [{ subnets: [10.9.0.0/16], pool: office }, { geos: [EU-DE], pool: eu }, { pool: us }] } }
  span: { type: A, ttl: { min: 5, max: 60 }, dynamic: { steering: failover, pools: [us] } }
  alias: { type: CNAME, value: www.example.com. }
  plain: { type: A, value: 192.0.2.1 }
`,
);

function rig(...down: readonly string[]): QueryRig {
  const made = rigOf(ZONE, { geo: QUARTERS });
  made.set('up', ...made.hosts);
  made.set('down', ...down);
  return made;
}

function decided(made: QueryRig, name: string, subnet = '1.2.3.0') {
  const { snapshot, index } = made.compiled;
  return decisionOf(
    { snapshot, index, health: made.health },
    {
      name: wireOf(name),
      type: 1,
      source: addressOf('127.0.0.1'),
      subnet: { address: addressOf(subnet), sourcePrefix: 24 },
    },
  );
}

const texts = (made: QueryRig, name = 'www.example.com') =>
  decided(made, name)!.changes.map(({ text }) => text);

describe('what would change an answer', () => {
  it('counts the endpoints that a pool can lose, and says who answers then', () => {
    expect(texts(rig())).toEqual([
      'if 2 of the 3 endpoints of pool eu that are up went down: us',
      'a client in 10.9.0.0/16 would match rule 1: office',
      'a client that no other rule is for would match rule 3: us',
    ]);
    expect(texts(rig('10.0.0.1'))[0]).toBe('if one of the 2 endpoints of pool eu that are up went down: us');
  });

  it('names the pool that would come back, and the end of the chain', () => {
    expect(texts(rig('10.0.0.1', '10.0.0.2')).slice(0, 2)).toEqual([
      'if the only endpoint of pool us that is up went down: no address, as the record fails closed',
      'if pool eu came back: eu',
    ]);
  });

  it('names dials and what operators force', () => {
    const made = rig();
    const { snapshot } = made.compiled;
    snapshot.pools[POOL.DIAL] = DIAL_FULL / 4;
    snapshot.pools[POOL.SHED] = SLOT_DIALLED;
    expect(texts(made)).toContain('if the dial of pool eu went back to 100 %: eu');
    const forced = rig();
    for (const endpoint of [0, 1]) {
      forced.compiled.snapshot.endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.SLOT] = SLOT_FORCED_DOWN;
    }
    expect(texts(forced)).toContain('without what operators force in eu: eu');
  });

  it('is told of the record that decides, with its rule, TTL and scope', () => {
    const made = rig();
    expect(decided(made, 'alias.example.com')).toMatchObject({
      record: 'www.example.com.',
      rule: 1,
      policy: 'rules',
      scopeWhy: expect.stringContaining('first 24 bits: resolvers keep the answer for 1.2.3.0/24'),
      ttlWhy: expect.stringContaining("the record's own, 300 s"),
    });
    expect(decided(made, 'span.example.com')).toMatchObject({
      ttlWhy: expect.stringContaining('from health, 5 to 60 s'),
      scopeWhy: expect.stringContaining('for everybody'),
    });
    expect(decided(made, 'www.example.com', '10.9.1.0')).toMatchObject({
      rule: 0,
      expected: { pools: [{ pool: 'office', share: 1 }], answers: [{ share: 0.5 }, { share: 0.5 }] },
    });
    expect(decided(made, 'plain.example.com')).toBeUndefined();
    expect(decided(made, 'nowhere.example.org')).toBeUndefined();
  });
});
