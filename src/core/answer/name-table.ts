import { NODE, type Snapshot } from './snapshot.js';

/**
 * The hash table of owner names. The hash runs over the lower-cased wire form from its end to its start, so
 * that one pass over a name gives the hash of each of its suffixes too, which is what a search for the
 * closest encloser needs.
 */

/** FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv. */
export const HASH_SEED = 0x811c9dc5 | 0;
const HASH_PRIME = 0x01000193;

/** One step of the hash, taken from the last byte of a name to its first. */
export function hashStep(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, HASH_PRIME);
}

/** The hash of a whole name in lower-case wire form. */
export function hashName(name: Uint8Array): number {
  let hash = HASH_SEED;
  for (let i = name.length - 1; i >= 0; i--) hash = hashStep(hash, name[i]!);
  return hash;
}

/** FNV's low bits alone cluster; fold the high half in. */
function bucketOf(hash: number, mask: number): number {
  return ((hash ^ (hash >>> 15)) & mask) << 1;
}

/** The node of the lower-case name at `start..end` of `bytes`, or -1. */
export function findNode(
  snapshot: Snapshot,
  bytes: Uint8Array,
  start: number,
  end: number,
  hash: number,
): number {
  const { buckets, nodes, names } = snapshot;
  const mask = (buckets.length >> 1) - 1;
  let at = bucketOf(hash, mask);
  for (;;) {
    const node = buckets[at + 1]!;
    if (node < 0) return -1;
    if (buckets[at] === hash) {
      const record = node * NODE.STRIDE;
      if (nodes[record + NODE.KEY_LENGTH] === end - start) {
        const key = nodes[record + NODE.KEY]! - start;
        let i = start;
        while (i < end && names[key + i] === bytes[i]) i++;
        if (i === end) return node;
      }
    }
    at = (at + 2) & ((mask << 1) | 1);
  }
}

/** An empty table for `count` names, at most half full. */
export function createBuckets(count: number, allocate: (length: number) => Int32Array): Int32Array {
  let size = 16;
  while (size < count * 2) size *= 2;
  return allocate(size * 2).fill(-1);
}

/** Enters a name that is not in the table yet. */
export function insertNode(buckets: Int32Array, hash: number, node: number): void {
  const mask = (buckets.length >> 1) - 1;
  let at = bucketOf(hash, mask);
  while (buckets[at + 1]! >= 0) at = (at + 2) & ((mask << 1) | 1);
  buckets[at] = hash;
  buckets[at + 1] = node;
}
