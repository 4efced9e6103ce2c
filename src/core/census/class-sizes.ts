import type { LocationTrie } from '../geo/location.js';
import { CLASS_LIMIT, type GeoTrie, lookup4, lookup6 } from '../geo/trie.js';
import { classesOfLocations } from '../policy/geo-rules.js';
import type { Prefix, Steering } from '../zone/model.js';
import {
  type AddressSpace,
  addressesIn,
  addressSpace,
  entryAt,
  isEmbedded,
  isReserved,
  sampleText,
} from './address-space.js';

/** How the addresses of one family spread over the classes of a geo trie. */
export interface ClassSizes {
  readonly family: 4 | 6;
  readonly space: AddressSpace;
  /** Every class that an address gets, those of none but reserved or unknown addresses among them. */
  readonly classes: ReadonlyMap<number, ClassSize>;
  /** Calls with each part of the space: the addresses of a location that have a class. Parts may come in pieces, and
   * what a piece took too much is taken back by a negative one. */
  forEachPart(take: (cls: number, location: number, addresses: number) => void): void;
}

export interface ClassSize {
  readonly cls: number;
  readonly addresses: number;
  /** An address with this class, in text. */
  readonly sample: string;
}

/**
 * Counts the addresses of each class. The database is counted through once (`address-space.ts`); for a trie only its
 * locations are visited, and what lies under the subnets of its rules is walked through. Undefined trie: one class, 0.
 */
export function classSizes(
  base: LocationTrie,
  family: 4 | 6,
  trie: GeoTrie | undefined,
  steering: Steering | undefined,
): ClassSizes {
  const space = addressSpace(base, family);
  if (!trie) return finish(base, space, undefined, new Int32Array(space.counts.length), []);
  if (steering?.kind === 'rules') {
    const classOf = classesOfLocations(steering.rules, base);
    const overrides = outermost(steering.rules.flatMap(({ subnets }) => subnets).filter(isOf(family)));
    const pieces = overrides.flatMap((prefix) => piecesUnder(base, trie, space, classOf, prefix));
    return finish(base, space, trie, classOf, pieces);
  }
  const classOf = new Int32Array(space.counts.length);
  for (let location = 0; location < classOf.length; location++) {
    classOf[location] = classAt(trie, space, space.samples[2 * location]!, space.samples[2 * location + 1]!);
  }
  return finish(base, space, trie, classOf, []);
}

/** What a subnet of a rule takes out of the class of its place. */
interface Piece {
  readonly cls: number;
  /** The class that its place has elsewhere. */
  readonly from: number;
  readonly location: number;
  readonly addresses: number;
  readonly high: number;
  readonly low: number;
}

function finish(
  base: LocationTrie,
  space: AddressSpace,
  trie: GeoTrie | undefined,
  classOf: Int32Array,
  pieces: readonly Piece[],
): ClassSizes {
  const forEachPart: ClassSizes['forEachPart'] = (take) => {
    for (let location = 0; location < classOf.length; location++) {
      const addresses = space.counts[location]!;
      if (addresses > 0) take(classOf[location]!, location, addresses);
    }
    for (const { cls, from, location, addresses } of pieces) {
      if (addresses === 0) continue;
      take(from, location, -addresses);
      take(cls, location, addresses);
    }
  };
  const sums = new Map<number, number>();
  forEachPart((cls, _, addresses) => void sums.set(cls, (sums.get(cls) ?? 0) + addresses));
  const samples = samplesOf(base, space, trie, classOf, pieces, sums);
  const classes = new Map<number, ClassSize>();
  for (const [cls, sample] of samples) {
    // Parts of IPv6 networks are counted in fractions: nothing is left but for rounding.
    const addresses = Math.max(sums.get(cls) ?? 0, 0);
    classes.set(cls, { cls, addresses: addresses < EPSILON ? 0 : addresses, sample });
  }
  return { family: space.family, space, classes, forEachPart };
}

const EPSILON = 1e-5;

