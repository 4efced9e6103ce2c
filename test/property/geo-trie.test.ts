import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIPv6 } from '../../src/core/dns/rdata/address.js';
import { compileTrie } from '../../src/core/geo/compile.js';
import { type GeoTrie, lookup4, lookup6 } from '../../src/core/geo/trie.js';
import { trieOf } from '../support/mmdb-writer.js';

/** A prefix as a number: nothing in common with the code under test. */
interface Range {
  readonly bits: 32 | 128;
  readonly first: bigint;
  readonly length: number;
}

interface Row {
  readonly range: Range;
  readonly cls: number;
}

interface World {
  /** In mmdb terms: IPv4 lies under ::/96. */
  readonly base: readonly Row[];
  readonly overrides: readonly Row[];
}

const MAPPED = range(128, 0xffffn << 32n, 96);
const NAT64 = range(128, 0x0064_ff9bn << 96n, 96);
const SIX_TO_FOUR = range(128, 0x2002n << 112n, 16);
const TEREDO = range(128, 0x2001_0000n << 96n, 32);
const COMPATIBLE = range(128, 0n, 96);
const EMBEDDED = [MAPPED, NAT64, SIX_TO_FOUR, TEREDO];

function range(bits: 32 | 128, address: bigint, length: number): Range {
  const host = BigInt(bits - length);
  return { bits, first: (address >> host) << host, length };
}

function last(of: Range): bigint {
  return of.first + (1n << BigInt(of.bits - of.length)) - 1n;
}

function contains(outer: Range, address: bigint): boolean {
  return address >= outer.first && address <= last(outer);
}

function longestMatch(rows: readonly Row[], bits: 32 | 128, address: bigint): Row | undefined {
  let best: Row | undefined;
  for (const row of rows) {
    if (row.range.bits !== bits || !contains(row.range, address)) continue;
    if (best === undefined || row.range.length > best.range.length) best = row;
  }
  return best;
}

function naiveClass(world: World, bits: 32 | 128, address: bigint): number {
  if (bits === 128) {
    const low = address & 0xffff_ffffn;
    if (contains(MAPPED, address) || contains(NAT64, address)) return naiveClass(world, 32, low);
    if (contains(SIX_TO_FOUR, address)) return naiveClass(world, 32, (address >> 80n) & 0xffff_ffffn);
    if (contains(TEREDO, address)) return naiveClass(world, 32, low ^ 0xffff_ffffn);
  }
  const overridden = longestMatch(world.overrides, bits, address);
  if (overridden !== undefined) return overridden.cls;
  if (bits === 128 && contains(COMPATIBLE, address)) {
    // IPv4-compatible addresses are unknown, unless one short prefix takes in IPv4 and them.
    const row = longestMatch(world.base, 128, address);
    const isSplit = world.base.some(
      (other) => other.range.length > 96 && contains(COMPATIBLE, other.range.first),
    );
    return row === undefined || isSplit || row.range.length > 96 ? 0 : row.cls;
  }
  return longestMatch(world.base, 128, address)?.cls ?? 0;
}

function toBytes(bits: 32 | 128, address: bigint): Uint8Array {
  return Uint8Array.from({ length: bits / 8 }, (_, i) =>
    Number((address >> BigInt(bits - 8 - 8 * i)) & 0xffn),
  );
}

function lookup(trie: GeoTrie, bits: 32 | 128, address: bigint): { cls: number; depth: number } {
  const found =
    bits === 32 ? lookup4(trie, Number(BigInt.asIntN(32, address))) : lookup6(trie, toBytes(128, address), 0);
  return { cls: found >> 8, depth: found & 0xff };
}

function compileWorld(world: World): GeoTrie {
  const base = trieOf(
    world.base.map(({ range: { first, length }, cls }) => ({
      prefix: `${formatIPv6(toBytes(128, first))}/${length}`,
      data: { asn: cls + 1 },
    })),
  );
  const classOf = Int32Array.from(base.locations, ({ asn }) => (asn === undefined ? 0 : asn - 1));
  const overrides = world.overrides.map(({ range: { bits, first, length }, cls }) => ({
    prefix: { bytes: toBytes(bits, first), length },
    cls,
  }));
  return compileTrie(base, classOf, overrides);
}

/** The points at which the class can change inside of a prefix: ends of all prefixes that begin in it. */
function turningPoints(world: World, inside: Range): bigint[] {
  const rows = [...world.base, ...world.overrides].map((row) => row.range);
  const own = rows.filter((other) => other.bits === inside.bits);
  const mapped = rows
    .filter(
      (other) => inside.bits === 32 && other.bits === 128 && other.length >= 96 && other.first < 1n << 32n,
    )
    .map((other) => range(32, other.first, other.length - 96));
  return [inside, ...own, ...mapped]
    .flatMap((other) => [other.first, other.first - 1n, last(other), last(other) + 1n])
    .filter((address) => contains(inside, address));
}

