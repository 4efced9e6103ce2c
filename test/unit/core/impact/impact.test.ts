import { describe, expect, it } from 'vitest';
import type { Impact, Move } from '../../../../src/core/impact/impact.js';
import { impactBetween, zoneOf } from '../../../support/impact-rig.js';
import { bitsOf, locationTree } from '../../../support/location-tree.js';

/** Placed: 16 /8 networks of IPv4, of which 8 are in DE, 4 in FR, 4 in US; of IPv6 one half DE, one half US. */
const GEO = locationTree([
  { v4: bitsOf('32.0.0.0/5'), v6: '0010', location: { country: 'DE', asn: 64500 } },
  { v4: bitsOf('40.0.0.0/6'), location: { country: 'FR' } },
  { v4: bitsOf('44.0.0.0/6'), v6: '0011', location: { country: 'US' } },
]);

const POOLS = `
regions: { eu: {}, us: {} }
monitors: { m: { type: tcp, port: 80 } }
pools:
  eu: { region: eu, monitor: m, fallback: us, endpoints: [{ A: 192.0.2.1 }] }
  us: { region: us, monitor: m, endpoints: [{ A: 192.0.2.2 }] }
  two: { endpoints: [{ A: 192.0.2.1 }, { A: 192.0.2.3 }] }
`;

const dynamic = (value: string, pools = POOLS) =>
  zoneOf(`records: { w: { type: A, dynamic: ${value} } }${pools}`);
const RULES = '{ rules: [{ geos: [EU], pool: eu }, { pool: us }] }';

/** `eu -> us 75/50 % DE FR`. */
function told({ groups }: Impact): string[] {
  return groups.flatMap(({ moves }) => moves.map(line));
}

function line({ from, to, v4, v6, countries }: Move): string {
  const side = ({ pool, answers }: Move['from']) => pool || answers.join('+') || 'none';
  const percent = (share: number) => Math.round(share * 1000) / 10;
  return `${side(from)} -> ${side(to)} ${percent(v4)}/${percent(v6)} % ${countries.map(({ code }) => code).join(' ')}`;
}

