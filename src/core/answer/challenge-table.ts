import { hashOf, wordAt } from './name-table.js';

/**
 * The values of ACME DNS-01 challenges (RFC 8555 §8.4): a hash table of names in shared memory beside the snapshot. The
 * control plane writes it, the query path reads it; a new name or value needs neither a new snapshot nor a message.
 *
 *     SEQUENCE, COUNT, … | entry | entry | …      open addressing, a power of two of entries
 *
 * All of it is guarded by one sequence word (a seqlock): odd while something is being written, and another afterwards.
 * Changes are rare and take microseconds. An entry without values says that its name exists (NODATA).
 */

const SEQUENCE = 0;
const COUNT = 1;
const HEADER = 16;

const ENTRY = {
  /** Bytes of the name; 0: free. */
  NAME_LENGTH: 0,
  HASH: 1,
  VALUES: 2,
  /** Until when each value is answered: seconds since 1970. */
  EXPIRES: 3,
  /** Names that were added and are this one or lie below it. Only the writer reads it. */
  REFERENCES: 5,
  /** 1 where the name itself was added. */
  OWN: 6,
  /** The rdata of each value, as big-endian words. */
  RDATA: 8,
  /** The name in lower-case wire form, as little-endian words, the last one filled up with zeros. */
  NAME: 32,
  STRIDE: 96,
} as const;

/** A value is a SHA-256 in base64url without padding (RFC 8555 §8.4). */
export const CHALLENGE_LENGTH = 43;
/** Of a name: one for the name itself and one for its wildcard, which both ask at the same name. */
export const CHALLENGE_VALUES_MAX = 2;
/** Words of the rdata of one TXT record: a byte for the length, and the value. */
export const CHALLENGE_WORDS = 11;

/** What `findChallenges` returns beside a number of values. */
export const CHALLENGE = {
  /** The table does not have the name. */
  NONE: -1,
  /** The table was never still. */
  BUSY: -2,
  /** The name exists only because it is above one that was added. */
  ABOVE: -3,
} as const;

export interface ChallengeValue {
  /** CHALLENGE_LENGTH characters of ASCII. */
  readonly text: string;
  /** Seconds since 1970. */
  readonly expires: number;
}

/** A table with room for `names` names, and for about two above each that have to exist too. */
export function createChallengeTable(names: number): Int32Array {
  let entries = 64;
  while (entries < 6 * names) entries *= 2;
  return new Int32Array(new SharedArrayBuffer((HEADER + entries * ENTRY.STRIDE) * 4));
}

/**
 * Adds a name (lower-case wire form) that the table does not have as its own; the names above it exist from then on as
 * well. False where there is no room: at most half of the entries are used. One thread only may write.
 */
export function addChallengeName(table: Int32Array, name: Uint8Array): boolean {
  const above = ancestors(name);
  const fresh = above.filter((one) => findEntry(table, one) < 0).length;
  const known = findEntry(table, name);
  if (table[COUNT]! + fresh + (known < 0 ? 1 : 0) > entriesOf(table) / 2) return false;
  change(table, () => {
    for (const one of [name, ...above]) {
      const found = findEntry(table, one);
      const at = found < 0 ? insert(table, one) : found;
      put(table, at + ENTRY.REFERENCES, table[at + ENTRY.REFERENCES]! + 1);
      if (one === name) put(table, at + ENTRY.OWN, 1);
    }
  });
  return true;
}

/** Takes away a name that was added, with its values, and what exists because of it alone. */
export function removeChallengeName(table: Int32Array, name: Uint8Array): void {
  change(table, () => {
    for (const one of [name, ...ancestors(name)]) {
      const at = findEntry(table, one);
      if (at < 0) continue;
      const references = table[at + ENTRY.REFERENCES]! - 1;
      if (one === name) {
        put(table, at + ENTRY.VALUES, 0);
        put(table, at + ENTRY.OWN, 0);
      }
      if (references > 0) put(table, at + ENTRY.REFERENCES, references);
      else erase(table, at);
    }
  });
}

/** Gives a name of the table its values: the first CHALLENGE_VALUES_MAX of them. */
export function setChallengeValues(
  table: Int32Array,
  name: Uint8Array,
  values: readonly ChallengeValue[],
): void {
  const at = findEntry(table, name);
  if (at < 0) return;
  const kept = values.slice(0, CHALLENGE_VALUES_MAX);
  change(table, () => {
    for (const [i, { text, expires }] of kept.entries()) {
      put(table, at + ENTRY.EXPIRES + i, expires);
      const first = at + ENTRY.RDATA + i * CHALLENGE_WORDS;
      for (let word = 0; word < CHALLENGE_WORDS; word++) put(table, first + word, rdataWord(text, word));
    }
    put(table, at + ENTRY.VALUES, kept.length);
  });
}

/** A writer is done within microseconds. */
const READS_MAX = 1000;

/** The rdata of the values that `findChallenges` found, CHALLENGE_WORDS each. One thread reads one name at a time. */
export const foundChallenges: Int32Array = new Int32Array(CHALLENGE_VALUES_MAX * CHALLENGE_WORDS);

/**
 * The number of values that the name `name[0..length]` (lower case, zeros behind it; `hash` is its `hashName`) has at
 * `nowSeconds`, or one of CHALLENGE. Copies them to `foundChallenges`, as they were at one moment. Allocates nothing.
 */
