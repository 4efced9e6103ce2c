/**
 * Token buckets of many keys in memory that all threads share: one limit holds over all of them. An account is the time at which
 * it will be free of debt (the generic cell rate algorithm, ITU-T I.371): one word, changed by compare-and-exchange, so nobody
 * waits for a lock. Eight accounts of 32 bytes make a set, four cache lines; no operation looks at more than one.
 *
 *     tag | first word of the hash | free of debt at, ticks | limit | used and not told yet | is in the ring | - | -
 *
 * A set that is full loses the account with the least debt: a crowded table limits less, never the wrong ones more. Where two
 * threads meet in a moment that matters, an account may be there twice or a request be free: an error of one request.
 */

import type { BucketRate } from './bucket-rate.js';

export const BUCKET_SLOTS = 256;
export const BUCKET_KEYS_MIN = 1_024;
export const BUCKET_KEYS_MAX = 4_194_304;
/** Memory for one key. */
export const BUCKET_BYTES = 32;

const WAYS = 8;
const WORDS = BUCKET_BYTES / 4;
const SET_WORDS = WAYS * WORDS;
const TAG = 0;
const FIRST = 1;
const FREE_AT = 2;
const LIMIT = 3;
const USED = 4;
const IN_RING = 5;

/** Values of TAG that are none. */
const EMPTY = 0;
const CLAIMED = -1;
/** A word that others change all the time is taken by force then. */
const ATTEMPTS_MAX = 8;

/** Four doubles for each limit: what `BucketRate` has. */
const RATE_STRIDE = 4;
const RATES_BYTES = 8 * RATE_STRIDE * BUCKET_SLOTS;

/** Accounts that have something to tell to other proxies. */
const RING_SIZE = 65_536;
const THREADS_MAX = 512;
const RING_WRITTEN = 0;
const RING_READ = 1;
const EVICTED = 2;
const HELD = 3;
const HEADER_WORDS = 16;
const ENTRIES_AT = RATES_BYTES + 4 * (HEADER_WORDS + RING_SIZE);

/** What an account has used since it was last asked. */
export interface Used {
  first: number;
  second: number;
  slot: number;
  count: number;
}

/** Memory of a table: `keys` is rounded up to a power of two. */
export function bucketTableBytes(keys: number): number {
  return ENTRIES_AT + setsOf(keys) * WAYS * BUCKET_BYTES;
}

export class BucketTable {
  readonly #rates: Float64Array;
  readonly #header: Int32Array;
  readonly #ring: Int32Array;
  readonly #entries: Int32Array;
  readonly #setMask: number;
  readonly #tells: boolean;

  /** `tells`: what is used is gathered for other proxies. */
  constructor(memory: SharedArrayBuffer, tells = false) {
    this.#rates = new Float64Array(memory, 0, RATE_STRIDE * BUCKET_SLOTS);
    this.#header = new Int32Array(memory, RATES_BYTES, HEADER_WORDS);
    this.#ring = new Int32Array(memory, RATES_BYTES + 4 * HEADER_WORDS, RING_SIZE);
    this.#entries = new Int32Array(memory, ENTRIES_AT);
    this.#setMask = this.#entries.length / SET_WORDS - 1;
    this.#tells = tells;
  }

  get keys(): number {
    return this.#entries.length / WORDS;
  }

