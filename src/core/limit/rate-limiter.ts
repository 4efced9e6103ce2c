/**
 * Response-rate limiting: one account for each client prefix and kind of answer (`answer-kind.ts`), in a table of fixed
 * size. As in BIND, every answer is charged, the limited ones too, down to `window` seconds of debt: who goes on flooding
 * stays limited, and who stops is served again after at most `window` seconds.
 *
 * Four accounts of four words make a set, one cache line:
 *
 *     tag | debt, µs | time of the last charge, ms | answers limited since it began, 0 where it is not limited
 *
 * An answer costs 1 s ÷ rate, in µs. Debt goes with time, and up to BURST_US of it is free: a second's worth of answers.
 */

import { halfSipHash } from './half-siphash.js';

/** Debt that is answered: a burst of one second's answers. */
const BURST_US = 1_000_000;
export const WINDOW_SECONDS_MAX = 60;
/** Quicker answers would cost less than 10 µs, too coarse for whole numbers. */
export const RATE_MAX = 100_000;
export const TABLE_SIZE_MIN = 1024;
export const TABLE_SIZE_MAX = 4_194_304;

const WAYS = 4;
const WORDS = 4;
const SET_WORDS = WAYS * WORDS;
const TAG = 0;
const DEBT = 1;
const SEEN = 2;
const LIMITED = 3;
/** Longer than any debt lasts, and small enough to be counted in µs. */
const ELAPSED_MS_MAX = (WINDOW_SECONDS_MAX + 1) * 1000;

/** What one answer costs at `rate` answers a second, 1 to RATE_MAX; 0, for no limit, at rate 0. */
export function costOf(rate: number): number {
  return rate === 0 ? 0 : Math.floor(1_000_000 / rate);
}

export class RateLimiter {
  readonly #table: Int32Array;
  readonly #setMask: number;
  readonly #debtMax: number;
  readonly #key0: number;
  readonly #key1: number;
  readonly #hash: Int32Array = new Int32Array(2);
  #account = 0;
  /** Milliseconds of a monotonic clock, as an int32 that may wrap. The caller moves it on. */
  nowMs = 0;

  /**
   * @param size accounts, TABLE_SIZE_MIN to TABLE_SIZE_MAX; rounded up to a power of two.
   * @param windowSeconds 1 to WINDOW_SECONDS_MAX.
   * @param key two random words, others at every start: nobody can aim at the account of somebody else.
   */
  constructor(size: number, windowSeconds: number, key: readonly [number, number]) {
    let sets = TABLE_SIZE_MIN / WAYS;
    while (sets * WAYS < size) sets *= 2;
    this.#table = new Int32Array(sets * SET_WORDS);
    this.#setMask = sets - 1;
    this.#debtMax = BURST_US * (1 + windowSeconds);
    this.#key0 = key[0] | 0;
    this.#key1 = key[1] | 0;
  }

  /**
   * Charges one answer. Returns 0 if it may leave, else how many answers of this account were limited in a row, this
   * one included.
   *
   * @param high,low the client's prefix.
   * @param kind family and kind of the answer.
   * @param id the name, zone or delegation that the account is for.
   * @param costUs as `costOf` says it, above 0.
   */
  charge(high: number, low: number, kind: number, id: number, costUs: number): number {
    const table = this.#table;
    const now = this.nowMs;
    const at = this.#find(high, low, kind, id);
    this.#account = at;
    let debt = remaining(table[at + DEBT]!, now - table[at + SEEN]!) + costUs;
    if (debt > this.#debtMax) debt = this.#debtMax;
    table[at + DEBT] = debt;
    table[at + SEEN] = now;
    if (debt <= BURST_US) {
      table[at + LIMITED] = 0;
      return 0;
    }
    const limited = (table[at + LIMITED]! + 1) & 0x7fff_ffff || 1;
    table[at + LIMITED] = limited;
    return limited;
  }

  /** The account charged last: its place, and what tells it from the next one there. */
  get account(): { readonly at: number; readonly tag: number } {
    return { at: this.#account, tag: this.#table[this.#account + TAG]! };
  }

  /** Whether an account was limited and has not recovered yet: half of a burst tells a pause from an end. */
  isLimited({ at, tag }: { readonly at: number; readonly tag: number }): boolean {
    const table = this.#table;
    if (table[at + TAG] !== tag) return false;
    return remaining(table[at + DEBT]!, this.nowMs - table[at + SEEN]!) > BURST_US / 2;
  }

  /** The account's place in the table; a new one takes the place with the least debt of its set. */
  #find(high: number, low: number, kind: number, id: number): number {
    const table = this.#table;
    const hash = this.#hash;
    halfSipHash(this.#key0, this.#key1, high, low, kind, id, hash);
    const set = (hash[0]! & this.#setMask) * SET_WORDS;
    // 0 marks a free place.
    const tag = hash[1]! || 1;
    for (let at = set; at < set + SET_WORDS; at += WORDS) if (table[at + TAG] === tag) return at;
    return this.#replace(set, tag);
  }

  /** A set that is full of debtors loses the smallest one: a crowded table limits less, never the wrong ones more. */
  #replace(set: number, tag: number): number {
    const table = this.#table;
    let least = set;
    let leastDebt = Number.MAX_SAFE_INTEGER;
    for (let at = set; at < set + SET_WORDS; at += WORDS) {
      const debt = table[at + TAG] === 0 ? -1 : remaining(table[at + DEBT]!, this.nowMs - table[at + SEEN]!);
      if (debt >= leastDebt) continue;
      least = at;
      leastDebt = debt;
    }
    table[least + TAG] = tag;
    table[least + DEBT] = 0;
    table[least + SEEN] = this.nowMs;
    table[least + LIMITED] = 0;
    return least;
  }
}

/** Debt after `elapsedMs`, which may have wrapped: then it is long ago. */
function remaining(debt: number, elapsedMs: number): number {
  const elapsed = elapsedMs | 0;
  if (elapsed < 0 || elapsed >= ELAPSED_MS_MAX) return 0;
  const rest = debt - elapsed * 1000;
  return rest > 0 ? rest : 0;
}
