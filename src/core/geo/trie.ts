/**
 * The compiled geographic lookup of the query path: address → class id and the length of the shortest prefix
 * around the address in which every address has that class, which is the ECS scope of the answer
 * (RFC 7871 §7.2.1). A lookup allocates nothing and takes at most 16 steps for IPv4 and 112 for IPv6.
 *
 * `v4` and `v6` are indexed by the first 16 bits of an address. An entry ≥ 0 is the number of a node, an entry
 * < 0 is `~((class << 8) | depth)`. Node `n` has its children for bit 0 and 1 at `nodes[2n]` and `nodes[2n + 1]`;
 * a child ≥ 0 is a node, a child < 0 is `~class`.
 */
import { embeddedAddress, embeddedBase } from './embedded.js';

/** Views on SharedArrayBuffers, so that workers read them without a copy. */
export interface GeoTrie {
  readonly v4: Int32Array;
  readonly v6: Int32Array;
  readonly nodes: Int32Array;
}

/** Class ids are below this, so that `(class << 8) | depth` is a positive 32-bit integer. */
export const CLASS_LIMIT = 1 << 23;

/** Looks up an IPv4 address, given as a big-endian 32-bit integer (signed or not): `(class << 8) | depth`. */
export function lookup4(trie: GeoTrie, address: number): number {
  let entry = trie.v4[(address >>> 16) & 0xffff]!;
  if (entry < 0) return ~entry;
  const nodes = trie.nodes;
  let bit = 16;
  do {
    bit--;
    entry = nodes[(entry << 1) | ((address >>> bit) & 1)]!;
  } while (entry >= 0);
  return (~entry << 8) | (32 - bit);
}

/**
 * Looks up the IPv6 address in the 16 bytes at `offset`: `(class << 8) | depth`. Addresses that embed an IPv4
 * address (embedded.ts) get the class of that one, and a depth that counts the bits in front of it.
 */
export function lookup6(trie: GeoTrie, bytes: Uint8Array, offset: number): number {
  const base = embeddedBase(bytes, offset);
  if (base > 0) return lookup4(trie, embeddedAddress(bytes, offset)) + base;
  let entry = trie.v6[(bytes[offset]! << 8) | bytes[offset + 1]!]!;
  if (entry < 0) return ~entry;
  const nodes = trie.nodes;
  let depth = 16;
  do {
    const bit = (bytes[offset + (depth >> 3)]! >> (7 - (depth & 7))) & 1;
    entry = nodes[(entry << 1) | bit]!;
    depth++;
  } while (entry >= 0);
  return (~entry << 8) | depth;
}
