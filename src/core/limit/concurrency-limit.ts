/**
 * How many requests a pool can take at once, found by what more of them do to latency. Below the knee latency stays what it is without load
 * (the base), above it requests only wait for each other. So in each window
 *
 *     gradient = base × (1 + tolerance) ÷ median latency, 0.5 to 1
 *     limit    = limit × gradient + √limit
 *
 * which rests a little above the knee. The base itself is measured anew every half minute, with half the limit for at most a second, and at
 * once where the limit lies at its minimum: then latency is another one by nature. (As Envoy's adaptive concurrency filter and
 * Netflix's concurrency-limits, Gradient2.)
 */

export interface ConcurrencyModel {
  readonly min: number;
  readonly max: number;
  /** How much longer than the base a request may take, as a part of it. */
  readonly tolerance: number;
}

export const DEFAULT_CONCURRENCY = {
  min: 10,
  max: 10_000,
  tolerance: 0.2,
} as const satisfies ConcurrencyModel;

/** Nobody knows anything yet. */
const START = 20;
const SAMPLES_MAX = 512;
/** Fewer say little about a median; after a second they have to do. */
const SAMPLES_MIN = 10;
const WINDOW_MS_MAX = 1_000;
const MEASURED_SAMPLES = 50;
const MEASURE_MS_MAX = 1_000;
const MEASURE_EVERY_MS = 30_000;
/** Many proxies must not measure at the same time: a limit is halved meanwhile. */
const MEASURE_JITTER = 0.2;
/** So many windows at the minimum: the base is not true any more. */
const WINDOWS_AT_MIN = 5;
const GRADIENT_MIN = 0.5;

export class ConcurrencyLimit {
  readonly #min: number;
  readonly #max: number;
  readonly #patience: number;
  readonly #samples = new Float64Array(SAMPLES_MAX);
  #count = 0;
  /** Most requests in progress, of this window. */
  #peak = 0;
  #windowMs = Number.NaN;
  /** Requests that began before say nothing about the limit of now. */
  #sinceMs = Number.NEGATIVE_INFINITY;
  #limit: number;
  #baseMs = 0;
  #measuring = true;
  /** While measuring: when that began; else when it begins the next time. */
  #measureMs = Number.NaN;
  #windowsAtMin = 0;

  constructor({ min, max, tolerance }: ConcurrencyModel) {
    this.#min = min;
    this.#max = Math.max(min, max);
    this.#patience = 1 + tolerance;
    this.#limit = clamp(START, this.#min, this.#max);
  }

  /** Requests that may be in progress now, a whole number. */
  get limit(): number {
    return Math.floor(this.#measuring && this.#baseMs > 0 ? this.#held : this.#limit);
  }

  /** Latency without load, milliseconds; 0 while it isn't known. */
  get baseMs(): number {
    return this.#baseMs;
  }

  /** A request was answered: how long that took, and how many were in progress with it. Allocates nothing. */
  sample(latencyMs: number, inFlight: number, nowMs: number): void {
    if (inFlight > this.#peak) this.#peak = inFlight;
    if (this.#measuring && inFlight > this.limit) this.#sinceMs = nowMs;
    if (!(latencyMs >= 0) || nowMs - latencyMs < this.#sinceMs) return;
    this.#samples[this.#count % SAMPLES_MAX] = latencyMs;
    this.#count++;
  }

  /** To be called about ten times a second, with a time that never goes back. `draw`: 0 up to 1. */
  tick(nowMs: number, draw: number): void {
    if (Number.isNaN(this.#measureMs)) {
      this.#measureMs = nowMs;
      this.#windowMs = nowMs;
    }
    if (this.#measuring) this.#measure(nowMs, draw);
    else if (nowMs >= this.#measureMs) this.#beginMeasuring(nowMs);
    else this.#adjust(nowMs);
  }

  get #held(): number {
    return Math.max(this.#min, this.#limit / 2);
  }

  #beginMeasuring(nowMs: number): void {
    this.#measuring = true;
    this.#measureMs = nowMs;
    this.#windowsAtMin = 0;
    this.#begin(nowMs);
  }

  #measure(nowMs: number, draw: number): void {
    const isOver = nowMs - this.#measureMs >= MEASURE_MS_MAX;
    if (this.#count < (isOver ? SAMPLES_MIN : MEASURED_SAMPLES) && (!isOver || this.#baseMs === 0)) return;
    if (this.#count >= SAMPLES_MIN) this.#baseMs = this.#median();
    this.#measuring = false;
    this.#measureMs = nowMs + MEASURE_EVERY_MS * (1 + MEASURE_JITTER * draw);
    this.#begin(nowMs);
  }

  #adjust(nowMs: number): void {
    const isOver = nowMs - this.#windowMs >= WINDOW_MS_MAX;
    if (this.#count < (isOver ? 1 : SAMPLES_MIN)) return;
    const median = this.#median();
    // Nobody is quicker than without load.
    if (this.#count >= MEASURED_SAMPLES && median < this.#baseMs) this.#baseMs = median;
    const gradient = clamp((this.#baseMs * this.#patience) / median, GRADIENT_MIN, 1);
    const wanted = clamp(this.#limit * gradient + Math.sqrt(this.#limit), this.#min, this.#max);
    // A limit that nobody comes near to says nothing, and would let the next surge through whole.
    const isTried = this.#peak * 2 >= this.#limit;
    this.#windowsAtMin =
      gradient < 1 && wanted <= this.#min + Math.sqrt(this.#min) ? this.#windowsAtMin + 1 : 0;
    if (wanted < this.#limit || isTried) this.#limit = wanted;
    if (this.#windowsAtMin >= WINDOWS_AT_MIN) this.#beginMeasuring(nowMs);
    else this.#begin(nowMs);
  }

  /** A new window, of requests that begin from now on. */
  #begin(nowMs: number): void {
    this.#count = 0;
    this.#peak = 0;
    this.#windowMs = nowMs;
    this.#sinceMs = nowMs;
  }

  #median(): number {
    const kept = this.#samples.subarray(0, Math.min(this.#count, SAMPLES_MAX)).sort();
    return Math.max(kept[kept.length >> 1]!, Number.MIN_VALUE);
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