/** An address of each class: of its largest location, or of a subnet of a rule. */
function samplesOf(
  base: LocationTrie,
  space: AddressSpace,
  trie: GeoTrie | undefined,
  classOf: Int32Array,
  pieces: readonly Piece[],
  sums: ReadonlyMap<number, number>,
): ReadonlyMap<number, string> {
  const best = new Map<number, { count: number; high: number; low: number }>();
  const offer = (cls: number, count: number, high: number, low: number) => {
    const known = best.get(cls);
    if (known && known.count >= count) return;
    if (trie && classAt(trie, space, high, low) !== cls) return;
    best.set(cls, { count, high, low });
  };
  for (let location = 0; location < classOf.length; location++) {
    const count = space.counts[location]!;
    // The unknown location may be reached by an address that does not count.
    if (count === 0 && location > 0) continue;
    offer(classOf[location]!, count, space.samples[2 * location]!, space.samples[2 * location + 1]!);
  }
  for (const { cls, addresses, high, low } of pieces) offer(cls, addresses, high, low);
  // A rule whose places lie in subnets of others, but for some rest. Not so the little that embeds IPv4 under a subnet
  // of IPv6, which is counted but which no look-up finds.
  for (const [cls, addresses] of sums) {
    if (best.has(cls) || addresses < 1 || !trie) continue;
    const found = searchSample(base, trie, space, cls);
    if (found) best.set(cls, { count: addresses, high: found[0] >>> 0, low: found[1] >>> 0 });
  }
  return new Map([...best].map(([cls, { high, low }]) => [cls, sampleText(space.family, high, low)]));
}

const v6Bytes: Uint8Array = new Uint8Array(16);
const v6View: DataView = new DataView(v6Bytes.buffer);

/** The class of the sample with these first words. */
function classAt(trie: GeoTrie, { family }: AddressSpace, high: number, low: number): number {
  if (family === 4) return lookup4(trie, high) >>> 8;
  v6View.setUint32(0, high);
  v6View.setUint32(4, low);
  v6Bytes[15] = 1;
  return lookup6(trie, v6Bytes, 0) >>> 8;
}

function isOf(family: 4 | 6): (prefix: Prefix) => boolean {
  return ({ bytes }) => bytes.length === (family === 4 ? 4 : 16);
}

/** Without those that lie in another. */
function outermost(prefixes: readonly Prefix[]): readonly Prefix[] {
  const keys = new Set<string>();
  const kept: Prefix[] = [];
  const lengths = new Set<number>();
  for (const prefix of [...prefixes].sort((a, b) => a.length - b.length)) {
    const covered = [...lengths].some((length) => keys.has(prefixKey(prefix, length)));
    if (covered) continue;
    kept.push(prefix);
    keys.add(prefixKey(prefix, prefix.length));
    lengths.add(prefix.length);
  }
  return kept;
}

function prefixKey({ bytes }: Prefix, length: number): string {
  let key = `${length}`;
  for (let i = 0; i < length; i += 8) {
    const kept = length - i >= 8 ? 0xff : 0xff00 >> (length - i);
    key += `.${bytes[i >> 3]! & kept}`;
  }
  return key;
}

interface Walk {
  readonly base: LocationTrie;
  readonly trie: GeoTrie;
  readonly space: AddressSpace;
  readonly classOf: Int32Array;
  readonly pieces: Piece[];
}

/** Walks database and trie together under a prefix. */
function piecesUnder(
  base: LocationTrie,
  trie: GeoTrie,
  space: AddressSpace,
  classOf: Int32Array,
  prefix: Prefix,
): readonly Piece[] {
  const walk: Walk = { base, trie, space, classOf, pieces: [] };
  const view = new DataView(prefix.bytes.buffer, prefix.bytes.byteOffset, prefix.bytes.length);
  const high = view.getUint32(0);
  const low = space.family === 4 ? 0 : view.getUint32(4);
  visit(walk, entryAt(base, prefix), geoEntryAt(trie, prefix), prefix.length, high, low);
  return walk.pieces;
}

/** Above bit 16 a place in the root table; then a node; or a leaf. */
type GeoEntry = { readonly table: number } | { readonly node: number } | { readonly cls: number };

