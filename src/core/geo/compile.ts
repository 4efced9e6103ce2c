import type { Prefix } from '../zone/model.js';
import { EMBEDDED_PREFIXES } from './embedded.js';
import type { LocationTrie } from './location.js';
import { SubtreeFolder } from './subtree-folder.js';
import { CLASS_LIMIT, type GeoTrie } from './trie.js';

/** Every address of `prefix` has class `cls`, wherever the database puts it. */
export interface ClassOverride {
  readonly prefix: Prefix;
  readonly cls: number;
}

/**
 * Compiles a database and a choice of classes into the trie of the query path.
 *
 * `classOf[id]` is the class of location `id`. The longest override around an address wins over the base; of two
 * with the same prefix, the first in the list wins. IPv4 overrides concern IPv4 addresses, and IPv6 addresses that
 * embed them; an IPv6 override inside a prefix that embeds IPv4 (embedded.ts) has no effect. Equal siblings are
 * merged, so depths are as small as is true, but an IPv6 depth never takes in a prefix that embeds IPv4.
 *
 * One pass over the base and one over what is left of it: a hundred rule sets share one base of a million nodes.
 */
export function compileTrie(
  base: LocationTrie,
  classOf: Int32Array,
  overrides: readonly ClassOverride[],
): GeoTrie {
  checkClasses(base, classOf, overrides);
  const work = mergeSiblings(base, classOf);
  // Shortest first, so that longer ones split them; of equals the first of the list is put in last.
  const sorted = overrides
    .map((override, place) => ({ ...override, place }))
    .sort((a, b) => a.prefix.length - b.prefix.length || b.place - a.place);
  for (const { prefix, cls } of sorted) insert(work, prefix, ~cls);
  for (const { prefix } of sorted) mergeAlong(work, prefix);
  for (const prefix of EMBEDDED_PREFIXES) insert(work, prefix, BOUNDARY);
  return emit(work);
}

/** The leaf at a prefix that embeds IPv4. No class is equal to it, so it never merges with what lies around it. */
const BOUNDARY = ~CLASS_LIMIT;

/** A trie under change: pairs as in LocationTrie, but a child < 0 is `~class`. */
interface WorkTrie {
  nodes: Int32Array;
  count: number;
  /** Where in `nodes` the two root entries are; a pair of their own behind those of the base. */
  readonly v4Slot: number;
  readonly v6Slot: number;
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

/** Copies the base with classes for locations; what becomes a subtree of one class becomes one leaf. */
function mergeSiblings(base: LocationTrie, classOf: Int32Array): WorkTrie {
  const count = base.nodes.length / 2;
  const from = base.nodes;
  const nodes = new Int32Array(2 * (count + 1 + SPARE_NODES));
  // Children come after their parents, so going backwards both children are final when their parent is reached.
  for (let slot = 2 * count - 1; slot >= 0; slot--) {
    const child = from[slot]!;
    nodes[slot] = child < 0 ? ~classOf[~child]! : settled(nodes, child);
  }
  const root = (entry: number) => (entry < 0 ? ~classOf[~entry]! : settled(nodes, entry));
  nodes[2 * count] = root(base.v4);
  nodes[2 * count + 1] = root(base.v6);
  return { nodes, count: count + 1, v4Slot: 2 * count, v6Slot: 2 * count + 1 };
}

/** Enough for the boundaries and a few dozen overrides without a second copy. */
const SPARE_NODES = 4096;

/** A node, or the leaf that it comes down to when both its children are the same one. */
function settled(nodes: Int32Array, node: number): number {
  const child = nodes[2 * node]!;
  return child < 0 && child === nodes[2 * node + 1] ? child : node;
}

/** Makes everything under `prefix` the given leaf. */
function insert(work: WorkTrie, prefix: Prefix, leaf: number): void {
  let slot = prefix.bytes.length === 4 ? work.v4Slot : work.v6Slot;
  for (let depth = 0; depth < prefix.length; depth++) {
    let entry = work.nodes[slot]!;
    if (entry === leaf) return;
    if (entry < 0) {
      entry = addNode(work, entry);
      work.nodes[slot] = entry;
    }
    slot = 2 * entry + bitAt(prefix.bytes, depth);
  }
  work.nodes[slot] = leaf;
}

/** Merges equal siblings on the way to `prefix`, from the bottom up. */
function mergeAlong(work: WorkTrie, prefix: Prefix): void {
  const slots: number[] = [];
  let slot = prefix.bytes.length === 4 ? work.v4Slot : work.v6Slot;
  for (let depth = 0; depth < prefix.length && work.nodes[slot]! >= 0; depth++) {
    slots.push(slot);
    slot = 2 * work.nodes[slot]! + bitAt(prefix.bytes, depth);
  }
  for (const parent of slots.reverse()) {
    const merged = settled(work.nodes, work.nodes[parent]!);
    if (merged >= 0) return;
    work.nodes[parent] = merged;
  }
}

function addNode(work: WorkTrie, leaf: number): number {
  if (2 * work.count === work.nodes.length) {
    const larger = new Int32Array(2 * work.nodes.length);
    larger.set(work.nodes);
    work.nodes = larger;
  }
  const node = work.count++;
  work.nodes[2 * node] = leaf;
  work.nodes[2 * node + 1] = leaf;
  return node;
}

/** Writes the root tables and the nodes below depth 16 that are still reached, equal subtrees once. */
function emit(work: WorkTrie): GeoTrie {
  const v4 = sharedInts(1 << 16);
  const v6 = sharedInts(1 << 16);
  fillTable(v4, work.nodes, work.nodes[work.v4Slot]!, 0, 0);
  fillTable(v6, work.nodes, work.nodes[work.v6Slot]!, 0, 0);
  const folder = new SubtreeFolder(work.nodes);
  for (const table of [v4, v6]) {
    for (let i = 0; i < table.length; i++) {
      if (table[i]! >= 0) table[i] = folder.fold(table[i]!);
    }
  }
  const nodes = sharedInts(2 * folder.count);
  nodes.set(folder.nodes.subarray(0, 2 * folder.count));
  return { v4, v6, nodes };
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
