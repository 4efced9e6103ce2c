import type { Query } from '../answer/query.js';
import { HASH_PREFIX_V4, HASH_PREFIX_V6 } from '../answer/snapshot.js';
import { embeddedAddress, embeddedBase } from '../geo/embedded.js';
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

/**
 * How many bits of the client's address a `hash` pick looks at: /24 or /56. An IPv6 address that embeds an IPv4
 * address counts as that one, so that a client stays where it is when a translator or a tunnel is in between.
 */
export function hashedBits(query: Query): number {
  if (query.clientFamily === 4) return HASH_PREFIX_V4;
  const base = embeddedBase(query.clientBytes, 0);
  return base > 0 ? base + HASH_PREFIX_V4 : HASH_PREFIX_V6;
}

/** A hash of those bits: the identity of a client for `hash` picks. */
export function hashOfClient(query: Query): number {
  const { clientBytes } = query;
  if (query.clientFamily === 4) return hashOfPrefix4(query.clientAddress);
  if (embeddedBase(clientBytes, 0) > 0) return hashOfPrefix4(embeddedAddress(clientBytes, 0));
  let hash = FNV_START;
  for (let i = 0; i < HASH_PREFIX_V6 / 8; i++) hash = Math.imul(hash ^ clientBytes[i]!, FNV_PRIME);
  return mix(hash);
}

/** FNV-1a. */
const FNV_START = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;

function hashOfPrefix4(address: number): number {
  const prefix = address >>> (32 - HASH_PREFIX_V4);
  let hash = FNV_START;
  for (let shift = 0; shift < HASH_PREFIX_V4; shift += 8) {
    hash = Math.imul(hash ^ ((prefix >>> shift) & 0xff), FNV_PRIME);
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
