import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMBEDDED_PREFIXES } from '../../src/core/geo/embedded.js';
import type { LocationTrie } from '../../src/core/geo/location.js';
import { lookup4, lookup6 } from '../../src/core/geo/trie.js';
import { compileRules, ruleForLocation } from '../../src/core/policy/geo-rules.js';
import type { Prefix, Rule } from '../../src/core/zone/model.js';

/** A trie in the plainest form: a leaf, or two subtrees. */
type Tree = number | readonly [Tree, Tree];

const COUNTRIES = ['DE', 'FR', 'US', 'JP'];
const LOCATIONS = [{}, ...COUNTRIES.map((country) => ({ country }))];
/** The leaf at prefixes that embed IPv4: no lookup ends there, and nothing merges with it. */
const BOUNDARY = -1;

const tree: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'large', maxDepth: 12 },
    fc.integer({ min: 0, max: LOCATIONS.length - 1 }),
    fc.tuple(tie('tree'), tie('tree')),
  ),
})).tree;

/** The same subtree at the end of a long way, so that there is something below the tables of 16 bits. */
function deepen(leaf: Tree, way: readonly number[], end: Tree): Tree {
  return way.reduceRight<Tree>((below, bit) => (bit === 0 ? [below, leaf] : [leaf, below]), end);
}

const deepTree = fc
  .tuple(tree, fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 8, maxLength: 19 }), tree)
  .map(([leaf, way, end]) => deepen(typeof leaf === 'number' ? leaf : 0, way, end));

function prefixOf(bytes: Uint8Array, length: number): Prefix {
  const masked = bytes.map((byte, i) => byte & (0xff << Math.min(8, Math.max(0, 8 * (i + 1) - length))));
  return { bytes: masked, length };
}

const bytesOf = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Uint8Array.from(bytes));
const v4Address = fc.oneof(
  bytesOf(4),
  fc.constantFrom(Uint8Array.of(0, 0, 0, 0), Uint8Array.of(255, 0, 0, 1)),
);
const v6Address = bytesOf(16);
const prefix = fc.oneof(
  fc.tuple(v4Address, fc.integer({ min: 0, max: 32 })).map(([bytes, length]) => prefixOf(bytes, length)),
  fc.tuple(v6Address, fc.integer({ min: 0, max: 128 })).map(([bytes, length]) => prefixOf(bytes, length)),
);
const rule = fc.record({
  subnets: fc.array(prefix, { maxLength: 3 }),
  asns: fc.constant([]),
  geos: fc.array(fc.constantFrom('EU', 'AS', 'NA', ...COUNTRIES.map((country) => `EU-${country}`)), {
    maxLength: 3,
  }),
  pool: fc.constant('pool'),
});
const rules: fc.Arbitrary<Rule[]> = fc.array(rule, { maxLength: 6 });

/** Children behind their parents, each node once: as databases are read. */
function locationTrie(v4: Tree, v6: Tree): LocationTrie {
  const queue: (readonly [Tree, Tree])[] = [];
  const entryOf = (of: Tree) => (typeof of === 'number' ? ~of : queue.push(of) - 1);
  const roots = { v4: entryOf(v4), v6: entryOf(v6) };
  const nodes: number[] = [];
  for (let i = 0; i < queue.length; i++) nodes.push(...queue[i]!.map(entryOf));
  return { ...roots, nodes: Int32Array.from(nodes), locations: LOCATIONS };
}

function join(left: Tree, right: Tree): Tree {
  return typeof left === 'number' && left === right ? left : [left, right];
}

function classified(of: Tree, list: readonly Rule[]): Tree {
  if (typeof of === 'number') return ruleForLocation(list, LOCATIONS[of]!) + 1;
  return join(classified(of[0], list), classified(of[1], list));
}

function bit(bytes: Uint8Array, depth: number): number {
  return (bytes[depth >> 3]! >> (7 - (depth & 7))) & 1;
}

function put(of: Tree, { bytes, length }: Prefix, leaf: number, depth = 0): Tree {
  if (depth === length) return leaf;
  const [left, right] = typeof of === 'number' ? [of, of] : of;
  return bit(bytes, depth) === 0
    ? join(put(left, { bytes, length }, leaf, depth + 1), right)
    : join(left, put(right, { bytes, length }, leaf, depth + 1));
}

/** By the text of the rules: longest subnet last, of equals the first rule last. */
function straightforward(v4: Tree, v6: Tree, list: readonly Rule[]): { v4: Tree; v6: Tree } {
  const roots = { v4: classified(v4, list), v6: classified(v6, list) };
  const overrides = list.flatMap((of, place) => of.subnets.map((subnet) => ({ subnet, place })));
  overrides.sort((a, b) => a.subnet.length - b.subnet.length || b.place - a.place);
  for (const { subnet, place } of overrides) {
    const family = subnet.bytes.length === 4 ? 'v4' : 'v6';
    roots[family] = put(roots[family], subnet, place + 1);
  }
  for (const embedded of EMBEDDED_PREFIXES) roots.v6 = put(roots.v6, embedded, BOUNDARY);
  return roots;
}

function find(of: Tree, bytes: Uint8Array): { cls: number; depth: number } {
  let at = of;
  let depth = 0;
  while (typeof at !== 'number') at = at[bit(bytes, depth++) as 0 | 1];
  return { cls: at, depth };
}

describe('compileRules()', () => {
  it('gives the classes and depths of a straightforward compilation', () => {
    fc.assert(
      fc.property(
        deepTree,
        deepTree,
        rules,
        rules,
        fc.array(v4Address, { maxLength: 20 }),
        fc.array(v6Address, { maxLength: 20 }),
        (v4, v6, first, second, some4, some6) => {
          const base = locationTrie(v4, v6);
          // Two over one base: the second must not see what the first left behind.
          for (const list of [first, second]) {
            const trie = compileRules(list, base);
            const expected = straightforward(v4, v6, list);
            const subnets = list.flatMap((of) => of.subnets.map(({ bytes }) => bytes));
            for (const bytes of [...some4, ...some6, ...subnets]) {
              const isV4 = bytes.length === 4;
              const wanted = find(isV4 ? expected.v4 : expected.v6, bytes);
              if (wanted.cls === BOUNDARY) continue;
              const found = isV4
                ? lookup4(trie, new DataView(bytes.buffer, bytes.byteOffset).getInt32(0))
                : lookup6(trie, bytes, 0);
              expect({ cls: found >> 8, depth: found & 0xff }).toEqual(wanted);
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('holds equal subtrees once', () => {
    const half: Tree = deepen(0, Array<number>(20).fill(1), 1);
    const { nodes } = compileRules(
      [{ subnets: [], asns: [], geos: ['EU-DE'], pool: 'p' }],
      locationTrie([half, half], 0),
    );
    const pairs = Array.from({ length: nodes.length / 2 }, (_, i) => nodes.slice(2 * i, 2 * i + 2).join());
    expect(pairs.length).toBeGreaterThan(4);
    expect(new Set(pairs).size).toBe(pairs.length);
  });
});
