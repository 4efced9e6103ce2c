import { isTrusted, type TrustedPrefix } from '../proxy-protocol/trusted.js';

/** What an answer is, for its limit. */
export const ANSWER_KIND = { RESPONSE: 0, NODATA: 1, NXDOMAIN: 2, REFERRAL: 3, ERROR: 4 } as const;
export const ANSWER_KINDS = ['response', 'nodata', 'nxdomain', 'referral', 'error'] as const;

/** What becomes of an answer: it is sent, sent truncated (so that an honest client asks by TCP), or not sent. */
export const VERDICT = { SEND: 0, SLIP: 1, DROP: 2 } as const;

/** Answers a second to one client prefix, by kind; 0 is no limit. */
export type Rates = readonly [
  response: number,
  nodata: number,
  nxdomain: number,
  referral: number,
  error: number,
];

export interface RateLimits {
  readonly rates: Rates;
  /** Seconds: a flood that ends is forgotten after at most so many. */
  readonly window: number;
  /** Each so-manieth limited answer is sent truncated; 1 all of them, 0 none. */
  readonly slip: number;
  /** Bits of the client's address that are one client. */
  readonly ipv4Prefix: number;
  readonly ipv6Prefix: number;
  /** Client prefixes that no limit holds for. */
  readonly exempt: readonly TrustedPrefix[];
  /** Accounts of one worker; a power of two. */
  readonly tableSize: number;
  /** Counts and tells, but sends everything. */
  readonly logOnly: boolean;
}

/** What the limiter has to know of one answer. Made once and filled for each. */
export interface LimitedAnswer {
  source: Uint8Array;
  sourceAt: number;
  family: 4 | 6;
  /** One of ANSWER_KIND. */
  kind: number;
  /** Equal for answers that are the same to the limit: their names, types and zones. Two words. */
  identityA: number;
  identityB: number;
  /** Answers a second, 0 for no limit. */
  rate: number;
}

/** Ways of a set; with the words of an account they fill one cache line. */
const WAYS = 4;
const WORDS = 4;
const TAG = 0;
/** Answers that may be sent at once; below 0 while limited. */
const BALANCE = 1;
/** Seconds: when the balance was brought up to date. */
const UPDATED = 2;
/** Limited answers so far: for `slip`. */
const LIMITED = 3;

/**
 * Response-rate limiting, as in BIND and Knot (Vixie and Schryver, "DNS Response Rate Limiting", ISC-TN-2012-1): an account
 * for each client prefix and kind of answer, filled with `rate` a second up to one second's worth, and emptied by each
 * answer. A flood drives it down to `-window × rate`, so that it takes up to a window to be forgotten.
 *
 * The table never grows: in a full set an account that owes nothing gives way first, the oldest of them. Accounts are found
 * by 32 secret bits beside the place of the set, so that nobody can aim at another's.
 */
export class RateLimiter {
  readonly limits: RateLimits;
  /** Whether the last answer was the first that was limited for its account: somebody may want to tell. */
  begun = false;
  readonly #table: Int32Array;
  readonly #setMask: number;
  readonly #seedA: number;
  readonly #seedB: number;

  /** The seeds are secret and others at each start. Time is whole seconds that don't go back. */
  constructor(limits: RateLimits, seedA: number, seedB: number) {
    this.limits = limits;
    this.#table = new Int32Array(Math.max(limits.tableSize, WAYS) * WORDS);
    this.#setMask = Math.max(limits.tableSize / WAYS, 1) - 1;
    this.#seedA = seedA | 0;
    this.#seedB = seedB | 0;
  }

  /** Counts one answer; returns what becomes of it, one of VERDICT. */
  judge(answer: LimitedAnswer, nowSeconds: number): number {
    this.begun = false;
    const { rate } = answer;
    if (rate === 0) return VERDICT.SEND;
    const table = this.#table;
    const at = this.#account(answer, nowSeconds);
    const elapsed = nowSeconds - table[at + UPDATED]!;
    if (elapsed > 0) {
      table[at + BALANCE] = Math.min(table[at + BALANCE]! + elapsed * rate, rate);
      table[at + UPDATED] = nowSeconds;
    }
    const balance = table[at + BALANCE]! - 1;
    table[at + BALANCE] = Math.max(balance, -this.limits.window * rate);
    if (balance >= 0) {
      table[at + LIMITED] = 0;
      return VERDICT.SEND;
    }
    return this.#limited(answer, at);
  }

  #limited({ source, sourceAt, family, kind }: LimitedAnswer, at: number): number {
    const { exempt, slip } = this.limits;
    if (isTrusted(exempt, source, sourceAt, family)) return VERDICT.SEND;
    const count = this.#table[at + LIMITED]! + 1;
    this.#table[at + LIMITED] = count;
    this.begun = count === 1;
    // A truncated error tells nothing that TCP would not repeat.
    return slip > 0 && count % slip === 0 && kind !== ANSWER_KIND.ERROR ? VERDICT.SLIP : VERDICT.DROP;
  }

  /** The place of the answer's account; a new one may send `rate` answers. */
  #account(answer: LimitedAnswer, nowSeconds: number): number {
    const table = this.#table;
    const tag = this.#hash(answer, this.#seedA) || 1;
    const first = (this.#hash(answer, this.#seedB) & this.#setMask) * WAYS * WORDS;
    let victim = first;
    for (let at = first; at < first + WAYS * WORDS; at += WORDS) {
      if (table[at + TAG] === tag) return at;
      if (this.#givesWay(at, victim, nowSeconds)) victim = at;
    }
    table[victim + TAG] = tag;
    table[victim + BALANCE] = answer.rate;
    table[victim + UPDATED] = nowSeconds;
    table[victim + LIMITED] = 0;
    return victim;
  }

  #givesWay(at: number, other: number, nowSeconds: number): boolean {
    const owes = this.#owes(at, nowSeconds);
    if (owes !== this.#owes(other, nowSeconds)) return !owes;
    return this.#table[at + UPDATED]! < this.#table[other + UPDATED]!;
  }

  #owes(at: number, nowSeconds: number): boolean {
    const table = this.#table;
    return table[at + BALANCE]! < 0 && nowSeconds - table[at + UPDATED]! <= this.limits.window;
  }

  #hash(answer: LimitedAnswer, seed: number): number {
    const { source, sourceAt, family, kind, identityA, identityB } = answer;
    const { ipv4Prefix, ipv6Prefix } = this.limits;
    let hash = mix(seed, kind | (family << 8));
    hash = mix(hash, identityA);
    hash = mix(hash, identityB);
    if (family === 4) return finish(mix(hash, word(source, sourceAt, ipv4Prefix)));
    hash = mix(hash, word(source, sourceAt, ipv6Prefix));
    return finish(mix(hash, word(source, sourceAt + 4, ipv6Prefix - 32)));
  }
}

/** The first `bits` bits of four bytes; none if `bits` is not above 0. */
function word(bytes: Uint8Array, at: number, bits: number): number {
  if (bits <= 0) return 0;
  const value = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  return bits >= 32 ? value : value & (-1 << (32 - bits));
}

/** One round of MurmurHash3 (Appleby), and its end. */
function mix(hash: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const mixed = hash ^ k;
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