function geoEntryAt(trie: GeoTrie, prefix: Prefix): GeoEntry {
  const { bytes, length } = prefix;
  const table = bytes.length === 4 ? trie.v4 : trie.v6;
  const place = ((bytes[0]! << 8) | bytes[1]!) & (0xffff << Math.max(16 - length, 0));
  let entry = entryInTable(table, place, Math.min(length, 16));
  for (let depth = 16; depth < length; depth++) {
    entry = geoChild(trie, table, entry, (bytes[depth >> 3]! >> (7 - (depth & 7))) & 1, depth);
  }
  return entry;
}

function entryInTable(table: Int32Array, place: number, depth: number): GeoEntry {
  const entry = table[place]!;
  if (entry < 0 && (~entry & 0xff) <= depth) return { cls: ~entry >>> 8 };
  return depth === 16 ? { node: entry } : { table: place };
}

function geoChild(trie: GeoTrie, table: Int32Array, entry: GeoEntry, bit: number, depth: number): GeoEntry {
  if ('cls' in entry) return entry;
  if ('table' in entry) return entryInTable(table, entry.table | (bit << (15 - depth)), depth + 1);
  const child = trie.nodes[2 * entry.node + bit]!;
  return child < 0 ? { cls: ~child } : { node: child };
}

function visit(walk: Walk, at: number, geo: GeoEntry, depth: number, high: number, low: number): void {
  // Smaller prefixes that embed IPv4 have a class of their own, which no look-up returns.
  if ('cls' in geo && geo.cls >= CLASS_LIMIT) return;
  if (walk.space.family === 6 && isEmbedded(high, depth)) return;
  if (at < 0 && 'cls' in geo) {
    addPiece(walk, ~at, geo.cls, depth, high, low);
    return;
  }
  const { base, trie, space } = walk;
  const table = space.family === 4 ? trie.v4 : trie.v6;
  for (let bit = 0; bit < 2; bit++) {
    const next = at < 0 ? at : base.nodes[2 * at + bit]!;
    const set = bit === 1 ? 1 << (31 - (depth & 31)) : 0;
    const nextHigh = depth < 32 ? high | set : high;
    const nextLow = depth >= 32 && depth < 64 ? low | set : low;
    visit(walk, next, geoChild(trie, table, geo, bit, depth), depth + 1, nextHigh, nextLow);
  }
}

/** The first words of the first address that counts and has a class; walks database and trie together. */
function searchSample(
  base: LocationTrie,
  trie: GeoTrie,
  { family, countsUnknown }: AddressSpace,
  cls: number,
): readonly [number, number] | undefined {
  const table = family === 4 ? trie.v4 : trie.v6;
  const search = (
    at: number,
    geo: GeoEntry,
    depth: number,
    high: number,
    low: number,
  ): readonly [number, number] | undefined => {
    if ('cls' in geo && geo.cls !== cls) return undefined;
    if (family === 6 && isEmbedded(high, depth)) return undefined;
    if (at < 0 && 'cls' in geo) {
      const counts = at !== ~0 || (countsUnknown && !isReserved(family, high));
      return counts ? [family === 4 && depth < 32 ? high + 1 : high, low] : undefined;
    }
    if (at === ~0 && !countsUnknown) return undefined;
    for (let bit = 0; bit < 2; bit++) {
      const next = at < 0 ? at : base.nodes[2 * at + bit]!;
      const set = bit === 1 ? 1 << (31 - (depth & 31)) : 0;
      const nextHigh = depth < 32 ? high | set : high;
      const nextLow = depth >= 32 && depth < 64 ? low | set : low;
      const found = search(next, geoChild(trie, table, geo, bit, depth), depth + 1, nextHigh, nextLow);
      if (found) return found;
    }
    return undefined;
  };
  return search(family === 4 ? base.v4 : base.v6, entryInTable(table, 0, 0), 0, 0, 0);
}

function addPiece(
  { space, classOf, pieces }: Walk,
  location: number,
  cls: number,
  depth: number,
  high: number,
  low: number,
): void {
  const { family } = space;
  const counts = location > 0 || (space.countsUnknown && !isReserved(family, high));
  const from = classOf[location]!;
  const sampleHigh = family === 4 && depth < 32 ? high + 1 : high;
  const addresses = counts && cls !== from ? addressesIn(family, depth) : 0;
  pieces.push({ cls, from, location, addresses, high: sampleHigh >>> 0, low: low >>> 0 });
}