  /** Accounts that gave way to others. */
  get evicted(): number {
    return Atomics.load(this.#header, EVICTED) >>> 0;
  }

  /** Accounts that are kept now, about. */
  get held(): number {
    return Math.max(0, Atomics.load(this.#header, HELD));
  }

  setRate(slot: number, { ticksPerMs, cost, tolerance, debtMax }: BucketRate): void {
    this.#rates.set([ticksPerMs, cost, tolerance, debtMax], slot * RATE_STRIDE);
  }

  /** The rate of a limit; zeros where none was set. */
  rate(slot: number): BucketRate {
    const at = slot * RATE_STRIDE;
    const [ticksPerMs = 0, cost = 0, tolerance = 0, debtMax = 0] = this.#rates.subarray(at, at + RATE_STRIDE);
    return { ticksPerMs, cost, tolerance, debtMax };
  }

  /**
   * Takes one token. Returns how many milliseconds of debt the account has now, 0 or more, or, where there was no token, how
   * long it takes until there is one, as a number below 0.
   *
   * @param nowMs of a clock that all threads share.
   */
  take(first: number, second: number, slot: number, nowMs: number): number {
    const entries = this.#entries;
    const rate = slot * RATE_STRIDE;
    const ticksPerMs = this.#rates[rate]!;
    const cost = this.#rates[rate + 1]!;
    const tolerance = this.#rates[rate + 2]!;
    const debtMax = this.#rates[rate + 3]!;
    const now = (nowMs * ticksPerMs) | 0;
    const at = this.#find(first, second, slot, nowMs, now);
    if (at < 0 || cost === 0) return 0;
    for (let attempt = 0; ; attempt++) {
      const before = Atomics.load(entries, at + FREE_AT);
      const debt = debtOf(before, now, debtMax);
      const after = debt + cost;
      if (after > tolerance) return (tolerance - after) / ticksPerMs;
      const stored = Atomics.compareExchange(entries, at + FREE_AT, before, (now + after) | 0);
      if (stored === before || attempt === ATTEMPTS_MAX) {
        if (stored !== before) Atomics.add(entries, at + FREE_AT, cost);
        if (this.#tells) this.#note(at);
        return after / ticksPerMs;
      }
    }
  }

  /** Counts what another proxy has let through: it may lead into debt beyond a burst, which is paid back. */
  charge(first: number, second: number, slot: number, count: number, nowMs: number): void {
    const entries = this.#entries;
    const { ticksPerMs, cost, debtMax } = this.rate(slot);
    const now = (nowMs * ticksPerMs) | 0;
    const at = this.#find(first, second, slot, nowMs, now);
    if (at < 0 || cost === 0) return;
    for (let attempt = 0; attempt <= ATTEMPTS_MAX; attempt++) {
      const before = Atomics.load(entries, at + FREE_AT);
      const debt = Math.min(debtOf(before, now, debtMax) + cost * count, debtMax);
      if (Atomics.compareExchange(entries, at + FREE_AT, before, (now + debt) | 0) === before) return;
    }
  }

  /** The next account that used something, in `out`; false if there is none. One thread may ask. */
  nextUsed(out: Used): boolean {
    const header = this.#header;
    for (;;) {
      const read = header[RING_READ]!;
      if (read === Atomics.load(header, RING_WRITTEN)) return false;
      const place = read & (RING_SIZE - 1);
      // Its writer has the place, but has not written it yet: at the next look.
      const at = Atomics.exchange(this.#ring, place, 0) - 1;
      if (at < 0) return false;
      Atomics.store(header, RING_READ, (read + 1) | 0);
      const entries = this.#entries;
      Atomics.store(entries, at + IN_RING, 0);
      out.first = entries[at + FIRST]!;
      out.second = Atomics.load(entries, at + TAG);
      out.slot = entries[at + LIMIT]!;
      out.count = Atomics.exchange(entries, at + USED, 0);
      if (out.count > 0 && out.second !== EMPTY && out.second !== CLAIMED) return true;
    }
  }

  /**
   * Frees accounts without debt among `count` from `from` on, and says where the next ones are. Each account has to be looked
   * at within two minutes, before the clock wraps.
   */
  sweep(from: number, count: number, nowMs: number): number {
    const entries = this.#entries;
    const last = Math.min(from + count, this.keys);
    for (let at = from * WORDS; at < last * WORDS; at += WORDS) {
      const tag = entries[at + TAG]!;
      // What is still to be told is kept, unless there was no room in the ring.
      if (tag === EMPTY || (entries[at + USED] !== 0 && entries[at + IN_RING] !== 0)) continue;
      if (tag === CLAIMED || this.#debtMs(at, nowMs) <= 0) {
        if (Atomics.compareExchange(entries, at + TAG, tag, EMPTY) === tag)
          Atomics.sub(this.#header, HELD, 1);
      }
    }
    return last >= this.keys ? 0 : last;
  }

  /** Forgets all accounts of a limit, whose slot another one gets. */
  clear(slot: number): void {
    const entries = this.#entries;
    for (let at = 0; at < entries.length; at += WORDS) {
      if (entries[at + LIMIT] !== slot || entries[at + TAG] === EMPTY) continue;
      Atomics.store(entries, at + TAG, EMPTY);
      Atomics.sub(this.#header, HELD, 1);
    }
    this.#rates.fill(0, slot * RATE_STRIDE, (slot + 1) * RATE_STRIDE);
  }

  #note(at: number): void {
    const entries = this.#entries;
    Atomics.add(entries, at + USED, 1);
    if (Atomics.exchange(entries, at + IN_RING, 1) === 1) return;
    const header = this.#header;
    const waiting = (Atomics.load(header, RING_WRITTEN) - Atomics.load(header, RING_READ)) | 0;
    // Every thread may be about to write one more.
    if (waiting + THREADS_MAX >= RING_SIZE) {
      // Full: the next request tries again.
      Atomics.store(entries, at + IN_RING, 0);
      return;
    }
    const place = Atomics.add(header, RING_WRITTEN, 1) & (RING_SIZE - 1);
    Atomics.store(this.#ring, place, at + 1);
  }

  /** Where the account is; a new one where there was none; -1 if there is no place that it could take now. */
  #find(first: number, second: number, slot: number, nowMs: number, now: number): number {
    const entries = this.#entries;
    const set = (first & this.#setMask) * SET_WORDS;
    const tag = second === EMPTY || second === CLAIMED ? 1 : second;
    for (let at = set; at < set + SET_WORDS; at += WORDS) if (entries[at + TAG] === tag) return at;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const at = this.#least(set, nowMs);
      if (at < 0) return -1;
      const before = entries[at + TAG]!;
      if (Atomics.compareExchange(entries, at + TAG, before, CLAIMED) !== before) continue;
      Atomics.add(this.#header, before === EMPTY ? HELD : EVICTED, 1);
      entries[at + FIRST] = first;
      entries[at + LIMIT] = slot;
      entries[at + USED] = 0;
      Atomics.store(entries, at + FREE_AT, now);
      Atomics.store(entries, at + TAG, tag);
      return at;
    }
    return -1;
  }

  /** The place of a set that is free, or has the least debt. */
  #least(set: number, nowMs: number): number {
    const entries = this.#entries;
    let least = -1;
    let leastMs = Number.POSITIVE_INFINITY;
    for (let at = set; at < set + SET_WORDS; at += WORDS) {
      const tag = entries[at + TAG]!;
      if (tag === EMPTY) return at;
      if (tag === CLAIMED) continue;
      const debtMs = this.#debtMs(at, nowMs);
      if (debtMs >= leastMs) continue;
      least = at;
      leastMs = debtMs;
    }
    return least;
  }

  /** Accounts of different limits count in ticks of different length. */
  #debtMs(at: number, nowMs: number): number {
    const rate = this.#entries[at + LIMIT]! * RATE_STRIDE;
    const ticksPerMs = this.#rates[rate]!;
    if (!(ticksPerMs > 0)) return 0;
    const now = (nowMs * ticksPerMs) | 0;
    return debtOf(this.#entries[at + FREE_AT]!, now, this.#rates[rate + 3]!) / ticksPerMs;
  }
}

/**
 * What lies further ahead than any debt can is long past: the clock has wrapped. Threads look at the clock at different
 * moments, so there is room above.
 */
function debtOf(freeAt: number, now: number, debtMax: number): number {
  const debt = (freeAt - now) | 0;
  return debt > 0 && debt <= 2 * debtMax ? debt : 0;
}

function setsOf(keys: number): number {
  let sets = BUCKET_KEYS_MIN / WAYS;
  while (sets * WAYS < keys) sets *= 2;
  return sets;
}
