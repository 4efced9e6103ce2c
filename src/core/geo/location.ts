/** Where an address is, and the trie that says so: what a geographic database is after it was read. */
import { embeddedAddress, embeddedBase } from './embedded.js';

export interface Location {
  /** `EU`; upper case like all codes here. */
  readonly continent?: string;
  /** ISO 3166-1 alpha-2: `US`. */
  readonly country?: string;
  /** ISO 3166-2 without the country: `CA`. */
  readonly subdivision?: string;
  readonly asn?: number;
  /** Degrees; present together with `longitude` or not at all. */
  readonly latitude?: number;
  readonly longitude?: number;
}

/**
 * Two binary tries over one array of nodes. Node `n` has its children for bit 0 and 1 at `nodes[2n]` and
 * `nodes[2n + 1]`. A child, or a root entry, is a node if it is ≥ 0, and else `-(locationId + 1)`. Children come
 * after their parents and every node has one parent, so one pass over the array visits bottom-up or top-down.
 */
export interface LocationTrie {
  readonly nodes: Int32Array;
  /** Root entry of the IPv4 addresses. */
  readonly v4: number;
  /** Root entry of the IPv6 addresses. Those that embed an IPv4 address are looked up in `v4`. */
  readonly v6: number;
  /** Location 0 is the unknown location, `{}`. */
  readonly locations: readonly Location[];
}

/** The trie that knows nothing: stands in where no database could be read. */
export const EMPTY_LOCATIONS: LocationTrie = { nodes: new Int32Array(0), v4: ~0, v6: ~0, locations: [{}] };

/**
 * Location id and prefix length of an address of 4 or 16 bytes. An IPv6 address that embeds an IPv4 address has
 * the location of that one; the prefix length is always in terms of the address given.
 */
export function locate(
  trie: LocationTrie,
  bytes: Uint8Array,
): { readonly id: number; readonly length: number } {
  if (bytes.length === 4) return walk(trie, trie.v4, bytes);
  const base = embeddedBase(bytes, 0);
  if (base === 0) return walk(trie, trie.v6, bytes);
  const address = embeddedAddress(bytes, 0);
  const v4 = Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
  const found = walk(trie, trie.v4, v4);
  return { id: found.id, length: found.length + base };
}

function walk(trie: LocationTrie, root: number, bytes: Uint8Array): { id: number; length: number } {
  let entry = root;
  let length = 0;
  while (entry >= 0) {
    const bit = (bytes[length >> 3]! >> (7 - (length & 7))) & 1;
    entry = trie.nodes[2 * entry + bit]!;
    length++;
  }
  return { id: ~entry, length };
}

/**
 * Combines two databases, for instance countries and autonomous systems: every address gets the fields of both,
 * those of `b` where both have them. Where they name different countries, the finer places and the continent of
 * `a` are left out, as they would lie in the wrong country. Takes time and memory linear in both tries.
 */
export function mergeLocations(a: LocationTrie, b: LocationTrie): LocationTrie {
  const walk = startWalk(a, b);
  const v4 = visit(walk, a.v4, b.v4);
  const v6 = visit(walk, a.v6, b.v6);
  // The queue is the output: node n of the result stands for the pair of entries at place n (breadth first).
  for (let n = 0; n < walk.count; n++) {
    const left = walk.left[n]!;
    const right = walk.right[n]!;
    for (let bit = 0; bit < 2; bit++) {
      const childOfA = left < 0 ? left : a.nodes[2 * left + bit]!;
      const childOfB = right < 0 ? right : b.nodes[2 * right + bit]!;
      walk.nodes[2 * n + bit] = visit(walk, childOfA, childOfB);
    }
  }
  return { nodes: walk.nodes.slice(0, 2 * walk.count), v4, v6, locations: walk.locations };
}

/** The fields of `b`, and those of `a` that `b` doesn't have and that don't contradict it. */
export function combineLocations(a: Location, b: Location): Location {
  const { asn, ...place } = a;
  const isElsewhere = b.country !== undefined && a.country !== undefined && a.country !== b.country;
  const hasPoint = b.latitude !== undefined && b.longitude !== undefined;
  const { latitude, longitude, ...codes } = place;
  return {
    ...(asn === undefined ? {} : { asn }),
    ...(isElsewhere ? {} : hasPoint ? codes : place),
    ...b,
  };
}

interface Walk {
  readonly a: LocationTrie;
  readonly b: LocationTrie;
  /** Entry of each trie that an output node stands for. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly nodes: Int32Array;
  count: number;
  readonly locations: Location[];
  readonly idOfPair: Map<number, number>;
  readonly idOfKey: Map<string, number>;
}

function startWalk(a: LocationTrie, b: LocationTrie): Walk {
  // An inner node of the result is an inner node of `a` or of `b`, so there are never more than both have.
  const limit = (a.nodes.length + b.nodes.length) / 2;
  return {
    a,
    b,
    left: new Int32Array(limit),
    right: new Int32Array(limit),
    nodes: new Int32Array(2 * limit),
    count: 0,
    locations: [{}],
    idOfPair: new Map([[0, 0]]),
    idOfKey: new Map([[keyOf({}), 0]]),
  };
}

function visit(walk: Walk, left: number, right: number): number {
  if (left < 0 && right < 0) return ~pairId(walk, ~left, ~right);
  walk.left[walk.count] = left;
  walk.right[walk.count] = right;
  return walk.count++;
}

function pairId(walk: Walk, left: number, right: number): number {
  const pair = left * walk.b.locations.length + right;
  const known = walk.idOfPair.get(pair);
  if (known !== undefined) return known;
  const location = combineLocations(walk.a.locations[left]!, walk.b.locations[right]!);
  const key = keyOf(location);
  let id = walk.idOfKey.get(key);
  if (id === undefined) {
    id = walk.locations.push(location) - 1;
    walk.idOfKey.set(key, id);
  }
  walk.idOfPair.set(pair, id);
  return id;
}

/** Equal for locations that are equal field by field. */
export function keyOf(location: Location): string {
  const { continent, country, subdivision, asn, latitude, longitude } = location;
  return `${continent ?? ''}|${country ?? ''}|${subdivision ?? ''}|${asn ?? ''}|${latitude ?? ''}|${longitude ?? ''}`;
}