describe('impactOf()', () => {
  it('is empty where nothing changes, and counts what it compared', () => {
    const impact = impactBetween(GEO, dynamic(RULES), dynamic(RULES));
    expect(impact).toEqual({ compared: 1, changed: 0, mean: { v4: 0, v6: 0 }, groups: [], groupsTotal: 0 });
  });

  it.each<[string, string, string, string[]]>([
    [
      'a country to another pool',
      RULES,
      '{ rules: [{ geos: [EU-DE], pool: eu }, { pool: us }] }',
      ['eu -> us 25/0 % FR'],
    ],
    [
      'a subnet to another pool',
      RULES,
      '{ rules: [{ geos: [EU], pool: eu }, { subnets: [32.0.0.0/8], pool: us }, { pool: us }] }',
      ['eu -> us 6.3/0 % DE'],
    ],
    [
      'a subnet that stays within a subnet that moves',
      RULES,
      '{ rules: [{ geos: [EU], pool: eu }, { subnets: [32.0.0.0/6], pool: us }, { subnets: [32.0.0.0/7], pool: eu }, { pool: us }] }',
      ['eu -> us 12.5/0 % DE'],
    ],
    [
      'weights by how far they move, not by draws',
      '{ steering: weighted, pools: { eu: 1, us: 1 } }',
      '{ steering: weighted, pools: { eu: 3, us: 1 } }',
      ['us -> eu 25/25 % DE US FR'],
    ],
    [
      'all to a pool that has one address in common',
      '{ rules: [{ pool: eu }] }',
      '{ rules: [{ pool: two }] }',
      ['eu -> two 50/50 % DE US FR'],
    ],
    [
      'an AS',
      RULES,
      '{ rules: [{ geos: [EU], pool: eu }, { asns: [64500], pool: us }, { pool: us }] }',
      ['eu -> us 50/50 % DE'],
    ],
  ])('tells %s', (_, before, after, expected) => {
    expect(told(impactBetween(GEO, dynamic(before), dynamic(after)))).toEqual(expected);
  });

  it('goes by present health: moving clients from a pool that is down moves nobody', () => {
    const change = [dynamic(RULES), dynamic('{ rules: [{ pool: us }] }')] as const;
    expect(told(impactBetween(GEO, ...change))).toEqual(['eu -> us 75/50 % DE FR']);
    expect(told(impactBetween(GEO, ...change, { down: ['192.0.2.1'] }))).toEqual([]);
  });

  it('tells the pool that takes over, and why', () => {
    const [before, after] = [dynamic('{ rules: [{ pool: us }] }'), dynamic('{ rules: [{ pool: eu }] }')];
    const { groups } = impactBetween(GEO, before, dynamic('{ rules: [{ pool: eu }] }'), {
      down: ['192.0.2.2'],
    });
    expect(groups[0]!.moves[0]).toMatchObject({
      from: { pool: 'us', region: 'us', reason: 'failed_open' },
      to: { pool: 'eu', region: 'eu', answers: ['192.0.2.1'] },
    });
    expect(told(impactBetween(GEO, before, after, { down: ['192.0.2.1'] }))).toEqual([]);
  });

  it('tells new and deleted names, static values, and zones that come or go', () => {
    const one = zoneOf('records: { s: { type: A, values: [192.0.2.7, 192.0.2.8] } }');
    const other = zoneOf(
      'records: { s: { type: A, values: [192.0.2.7, 192.0.2.9] }, n: { type: TXT, value: x } }',
    );
    expect(told(impactBetween(GEO, one, other))).toEqual([
      'none -> "x" 100/100 % DE US FR',
      '192.0.2.8 -> 192.0.2.9 50/50 % DE US FR',
    ]);
    expect(impactBetween(GEO, undefined, one).groups.every(({ v4 }) => v4 === 1)).toBe(true);
    expect(impactBetween(GEO, one, undefined).changed).toBe(3);
  });

  it('follows aliases and CNAMEs to what they lead to, and sees the wildcard that a new name hides', () => {
    const zone = (rule: string, more = '') =>
      zoneOf(
        `records: { "": { type: ALIAS, value: w.example.com. }, c: { type: CNAME, value: w.example.com. }, w: { type: A, dynamic: ${rule} }, "*": { type: A, value: 192.0.2.66 }${more} }${POOLS}`,
      );
    const { groups } = impactBetween(
      GEO,
      zone('{ rules: [{ pool: eu }] }'),
      zone('{ rules: [{ pool: us }] }'),
    );
    expect(groups.map(({ names }) => names.map(({ name, type }) => `${name} ${type}`))).toEqual([
      expect.arrayContaining(['example.com. A', 'c.example.com. A', 'w.example.com. A']),
    ]);
    const hidden = impactBetween(GEO, zone(RULES), zone(RULES, ', x: { type: A, value: 192.0.2.77 }'));
    expect(told(hidden)).toEqual(['192.0.2.66 -> 192.0.2.77 100/100 % DE US FR']);
  });

  it('puts names that change alike together', () => {
    const names = Array.from({ length: 120 }, (_, i) => `w${i}: { type: A, dynamic: RULE }`).join(', ');
    const zone = (rule: string) => zoneOf(`records: { ${names.replaceAll('RULE', rule)} }${POOLS}`);
    const { groups, changed } = impactBetween(GEO, zone(RULES), zone('{ rules: [{ pool: us }] }'));
    expect(groups).toHaveLength(1);
    expect([changed, groups[0]!.namesTotal, groups[0]!.names.length]).toEqual([120, 120, 50]);
  });

  it('gives clients that one can ask for, and tells of those without a place apart', () => {
    const private10 =
      '{ rules: [{ geos: [EU], pool: eu }, { subnets: [10.0.0.0/8], pool: eu }, { pool: us }] }';
    const { groups } = impactBetween(GEO, dynamic(RULES), dynamic(private10));
    const [move] = groups[0]!.moves;
    expect(move).toMatchObject({ v4: 0, v6: 0, prefixes: ['10.0.0.0/8'], samples: ['10.0.0.1'] });
    expect(move!.unplaced).toBeGreaterThan(0);
    const french = impactBetween(
      GEO,
      dynamic(RULES),
      dynamic('{ rules: [{ geos: [EU-DE], pool: eu }, { pool: us }] }'),
    );
    expect(french.groups[0]!.moves[0]!.samples).toEqual(['40.0.0.1']);
  });

  it('measures by all addresses where there is no database', () => {
    const nothing = locationTree([]);
    expect(
      told(
        impactBetween(nothing, dynamic('{ rules: [{ pool: eu }] }'), dynamic('{ rules: [{ pool: us }] }')),
      ),
    ).toEqual(['eu -> us 100/100 % ']);
  });
});
