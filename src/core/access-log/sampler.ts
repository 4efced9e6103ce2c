export interface SamplerOptions {
  /** Part of the requests that is logged, 0 to 1. */
  readonly sample: number;
  /** All responses with a status of 500 or more, and those that were cut, are logged too. */
  readonly errors: boolean;
  /** Of this worker. */
  readonly maxPerSecond: number;
}

/** Which requests of one worker are logged. */
export class AccessSampler {
  readonly #sample: number;
  readonly #errors: boolean;
  readonly #perSecond: number;
  #budget: number;
  #second = Number.NEGATIVE_INFINITY;
  #untilSample: number;
  #random: number;

  /** `seed`: any number. */
  constructor({ sample, errors, maxPerSecond }: SamplerOptions, seed: number) {
    this.#sample = sample;
    this.#errors = errors;
    this.#perSecond = maxPerSecond;
    this.#budget = maxPerSecond;
    this.#random = seed | 0 || 1;
    this.#untilSample = this.#gap();
  }

  /**
   * Whether a request that ended is to be logged; asked once for each.
   *
   * @param status 0 where nothing was answered, or not all of it.
   * @param nowMs milliseconds that never go back.
   */
  takes(status: number, nowMs: number): boolean {
    const sampled = --this.#untilSample <= 0;
    if (sampled) this.#untilSample = this.#gap();
    else if (!this.#errors || (status < 500 && status > 0)) return false;
    return this.#hasBudget(nowMs);
  }

  #hasBudget(nowMs: number): boolean {
    if (nowMs - this.#second >= 1000) {
      this.#second = nowMs;
      this.#budget = this.#perSecond;
    }
    if (this.#budget <= 0) return false;
    this.#budget--;
    return true;
  }

  /** Requests until the next sample: so many that each has the same chance (geometric distribution). */
  #gap(): number {
    if (this.#sample >= 1) return 1;
    if (this.#sample <= 0) return Number.POSITIVE_INFINITY;
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    const u = ((x >>> 0) + 0.5) / 0x1_0000_0000;
    return 1 + Math.floor(Math.log(u) / Math.log1p(-this.#sample));
  }
}
