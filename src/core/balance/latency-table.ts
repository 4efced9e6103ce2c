/** Time in which a peak falls to 1/e. */
const DECAY_MS = 10_000;
/** What an error counts as, at least: failing fast must not look like answering fast. */
const ERROR_MS = 1_000;
/** So that a measured 0 is not taken for "never measured". */
const LATENCY_MS_MIN = 0.001;

/**
 * Peak-sensitive moving averages of response times, by endpoint: a slower response counts at once, a faster one
 * by and by (as in Finagle's PeakEwma). Without new responses an average falls, so that a slow endpoint is tried again.
 */
export class LatencyTable {
  readonly #averageMs: Float64Array;
  readonly #atMs: Float64Array;

  constructor(endpoints: number) {
    this.#averageMs = new Float64Array(endpoints);
    this.#atMs = new Float64Array(endpoints);
  }

  observe(index: number, latencyMs: number, ok: boolean, nowMs: number): void {
    const measured = Math.max(latencyMs, ok ? LATENCY_MS_MIN : ERROR_MS);
    const before = this.#averageMs[index]!;
    if (measured >= before) {
      this.#averageMs[index] = measured;
    } else {
      const kept = this.#decay(index, nowMs);
      this.#averageMs[index] = before * kept + measured * (1 - kept);
    }
    this.#atMs[index] = nowMs;
  }

  /** Milliseconds; 0 if nothing was ever measured. */
  estimateMs(index: number, nowMs: number): number {
    const average = this.#averageMs[index]!;
    return average === 0 ? 0 : average * this.#decay(index, nowMs);
  }

  #decay(index: number, nowMs: number): number {
    const elapsed = nowMs - this.#atMs[index]!;
    return elapsed <= 0 ? 1 : Math.exp(-elapsed / DECAY_MS);
  }
}
