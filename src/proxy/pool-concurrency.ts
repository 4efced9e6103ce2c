import { ConcurrencyLimit, type ConcurrencyModel } from '../core/limit/concurrency-limit.js';

/** The adaptive limit of one pool in one worker, with its count of what is in progress. */
export class PoolConcurrency {
  /** Requests and sessions in progress at all endpoints. */
  inFlight = 0;
  #limit: ConcurrencyLimit;
  readonly #model: ConcurrencyModel;

  constructor(model: ConcurrencyModel) {
    this.#model = model;
    this.#limit = new ConcurrencyLimit(model);
  }

  get limit(): number {
    return this.#limit.limit;
  }

  get hasRoom(): boolean {
    return this.inFlight < this.#limit.limit;
  }

  /** As `UpstreamPool.result`; what was in progress with it is still counted. */
  result(good: boolean, latencyMs: number, nowMs: number): void {
    // An endpoint that fails quicker than it answers must not look as if it had room.
    if (!good && latencyMs < this.#limit.baseMs) return;
    this.#limit.sample(latencyMs, this.inFlight, nowMs);
  }

  tick(nowMs: number, draw: number): void {
    this.#limit.tick(nowMs, draw);
  }

  /** Takes over what was learned under the same settings. */
  adopt(from: PoolConcurrency): void {
    const { min, max, tolerance } = this.#model;
    const before = from.#model;
    if (min === before.min && max === before.max && tolerance === before.tolerance) this.#limit = from.#limit;
  }
}
