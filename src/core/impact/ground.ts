/**
 * How many addresses lie at each location of a geo database, and some of them: what shares of clients are measured by.
 * IPv4 is counted in addresses, IPv6 in /48 networks, each by itself. Addresses that the database does not place
 * (reserved, never given out) are counted at location 0, and belong to no share.
 */
import { EMBEDDED_PREFIXES } from '../geo/embedded.js';
import type { Location, LocationTrie } from '../geo/location.js';
import type { Prefix } from '../zone/model.js';

/** A network, and how much of it lies at one location. */
export interface Patch {
  readonly location: number;
  readonly count: number;
  /** First addresses of the largest networks of this patch, the largest first; at most SAMPLES_MAX. */
  readonly samples: readonly Uint8Array[];
}

/** Patches by their locations. */
export type Patches = ReadonlyMap<number, Patch>;

export interface Ground {
  readonly trie: LocationTrie;
  readonly locations: readonly Location[];
  readonly v4: Patches;
  readonly v6: Patches;
  /** What the database places; of all addresses where it places none. */
  readonly total: { readonly v4: number; readonly v6: number };
  /** Whether the database places any address: else location 0 is the whole world. */
  readonly isPlaced: boolean;
}

const SAMPLES_MAX = 4;
const V6_UNIT_BITS = 48;

/** Walks through a database once; linear in its size. */
export function surveyGround(trie: LocationTrie): Ground {
  const v4 = patchesUnder(trie, WHOLE_V4);
  const v6 = patchesUnder(trie, WHOLE_V6);
  const placed = { v4: placedCount(v4), v6: placedCount(v6) };
  const isPlaced = placed.v4 + placed.v6 > 0;
  const all = { v4: v4.get(0)?.count ?? 0, v6: v6.get(0)?.count ?? 0 };
  return { trie, locations: trie.locations, v4, v6, total: isPlaced ? placed : all, isPlaced };
}

const WHOLE_V4: Prefix = { bytes: new Uint8Array(4), length: 0 };
const WHOLE_V6: Prefix = { bytes: new Uint8Array(16), length: 0 };

function placedCount(patches: Patches): number {
  let sum = 0;
  for (const { location, count } of patches.values()) if (location !== 0) sum += count;
  return sum;
}

interface MutablePatch {
  readonly location: number;
  count: number;
  samples: Uint8Array[];
  /** Lengths of the networks of `samples`. */
  lengths: number[];
}

/** What lies under one prefix. IPv6 prefixes that embed IPv4 addresses are left out: those are looked up as IPv4. */
export function patchesUnder(trie: LocationTrie, prefix: Prefix): Patches {
  const isV4 = prefix.bytes.length === 4;
  const patches: (MutablePatch | undefined)[] = [];
  const found = new Map<number, Patch>();
  const at = prefix.bytes.slice();
  const unitBits = isV4 ? 32 : V6_UNIT_BITS;
  let entry = isV4 ? trie.v4 : trie.v6;
  for (let depth = 0; depth < prefix.length && entry >= 0; depth++) {
    entry = trie.nodes[2 * entry + bitAt(prefix.bytes, depth)]!;
  }
  const leaf = (location: number, length: number) => {
    let patch = patches[location];
    if (!patch) {
      patch = { location, count: 0, samples: [], lengths: [] };
      patches[location] = patch;
      found.set(location, patch);
    }
    patch.count += UNITS[unitBits - length + UNITS_ONE]!;
    if (patch.lengths.length < SAMPLES_MAX || length < patch.lengths[SAMPLES_MAX - 1]!) {
      remember(patch, at, length);
    }
  };
  const walk = (node: number, depth: number): void => {
    if (!isV4 && isEmbedding(at, depth)) return;
    if (node < 0 && (isV4 || !mayEmbed(at, depth))) {
      leaf(~node, depth);
      return;
    }
    // A leaf around an embedding prefix is divided until that stands alone.
    const left = node < 0 ? node : trie.nodes[2 * node]!;
    const right = node < 0 ? node : trie.nodes[2 * node + 1]!;
    walk(left, depth + 1);
    const byte = depth >> 3;
    const bit = 0x80 >> (depth & 7);
    at[byte] = at[byte]! | bit;
    walk(right, depth + 1);
    at[byte] = at[byte]! & ~bit;
  };
  walk(entry, prefix.length);
  return found;
}

/** Powers of two, from 2⁻⁸⁰ on. */
const UNITS_ONE = 80;
const UNITS = Float64Array.from({ length: UNITS_ONE + 49 }, (_, i) => 2 ** (i - UNITS_ONE));

function remember(patch: MutablePatch, at: Uint8Array, length: number): void {
  const { lengths, samples } = patch;
  let place = lengths.findIndex((known) => known > length);
  if (place < 0) place = lengths.length;
  lengths.splice(place, 0, length);
  samples.splice(place, 0, sampleOf(at, length));
  lengths.length = Math.min(lengths.length, SAMPLES_MAX);
  samples.length = lengths.length;
}

/** The first address behind the network's own. */
function sampleOf(network: Uint8Array, length: number): Uint8Array {
  const address = network.slice();
  if (length < 8 * address.length) address[address.length - 1] = address[address.length - 1]! | 1;
  return address;
}

/** Whether the network is one that embeds IPv4 addresses, or lies in one. */
function isEmbedding(at: Uint8Array, length: number): boolean {
  if (at[0] !== 0x20 && at[0] !== 0) return false;
  return EMBEDDED_PREFIXES.some((prefix) => prefix.length <= length && covers(prefix, at));
}

/** Whether an embedding prefix lies inside the network. */
function mayEmbed(at: Uint8Array, length: number): boolean {
  if (length > 2 && at[0] !== 0x20 && at[0] !== 0) return false;
  return EMBEDDED_PREFIXES.some(
    (prefix) => prefix.length > length && covers({ bytes: at, length }, prefix.bytes),
  );
}

/** Whether an address lies in a prefix of the same family. */
export function covers(prefix: Prefix, address: Uint8Array): boolean {
  if (prefix.bytes.length !== address.length) return false;
  const whole = prefix.length >> 3;
  for (let i = 0; i < whole; i++) if (prefix.bytes[i] !== address[i]) return false;
  const rest = prefix.length & 7;
  if (rest === 0) return true;
  return ((prefix.bytes[whole]! ^ address[whole]!) & (0xff00 >> rest) & 0xff) === 0;
}

function bitAt(bytes: Uint8Array, depth: number): number {
  return (bytes[depth >> 3]! >> (7 - (depth & 7))) & 1;
}