export function findChallenges(
  table: Int32Array,
  name: DataView,
  length: number,
  hash: number,
  nowSeconds: number,
): number {
  for (let i = 0; i < READS_MAX; i++) {
    const sequence = Atomics.load(table, SEQUENCE);
    if ((sequence & 1) !== 0) continue;
    if (table[COUNT] === 0) return CHALLENGE.NONE;
    const at = probe(table, name, length, hash);
    const found = at < 0 ? CHALLENGE.NONE : copyLive(table, at, nowSeconds);
    if (Atomics.load(table, SEQUENCE) === sequence) return found;
  }
  return CHALLENGE.BUSY;
}

/** As many steps as there are entries at most, whatever is being written. */
function probe(table: Int32Array, name: DataView, length: number, hash: number): number {
  const entries = entriesOf(table);
  for (let step = 0; step < entries; step++) {
    const at = HEADER + ((hash + step) & (entries - 1)) * ENTRY.STRIDE;
    const size = table[at + ENTRY.NAME_LENGTH]!;
    if (size === 0) return -1;
    if (size !== length || table[at + ENTRY.HASH] !== hash) continue;
    let i = 0;
    while (i < length && table[at + ENTRY.NAME + (i >> 2)] === name.getInt32(i, true)) i += 4;
    if (i >= length) return at;
  }
  return -1;
}

function copyLive(table: Int32Array, at: number, nowSeconds: number): number {
  if (table[at + ENTRY.OWN] === 0) return CHALLENGE.ABOVE;
  const values = table[at + ENTRY.VALUES]!;
  let live = 0;
  for (let i = 0; i < values && i < CHALLENGE_VALUES_MAX; i++) {
    if (table[at + ENTRY.EXPIRES + i]! <= nowSeconds) continue;
    const from = at + ENTRY.RDATA + i * CHALLENGE_WORDS;
    for (let word = 0; word < CHALLENGE_WORDS; word++) {
      foundChallenges[live * CHALLENGE_WORDS + word] = table[from + word]!;
    }
    live++;
  }
  return live;
}

function entriesOf(table: Int32Array): number {
  return (table.length - HEADER) / ENTRY.STRIDE;
}

function change(table: Int32Array, write: () => void): void {
  const sequence = Atomics.load(table, SEQUENCE);
  Atomics.store(table, SEQUENCE, (sequence + 1) | 0);
  write();
  Atomics.store(table, SEQUENCE, (sequence + 2) | 0);
}

/** Atomic, so that no machine puts it before or behind the words that guard it. */
function put(table: Int32Array, at: number, value: number): void {
  Atomics.store(table, at, value | 0);
}

/** Where the entry of a name is, or -1. */
function findEntry(table: Int32Array, name: Uint8Array): number {
  const view = new DataView(new ArrayBuffer(name.length + 4));
  for (let i = 0; i < name.length; i++) view.setUint8(i, name[i]!);
  return probe(table, view, name.length, hashOf(name));
}

function insert(table: Int32Array, name: Uint8Array): number {
  const mask = entriesOf(table) - 1;
  const hash = hashOf(name);
  let slot = hash & mask;
  while (table[HEADER + slot * ENTRY.STRIDE + ENTRY.NAME_LENGTH] !== 0) slot = (slot + 1) & mask;
  const at = HEADER + slot * ENTRY.STRIDE;
  for (let word = 0; word < ENTRY.STRIDE; word++) put(table, at + word, 0);
  put(table, at + ENTRY.NAME_LENGTH, name.length);
  put(table, at + ENTRY.HASH, hash);
  for (let i = 0; i < name.length; i += 4) put(table, at + ENTRY.NAME + (i >> 2), wordAt(name, i));
  put(table, COUNT, table[COUNT]! + 1);
  return at;
}

/** Frees an entry and moves those behind it up, so that no search ends too early (Knuth, TAOCP 6.4, algorithm R). */
function erase(table: Int32Array, at: number): void {
  const mask = entriesOf(table) - 1;
  let free = (at - HEADER) / ENTRY.STRIDE;
  put(table, COUNT, table[COUNT]! - 1);
  for (let slot = (free + 1) & mask; ; slot = (slot + 1) & mask) {
    const from = HEADER + slot * ENTRY.STRIDE;
    if (table[from + ENTRY.NAME_LENGTH] === 0) break;
    const home = table[from + ENTRY.HASH]! & mask;
    if (((slot - home) & mask) < ((slot - free) & mask)) continue;
    const to = HEADER + free * ENTRY.STRIDE;
    for (let word = 0; word < ENTRY.STRIDE; word++) put(table, to + word, table[from + word]!);
    free = slot;
  }
  put(table, HEADER + free * ENTRY.STRIDE + ENTRY.NAME_LENGTH, 0);
}

/** The names above a name, without the root. */
function ancestors(name: Uint8Array): readonly Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let at = 1 + name[0]!; at < name.length - 1; at += 1 + name[at]!) above.push(name.subarray(at));
  return above;
}

function rdataWord(text: string, word: number): number {
  let value = 0;
  for (let i = 4 * word; i < 4 * word + 4; i++) {
    value = (value << 8) | (i === 0 ? CHALLENGE_LENGTH : text.charCodeAt(i - 1) & 0x7f);
  }
  return value;
}
