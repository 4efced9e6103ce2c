/** So many events a second, and so many at once after a rest. */
export interface TokenRate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Times are milliseconds of any clock; one that goes back only stands still. Allocates nothing after it was made. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs = Number.NEGATIVE_INFINITY;

  /** Full at first. `burst` is at least 1. */
  constructor({ perSecond, burst }: TokenRate) {
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Takes one; false if there is none. */
  take(nowMs: number): boolean {
    if (nowMs > this.#atMs) {
      const grown = this.#tokens + (nowMs - this.#atMs) * this.#perMs;
      this.#tokens = grown < this.#burst ? grown : this.#burst;
      this.#atMs = nowMs;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
