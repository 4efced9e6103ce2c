import type { Query } from '../answer/query.js';
import { HASH_PREFIX_V4, HASH_PREFIX_V6 } from '../answer/snapshot.js';
import { lookup4, lookup6 } from '../geo/trie.js';

/**
 * Finds the address that stands for the client: that of the client-subnet option, or, without one or with
 * an empty prefix (RFC 7871 §7.1.2), the resolver's own.
 */
export function locateClient(query: Query): void {
  if (query.subnetPrefix > 0) {
    readSubnet(query);
    return;
  }
  const { source, sourceAt } = query;
  query.clientFamily = query.sourceFamily;
  if (query.sourceFamily === 4) {
    query.clientAddress =
      (source[sourceAt]! << 24) |
      (source[sourceAt + 1]! << 16) |
      (source[sourceAt + 2]! << 8) |
      source[sourceAt + 3]!;
  } else {
    for (let i = 0; i < 16; i++) query.clientBytes[i] = source[sourceAt + i]!;
  }
}

/** The client's class in a geo trie and the depth of the hit: (class << 8) | depth. */
export function classOfClient(query: Query, trie: number): number {
  const geo = query.snapshot.tries[trie]!;
  return query.clientFamily === 4 ? lookup4(geo, query.clientAddress) : lookup6(geo, query.clientBytes, 0);
}

/**
 * Widens nothing, narrows where needed: the answer now depends on `depth` bits of the client's address.
 * Where the resolver gave no prefix the scope stays 0 (RFC 7871 §7.2.1).
 */
export function narrowScope(query: Query, depth: number): void {
  if (query.subnetPrefix > 0 && depth > query.scope) query.scope = depth;
}

/** A hash of the client's /24 or /56: the identity of a client for `hash` picks. */
export function hashOfClient(query: Query): number {
  let hash = 0x811c9dc5 | 0;
  if (query.clientFamily === 4) {
    const prefix = query.clientAddress >>> (32 - HASH_PREFIX_V4);
    for (let shift = 0; shift < HASH_PREFIX_V4; shift += 8) {
      hash = Math.imul(hash ^ ((prefix >>> shift) & 0xff), 0x01000193);
    }
  } else {
    for (let i = 0; i < HASH_PREFIX_V6 / 8; i++) {
      hash = Math.imul(hash ^ query.clientBytes[i]!, 0x01000193);
    }
  }
  return mix(hash);
}

/** The finalizer of MurmurHash3: every input bit reaches every output bit. */
export function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function readSubnet(query: Query): void {
  if (query.subnetFamily === 1) {
    query.clientFamily = 4;
    query.clientAddress = query.subnetAddress;
    return;
  }
  const { subnet } = query;
  const length = query.subnetLength - 4;
  query.clientFamily = 6;
  for (let i = 0; i < 16; i++) query.clientBytes[i] = i < length ? subnet[4 + i]! : 0;
}