const v4Address = fc.oneof(
  fc.bigInt({ min: 0n, max: 0xffff_ffffn }),
  // Close together, so that prefixes nest and touch.
  fc.bigInt({ min: 0n, max: 0xffn }).map((low) => 0xc000_0200n | low),
);
const v6Address = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
  fc.bigInt({ min: 0n, max: 0xffn }).map((low) => (0x2001_0db8n << 96n) | (low << 60n)),
  // Around the prefixes that embed IPv4.
  fc
    .tuple(fc.constantFrom(...EMBEDDED), fc.bigInt({ min: -2n, max: 2n }), v4Address)
    .map(([near, step, low]) => near.first + (step << BigInt(128 - near.length)) + low)
    .filter((address) => address >= 0n),
);
const cls = fc.integer({ min: 0, max: 3 });
const v4Range = fc
  .tuple(v4Address, fc.integer({ min: 0, max: 32 }))
  .map(([a, length]) => range(32, a, length));
const v6Range = fc
  .tuple(v6Address, fc.integer({ min: 0, max: 128 }))
  .map(([a, length]) => range(128, a, length));

function rowsOf(ranges: fc.Arbitrary<Range>, maxLength: number): fc.Arbitrary<Row[]> {
  return fc.uniqueArray(fc.record({ range: ranges, cls }), {
    maxLength,
    selector: ({ range: { bits, first, length } }) => `${bits}/${first}/${length}`,
  });
}

/** IPv4 of the base as an mmdb file holds it. */
const baseRange = fc.oneof(
  v4Range.map(({ first, length }) => range(128, first, length + 96)),
  // What a database says inside of the embedding prefixes is never asked for.
  v6Range.filter(({ length }) => length > 0),
);
const world: fc.Arbitrary<World> = fc.record({
  base: rowsOf(baseRange, 20),
  overrides: rowsOf(fc.oneof(v4Range, v6Range), 12),
});
const question = fc.oneof(
  v4Address.map((address) => ({ bits: 32 as const, address })),
  v6Address.map((address) => ({ bits: 128 as const, address })),
);

/** Random questions, and one at each end of each prefix. */
function questionsOf(of: World, random: readonly { bits: 32 | 128; address: bigint }[]) {
  const ends = [
    ...of.base,
    ...of.overrides,
    ...EMBEDDED.map((embedded) => ({ range: embedded, cls: 0 })),
  ].flatMap(({ range: r }) =>
    [r.first, r.first - 1n, last(r), last(r) + 1n].map((address) => ({ bits: r.bits, address })),
  );
  return [...random, ...ends].filter(({ bits, address }) => address >= 0n && address < 1n << BigInt(bits));
}

describe('the geo trie', () => {
  it('agrees with a naive longest-prefix match', () => {
    fc.assert(
      fc.property(world, fc.array(question, { maxLength: 30 }), (of, random) => {
        const trie = compileWorld(of);
        for (const { bits, address } of questionsOf(of, random)) {
          expect([address.toString(16), lookup(trie, bits, address).cls]).toEqual([
            address.toString(16),
            naiveClass(of, bits, address),
          ]);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('gives a depth within which every address has the same class', () => {
    fc.assert(
      fc.property(world, fc.array(question, { maxLength: 10 }), fc.array(v6Address), (of, random, noise) => {
        const trie = compileWorld(of);
        for (const { bits, address } of questionsOf(of, random)) {
          const found = lookup(trie, bits, address);
          const scope = range(bits, address, found.depth);
          const host = last(scope) - scope.first;
          const inside = [...turningPoints(of, scope), ...noise.map((n) => scope.first + (n & host))];
          for (const other of inside) expect(naiveClass(of, bits, other)).toBe(found.cls);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('gives the smallest such depth', () => {
    fc.assert(
      fc.property(world, fc.array(question, { maxLength: 10 }), (of, random) => {
        const trie = compileWorld(of);
        for (const { bits, address } of questionsOf(of, random)) {
          if (bits === 128 && EMBEDDED.some((embedded) => contains(embedded, address))) continue;
          const { cls: own, depth } = lookup(trie, bits, address);
          if (depth === 0) continue;
          const parent = range(bits, address, depth - 1);
          const holdsIPv4 = bits === 128 && EMBEDDED.some((embedded) => contains(parent, embedded.first));
          const differs = turningPoints(of, parent).some((other) => naiveClass(of, bits, other) !== own);
          expect(holdsIPv4 || differs).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });
});
