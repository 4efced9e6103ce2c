import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressSpace } from '../../src/core/census/address-space.js';
import { classSizes } from '../../src/core/census/class-sizes.js';
import { placesOf } from '../../src/core/census/places.js';
import { EMPTY_LOCATIONS, type LocationTrie, locate } from '../../src/core/geo/location.js';
import { lookup4, lookup6 } from '../../src/core/geo/trie.js';
import { compileRules } from '../../src/core/policy/geo-rules.js';
import type { Rule } from '../../src/core/zone/model.js';
import { QUARTERS } from '../support/census-rig.js';
import { addressOf } from '../support/query-rig.js';

/** Prefixes are no longer than this, so that one address of each block speaks for it. */
const BLOCK_BITS = 11;

const prefix = fc
  .tuple(
    fc.integer({ min: 0, max: 2 ** BLOCK_BITS - 1 }),
    fc.integer({ min: 0, max: BLOCK_BITS }),
    fc.boolean(),
  )
  .map(([block, length, isV4]) => {
    const bytes = new Uint8Array(isV4 ? 4 : 16);
    new DataView(bytes.buffer).setUint16(0, (block << (16 - BLOCK_BITS)) & (0xffff << (16 - length)));
    return { bytes, length };
  });
const rule = fc.record({
  subnets: fc.array(prefix, { maxLength: 5 }),
  asns: fc.constant([]),
  geos: fc.array(fc.constantFrom('EU', 'NA', 'EU-DE', 'NA-US', 'AS-JP', 'SA-BR'), { maxLength: 2 }),
  pool: fc.constant('pool'),
});
const rules: fc.Arbitrary<Rule[]> = fc
  .array(rule, { maxLength: 6 })
  .map((list) => [...list, { subnets: [], asns: [], geos: [], pool: 'pool' }]);

/** Half of the space, and what lies around it, is unknown. */
const HOLES: LocationTrie = { ...QUARTERS, nodes: Int32Array.of(1, 2, ~0, ~2, ~3, ~0, 4, 5, ~1, ~0, ~0, ~4) };

/** Blocks of IPv4 that no embedded prefix lies in, and of IPv6 none but the tests' own. */
function* blocks(family: 4 | 6): Generator<Uint8Array> {
  for (let block = 0; block < 2 ** BLOCK_BITS; block++) {
    const bytes = new Uint8Array(family === 4 ? 4 : 16);
    new DataView(bytes.buffer).setUint16(0, block << (16 - BLOCK_BITS));
    if (family === 4) bytes[3] = 1;
    // An address in the block that embeds nothing.
    else bytes.set([bytes[1]! | 1, 0xff, 0xff], 1);
    yield bytes;
  }
}

describe('sizes of classes', () => {
  it.each([
    ['a full database', QUARTERS],
    ['a database with holes', HOLES],
  ])('are those that look-ups all over the space find: %s', (_, base) => {
    fc.assert(
      fc.property(rules, fc.constantFrom(4 as const, 6 as const), (list, family) => {
        const trie = compileRules(list, base);
        const sizes = classSizes(base, family, trie, { kind: 'rules', rules: list });
        const found = new Map<string, number>();
        const each = (family === 4 ? 2 ** 32 : 2 ** 48) / 2 ** BLOCK_BITS;
        for (const bytes of blocks(family)) {
          const { id } = locate(base, bytes);
          if (id === 0) continue;
          const view = new DataView(bytes.buffer);
          const hit = family === 4 ? lookup4(trie, view.getInt32(0)) : lookup6(trie, bytes, 0);
          const key = `${hit >>> 8} ${base.locations[id]!.country}`;
          // The block that 2002::/16 and 2001::/32 lie in, which count as IPv4.
          const holds = family === 6 && bytes[0] === 0x20 && bytes[1] === 1;
          found.set(key, (found.get(key) ?? 0) + each - (holds ? 2 ** 32 + 2 ** 16 : 0));
        }
        const places = [...placesOf(base, sizes, 'country')].filter(([cls]) => sizes.classes.has(cls));
        const counted = places.flatMap(([cls, held]) =>
          [...held]
            // What rounding leaves of sums of the size of the whole space.
            .filter(([, addresses]) => addresses > 1)
            .map(([country, addresses]) => [`${cls} ${country}`, addresses] as const),
        );
        expect(counted.map(([key]) => key).sort()).toEqual([...found.keys()].sort());
        for (const [key, addresses] of counted) expect(addresses / found.get(key)!).toBeCloseTo(1, 9);
        const sum = [...sizes.classes.values()].reduce((all, { addresses }) => all + addresses, 0);
        expect(sum / addressSpace(base, family).total).toBeCloseTo(1, 9);
        for (const { cls, sample, addresses } of sizes.classes.values()) {
          if (addresses === 0) continue;
          const bytes = addressOf(sample);
          const hit =
            family === 4 ? lookup4(trie, new DataView(bytes.buffer).getInt32(0)) : lookup6(trie, bytes, 0);
          expect(hit >>> 8).toBe(cls);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('count what is not reserved where the database knows nothing', () => {
    const sizes = classSizes(EMPTY_LOCATIONS, 4, undefined, undefined);
    const reserved = [8, 8, 8, 10, 16, 12, 16, 15, 24, 24, 24, 3].reduce(
      (sum, length) => sum + 2 ** (32 - length),
      0,
    );
    expect(sizes.classes.get(0)?.addresses).toBe(2 ** 32 - reserved);
    expect(classSizes(EMPTY_LOCATIONS, 6, undefined, undefined).classes.get(0)?.addresses).toBe(
      2 ** 45 - 2 ** 32 - 2 ** 16,
    );
  });
});
