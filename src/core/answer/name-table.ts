import { NODE, type Snapshot } from './snapshot.js';

/**
 * The hash table of owner names. Names are hashed and compared in words of four bytes, little-endian, the last
 * one filled up with zeros.
 */

/** Odd, with bits all over: 2³² divided by the golden ratio (Knuth, TAOCP 6.4). */
const MULTIPLIER = 0x9e3779b1;
export const HASH_SEED = 0x2545f491;

/** Adds one word of a name to its hash. */
export function hashWord(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, MULTIPLIER);
  return mixed ^ (mixed >>> 15);
}

/** The hash of the lower-case name at `start..start + length`, behind which there are zeros up to a whole word. */
export function hashName(name: DataView, start: number, length: number): number {
  let hash = HASH_SEED;
  for (let i = 0; i < length; i += 4) hash = hashWord(hash, name.getInt32(start + i, true));
  return hash;
}

/** The node of the name at `start..start + length` of `name` (as for `hashName`), or -1. */
export function findNode(
  snapshot: Snapshot,
  name: DataView,
  start: number,
  length: number,
  hash: number,
): number {
  const { buckets, nodes } = snapshot;
  const last = buckets.length - 1;
  let at = (hash << 1) & last;
  for (;;) {
    const node = buckets[at + 1]!;
    if (node < 0) return -1;
    if (buckets[at] === hash && nodes[node + NODE.NAME_LENGTH] === length) {
      let i = 0;
      const key = node + NODE.NAME;
      while (i < length && nodes[key + (i >> 2)] === name.getInt32(start + i, true)) i += 4;
      if (i >= length) return node;
    }
    at = (at + 2) & last;
  }
}

/** How many names a table takes at most: it is half full then. */
export function bucketCount(buckets: Int32Array): number {
  return buckets.length >> 2;
}

/** An empty table for `count` names, at most half full. */
export function createBuckets(count: number, allocate: (length: number) => Int32Array): Int32Array {
  let size = 16;
  while (size < count * 2) size *= 2;
  return allocate(size * 2).fill(-1);
}

/** `hashName` of the lower-case name from `start` to the end of the array. */
export function hashOf(name: Uint8Array, start = 0): number {
  let hash = HASH_SEED;
  for (let i = start; i < name.length; i += 4) hash = hashWord(hash, wordAt(name, i));
  return hash;
}

/** The word of a name at a multiple of four from its begin, as nodes hold it. */
export function wordAt(name: Uint8Array, at: number): number {
  const end = name.length - at;
  if (end >= 4) return name[at]! | (name[at + 1]! << 8) | (name[at + 2]! << 16) | (name[at + 3]! << 24);
  return name[at]! | (end > 1 ? name[at + 1]! << 8 : 0) | (end > 2 ? name[at + 2]! << 16 : 0);
}

/** The lower-case name of a node, in wire form. */
export function nameOf({ nodes }: Snapshot, node: number): Uint8Array {
  const name = new Uint8Array(nodes[node + NODE.NAME_LENGTH]!);
  for (let i = 0; i < name.length; i++) name[i] = nodes[node + NODE.NAME + (i >> 2)]! >>> (8 * (i & 3));
  return name;
}

/** Enters a name that is not in the table yet. */
export function insertNode(buckets: Int32Array, hash: number, node: number): void {
  const last = buckets.length - 1;
  let at = (hash << 1) & last;
  while (buckets[at + 1]! >= 0) at = (at + 2) & last;
  buckets[at] = hash;
  buckets[at + 1] = node;
}

/** Takes a name out and closes the gap; false where it is not in the table. */
export function removeNode(buckets: Int32Array, hash: number, node: number): boolean {
  const last = buckets.length - 1;
  let gap = (hash << 1) & last;
  while (buckets[gap + 1] !== node || buckets[gap] !== hash) {
    if (buckets[gap + 1]! < 0) return false;
    gap = (gap + 2) & last;
  }
  // What stands behind moves up unless it would come before its own place (Knuth, TAOCP 6.4, algorithm R).
  for (let at = (gap + 2) & last; buckets[at + 1]! >= 0; at = (at + 2) & last) {
    const home = (buckets[at]! << 1) & last;
    if (((at - home) & last) < ((at - gap) & last)) continue;
    buckets[gap] = buckets[at]!;
    buckets[gap + 1] = buckets[at + 1]!;
    gap = at;
  }
  buckets[gap] = -1;
  buckets[gap + 1] = -1;
  return true;
}

/** The hash of a node's name. */
export function hashOfNode(nodes: Int32Array, node: number): number {
  const words = (nodes[node + NODE.NAME_LENGTH]! + 3) >> 2;
  let hash = HASH_SEED;
  for (let i = 0; i < words; i++) hash = hashWord(hash, nodes[node + NODE.NAME + i]!);
  return hash;
}

/**
 * Under its name's hash with these bits turned, a zone's node is found whose name is the apex of another zone here: what
 * it has is the parent's side of the cut.
 */
export const PARENT_SIDE = 0x5bd1e995;
