import type { Prefix } from '../zone/model.js';
import { EMBEDDED_PREFIXES } from './embedded.js';
import { foldBase } from './folded-base.js';
import type { LocationTrie } from './location.js';
import { CLASS_LIMIT, type GeoTrie } from './trie.js';
import type { UniqueNodes } from './unique-nodes.js';

/** Every address of `prefix` has class `cls`, wherever the database puts it. */
export interface ClassOverride {
  readonly prefix: Prefix;
  readonly cls: number;
}

/** Which class each address has: what a trie is compiled of. */
export interface ClassChoice {
  /** By location. */
  readonly classOf: Int32Array;
  readonly overrides: readonly ClassOverride[];
}

/**
 * Compiles a database and a choice of classes into the trie of the query path.
 *
 * `classOf[id]` is the class of location `id`. The longest override around an address wins over the base; of two
 * with the same prefix, the first in the list wins. IPv4 overrides concern IPv4 addresses, and IPv6 addresses that
 * embed them; an IPv6 override inside a prefix that embeds IPv4 (embedded.ts) has no effect. Equal siblings are
 * merged, so depths are as small as is true, but an IPv6 depth never takes in a prefix that embeds IPv4.
 *
 * The base is folded once; each rule set is then one pass over its different subtrees, and one over what is left
 * of them.
 */
export function compileTrie(
  base: LocationTrie,
  classOf: Int32Array,
  overrides: readonly ClassOverride[],
): GeoTrie {
  checkClasses(base, classOf, overrides);
  const work = classify(base, classOf);
  // Shortest first, so that longer ones split them; of equals the first of the list is put in last.
  const sorted = overrides
    .map((override, place) => ({ ...override, place }))
    .sort((a, b) => a.prefix.length - b.prefix.length || b.place - a.place);
  for (const { prefix, cls } of sorted) insert(work, prefix, ~cls);
  for (const prefix of EMBEDDED_PREFIXES) insert(work, prefix, BOUNDARY);
  return emit(work);
}

/** The leaf at a prefix that embeds IPv4. No class is equal to it, so it never merges with what lies around it. */
const BOUNDARY = ~CLASS_LIMIT;

/** A trie under change: a leaf is `~class`. Nodes never change; a change makes new ones up to the root. */
interface WorkTrie {
  readonly unique: UniqueNodes;
  v4: number;
  v6: number;
}

function checkClasses(base: LocationTrie, classOf: Int32Array, overrides: readonly ClassOverride[]): void {
  if (classOf.length < base.locations.length) throw new RangeError('a location has no class');
  for (const cls of classOf) {
    if (cls < 0 || cls >= CLASS_LIMIT) throw new RangeError(`class ${cls} is out of range`);
  }
  for (const { cls } of overrides) {
    if (!(cls >= 0 && cls < CLASS_LIMIT)) throw new RangeError(`class ${cls} is out of range`);
  }
}

/** Puts classes in the place of locations; what becomes a subtree of one class becomes one leaf. */
function classify(base: LocationTrie, classOf: Int32Array): WorkTrie {
  const { nodes: from, v4, v6, scratch } = foldBase(base);
  const { unique, entryOf } = scratch;
  unique.clear();
  for (let node = 0; node < entryOf.length; node++) {
    const left = from[2 * node]!;
    const right = from[2 * node + 1]!;
    entryOf[node] = unique.join(
      left < 0 ? ~classOf[~left]! : entryOf[left]!,
      right < 0 ? ~classOf[~right]! : entryOf[right]!,
    );
  }
  const root = (entry: number) => (entry < 0 ? ~classOf[~entry]! : entryOf[entry]!);
  return { unique, v4: root(v4), v6: root(v6) };
}

/** Makes everything under `prefix` the given leaf. */
function insert(work: WorkTrie, prefix: Prefix, leaf: number): void {
  if (prefix.bytes.length === 4) work.v4 = withLeaf(work.unique, work.v4, prefix, 0, leaf);
  else work.v6 = withLeaf(work.unique, work.v6, prefix, 0, leaf);
}

/** The entry that `entry`, at `depth`, becomes by that; at most 128 levels deep. */
function withLeaf(unique: UniqueNodes, entry: number, prefix: Prefix, depth: number, leaf: number): number {
  if (entry === leaf || depth === prefix.length) return leaf;
  const left = entry < 0 ? entry : unique.nodes[2 * entry]!;
  const right = entry < 0 ? entry : unique.nodes[2 * entry + 1]!;
  return bitAt(prefix.bytes, depth) === 0
    ? unique.join(withLeaf(unique, left, prefix, depth + 1, leaf), right)
    : unique.join(left, withLeaf(unique, right, prefix, depth + 1, leaf));
}

/** Writes the root tables, and the nodes below depth 16 that are still reached, in the order they have. */
function emit(work: WorkTrie): GeoTrie {
  const from = work.unique.nodes;
  const v4 = sharedInts(1 << 16);
  const v6 = sharedInts(1 << 16);
  fillTable(v4, from, work.v4, 0, 0);
  fillTable(v6, from, work.v6, 0, 0);
  const { numberOf, count } = numberReached(from, work.unique.count, [v4, v6]);
  for (const table of [v4, v6]) {
    for (let i = 0; i < table.length; i++) {
      if (table[i]! >= 0) table[i] = numberOf[table[i]!]!;
    }
  }
  const nodes = sharedInts(2 * count);
  let at = 0;
  for (let node = 0; node < work.unique.count; node++) {
    if (numberOf[node]! < 0) continue;
    const left = from[2 * node]!;
    const right = from[2 * node + 1]!;
    nodes[at++] = left < 0 ? left : numberOf[left]!;
    nodes[at++] = right < 0 ? right : numberOf[right]!;
  }
  return { v4, v6, nodes };
}

/** New numbers for the nodes that the tables reach, -1 for the others. Children have smaller numbers than parents. */
function numberReached(
  from: Int32Array,
  total: number,
  tables: readonly Int32Array[],
): { readonly numberOf: Int32Array; readonly count: number } {
  const numberOf = new Int32Array(total).fill(-1);
  for (const table of tables) {
    for (let i = 0; i < table.length; i++) {
      if (table[i]! >= 0) numberOf[table[i]!] = 0;
    }
  }
  for (let node = total - 1; node >= 0; node--) {
    if (numberOf[node]! < 0) continue;
    const left = from[2 * node]!;
    const right = from[2 * node + 1]!;
    if (left >= 0) numberOf[left] = 0;
    if (right >= 0) numberOf[right] = 0;
  }
  let count = 0;
  for (let node = 0; node < total; node++) {
    if (numberOf[node]! >= 0) numberOf[node] = count++;
  }
  return { numberOf, count };
}

/** Fills the part of a root table that lies under `entry`; goes 16 levels deep. */
function fillTable(table: Int32Array, nodes: Int32Array, entry: number, depth: number, first: number): void {
  if (entry < 0) {
    // No lookup reaches a boundary, and its class would not fit.
    const cls = entry === BOUNDARY ? 0 : ~entry;
    table.fill(~((cls << 8) | depth), first, first + (1 << (16 - depth)));
  } else if (depth === 16) {
    table[first] = entry;
  } else {
    fillTable(table, nodes, nodes[2 * entry]!, depth + 1, first);
    fillTable(table, nodes, nodes[2 * entry + 1]!, depth + 1, first + (1 << (15 - depth)));
  }
}

function bitAt(bytes: Uint8Array, depth: number): number {
  return (bytes[depth >> 3]! >> (7 - (depth & 7))) & 1;
}

function sharedInts(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}
