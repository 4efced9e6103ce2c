import type { LocationTrie } from '../geo/location.js';
import type { Prefix } from '../zone/model.js';

/**
 * How many addresses of one family each location of a database has. What is reserved or belongs to nobody is left out:
 * the unknown location counts only where the database knows nothing of the whole family, and then without reserved
 * prefixes.
 */
export interface AddressSpace {
  readonly family: 4 | 6;
  /** By location id: IPv4 addresses, or prefixes of 48 bits of IPv6 (a small network may be a part of one). */
  readonly counts: Float64Array;
  /** By location id, two words each: the first 64 bits of an address there, in its largest prefix. */
  readonly samples: Uint32Array;
  /** The sum of `counts`. */
  readonly total: number;
  /** Whether the unknown location counts. */
  readonly countsUnknown: boolean;
}

/** Counts a database through, once: the result is kept as long as the database. */
export function addressSpace(base: LocationTrie, family: 4 | 6): AddressSpace {
  const known = spacesOf.get(base) ?? new Map<4 | 6, AddressSpace>();
  spacesOf.set(base, known);
  const space = known.get(family) ?? count(base, family);
  known.set(family, space);
  return space;
}

const spacesOf = new WeakMap<LocationTrie, Map<4 | 6, AddressSpace>>();

/** Addresses (or /48s) in a prefix of `length` bits. */
export function addressesIn(family: 4 | 6, length: number): number {
  return 2 ** ((family === 4 ? 32 : 48) - length);
}

/** Text of a prefix's first words: `203.0.113.1`, `2001:db8::1`. */
export function sampleText(family: 4 | 6, high: number, low: number): string {
  if (family === 4) {
    return [high >>> 24, (high >>> 16) & 0xff, (high >>> 8) & 0xff, high & 0xff].join('.');
  }
  const groups = [high >>> 16, high & 0xffff, low >>> 16, low & 0xffff];
  while (groups.length > 1 && groups.at(-1) === 0) groups.pop();
  return `${groups.map((group) => group.toString(16)).join(':')}::1`;
}

/** The entry of a binary trie under a prefix: a node, or the leaf around it. */
export function entryAt(base: LocationTrie, prefix: Prefix): number {
  let entry = prefix.bytes.length === 4 ? base.v4 : base.v6;
  for (let depth = 0; depth < prefix.length && entry >= 0; depth++) {
    entry = base.nodes[2 * entry + ((prefix.bytes[depth >> 3]! >> (7 - (depth & 7))) & 1)]!;
  }
  return entry;
}

/** Addresses that no client has, or that say nothing of where it is. */
const RESERVED_V4: readonly (readonly [number, number])[] = [
  [0x00000000, 8],
  [0x0a000000, 8],
  [0x64400000, 10],
  [0x7f000000, 8],
  [0xa9fe0000, 16],
  [0xac100000, 12],
  [0xc0000200, 24],
  [0xc0a80000, 16],
  [0xc6120000, 15],
  [0xc6336400, 24],
  [0xcb007100, 24],
  [0xe0000000, 3],
];

/**
 * Large prefixes of IPv6 that embed IPv4 (`geo/embedded.ts`): who is behind one counts by the IPv4 address. First words
 * and lengths.
 */
const EMBEDDED_V6: readonly (readonly [number, number])[] = [
  [0x20020000, 16],
  [0x20010000, 32],
];

/** Whether a prefix of IPv6 with this first word embeds IPv4. */
export function isEmbedded(high: number, length: number): boolean {
  return EMBEDDED_V6.some(([start, bits]) => length >= bits && (high ^ start) >>> (32 - bits) === 0);
}

/** How much of such a prefix embeds IPv4, in /48s. */
function embeddedPart(high: number, length: number): number {
  let part = 0;
  for (const [start, bits] of EMBEDDED_V6) {
    const isInside = length < bits && (length === 0 || (high ^ start) >>> (32 - length) === 0);
    if (isInside) part += addressesIn(6, bits);
  }
  return part;
}

/** Of IPv6, only 2000::/3 is given to anybody (RFC 4291 §2.4); its special parts are too small to matter. */
const GLOBAL_V6_LENGTH = 3;

interface Count {
  readonly base: LocationTrie;
  readonly family: 4 | 6;
  readonly counts: Float64Array;
  readonly samples: Uint32Array;
  /** By location id: bits of the prefix that the sample is from, and 1. */
  readonly lengths: Uint8Array;
}

function count(base: LocationTrie, family: 4 | 6): AddressSpace {
  const size = base.locations.length;
  const state: Count = {
    base,
    family,
    counts: new Float64Array(size),
    samples: new Uint32Array(2 * size),
    lengths: new Uint8Array(size),
  };
  visit(state, family === 4 ? base.v4 : base.v6, 0, 0, 0);
  const { counts, samples } = state;
  counts[0] = 0;
  const known = counts.reduce((sum, one) => sum + one, 0);
  const countsUnknown = known === 0;
  if (countsUnknown) counts[0] = unicast(family);
  // An address without a place, for those who ask for a sample: documentation (RFC 5737, RFC 3849).
  samples[0] = family === 4 ? 0xc0000201 : 0x20010db8;
  return { family, counts, samples, total: countsUnknown ? counts[0]! : known, countsUnknown };
}

function unicast(family: 4 | 6): number {
  if (family === 6) return addressesIn(6, GLOBAL_V6_LENGTH) - embeddedPart(0x20000000, GLOBAL_V6_LENGTH);
  return RESERVED_V4.reduce((left, [, length]) => left - addressesIn(4, length), 2 ** 32);
}

/** At most as deep as an address has bits. */
function visit(state: Count, entry: number, depth: number, high: number, low: number): void {
  if (state.family === 6 && isEmbedded(high, depth)) return;
  if (entry < 0) {
    take(state, ~entry, depth, high, low);
    return;
  }
  const { nodes } = state.base;
  visit(state, nodes[2 * entry]!, depth + 1, high, low);
  const bit = 1 << (31 - (depth & 31));
  const isHigh = depth < 32;
  const right = nodes[2 * entry + 1]!;
  visit(state, right, depth + 1, isHigh ? high | bit : high, !isHigh && depth < 64 ? low | bit : low);
}

function take(state: Count, location: number, depth: number, high: number, low: number): void {
  const { family, counts, samples, lengths } = state;
  const embedded = family === 6 && depth < 32 ? embeddedPart(high, depth) : 0;
  counts[location] = counts[location]! + addressesIn(family, depth) - embedded;
  if (lengths[location] !== 0 && lengths[location]! <= depth + 1) return;
  lengths[location] = depth + 1;
  // The first address of a network is nobody's.
  samples[2 * location] = family === 4 && depth < 32 ? high + 1 : high;
  samples[2 * location + 1] = low;
}

/** Whether an address of this family (its first word) is reserved; of IPv6: outside of what is given to anybody. */
export function isReserved(family: 4 | 6, high: number): boolean {
  if (family === 6) return high >>> (32 - GLOBAL_V6_LENGTH) !== 1;
  return RESERVED_V4.some(([start, length]) => (high ^ start) >>> (32 - length) === 0);
}
