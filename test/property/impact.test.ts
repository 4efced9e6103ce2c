import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LocationTrie } from '../../src/core/geo/location.js';
import { lookup4, lookup6 } from '../../src/core/geo/trie.js';
import { compileRules } from '../../src/core/policy/geo-rules.js';
import type { Prefix, Rule, Zone } from '../../src/core/zone/model.js';
import { impactBetween, zoneOf } from '../support/impact-rig.js';
import { locationTree } from '../support/location-tree.js';

/** Everything is decided by the first 12 bits of an address, so that all of them can be looked up. */
const BITS = 12;
const COUNTRIES = ['DE', 'FR', 'GB'];

const bits = (max: number) =>
  fc.array(fc.constantFrom('0', '1'), { maxLength: max }).map((digits) => digits.join(''));
const place = fc.record({
  v4: bits(BITS),
  v6: bits(BITS - 3).map((text) => `001${text}`),
  location: fc.constantFrom(...COUNTRIES.map((country) => ({ country }))),
});

const subnetV4 = bits(BITS).map((text) => prefixOf(text, 4));
const subnetV6 = bits(BITS - 3).map((text) => prefixOf(`001${text}`, 16));
const rule = fc.record({
  subnets: fc.array(fc.oneof(subnetV4, subnetV6), { maxLength: 2 }),
  asns: fc.constant([]),
  geos: fc.subarray(['EU', 'AS', ...COUNTRIES.map((country) => `EU-${country}`)], { maxLength: 2 }),
  pool: fc.constantFrom('p', 'q'),
});
const rules = fc
  .tuple(fc.array(rule, { maxLength: 4 }), fc.constantFrom('p', 'q'))
  .map(([list, pool]): Rule[] => [...list, { subnets: [], asns: [], geos: [], pool }]);

function prefixOf(text: string, size: number): Prefix {
  const bytes = new Uint8Array(size);
  for (const [i, digit] of [...text].entries()) if (digit === '1') bytes[i >> 3]! |= 0x80 >> (i & 7);
  return { bytes, length: text.length };
}

const ZONE = zoneOf(`records: { w: { type: A, dynamic: { rules: [{ pool: p }] } } }
pools: { p: { endpoints: [{ A: 192.0.2.1 }] }, q: { endpoints: [{ A: 192.0.2.2 }] } }`);

function zoneWith(list: readonly Rule[]): Zone {
  const rrsets = ZONE.rrsets.map((rrset) =>
    rrset.kind === 'dynamic' ? { ...rrset, steering: { kind: 'rules' as const, rules: list } } : rrset,
  );
  return { ...ZONE, rrsets };
}

function poolsOf(list: readonly Rule[], geo: LocationTrie) {
  const trie = compileRules(list, geo);
  return {
    v4: (address: number) => list[(lookup4(trie, address) >> 8) - 1]!.pool,
    v6: (bytes: Uint8Array) => list[(lookup6(trie, bytes, 0) >> 8) - 1]!.pool,
  };
}

describe('impactOf()', () => {
  it('gives the share of addresses for which the compiled tries lead to another pool', () => {
    let compared = 0;
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 8 }), rules, rules, (places, a, b) => {
        const geo = locationTree(places);
        const impact = impactBetween(geo, zoneWith(a), zoneWith(b));
        compared++;
        const [old, now] = [poolsOf(a, geo), poolsOf(b, geo)];
        const countries = compileRules([{ subnets: [], asns: [], geos: ['EU'], pool: '' }], geo);
        const moved = { v4: 0, v6: 0 };
        const placed = { v4: 0, v6: 0 };
        for (let i = 0; i < 1 << BITS; i++) {
          const address = i << (32 - BITS);
          // Not the first of a prefix: 2001:: and 2002:: embed IPv4 addresses.
          const bytes = Uint8Array.of(i >> 4, (i & 15) << 4, 0xff, ...new Array(13).fill(1));
          if (lookup4(countries, address) >> 8 > 0) {
            placed.v4++;
            if (old.v4(address) !== now.v4(address)) moved.v4++;
          }
          if (lookup6(countries, bytes, 0) >> 8 > 0) {
            placed.v6++;
            if (old.v6(bytes) !== now.v6(bytes)) moved.v6++;
          }
        }
        const { v4 = 0, v6 = 0 } = impact.groups[0] ?? {};
        expect(v4).toBeCloseTo(placed.v4 === 0 ? 0 : moved.v4 / placed.v4, 9);
        // 2002::/16 is a sixteenth of its block.
        expect(Math.abs(v6 - (placed.v6 === 0 ? 0 : moved.v6 / placed.v6))).toBeLessThan(
          0.1 / Math.max(placed.v6, 1) + 1e-9,
        );
      }),
      { numRuns: 200 },
    );
    expect(compared).toBeGreaterThan(100);
  });
});
