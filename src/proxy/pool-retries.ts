import type { PoolModel } from '../core/balance/model.js';
import { type RetryPolicy, retryPolicy } from '../core/limit/retry.js';
import { DEFAULT_RETRY_BUDGET, RetryBudget } from '../core/limit/retry-budget.js';

/** Why a request is not tried once more, though its route would. */
export type RetryDenial = 'budget' | 'limit';

/** The retries of a pool in one worker: how many are in progress, and how many its budget still allows. */
export class PoolRetries {
  /** Of routes that say nothing else; null: none. */
  readonly policy: RetryPolicy | null;
  readonly #budget: RetryBudget;
  readonly #activeMax: number;
  #active = 0;

  constructor({ retries, retryBudget, poolLimits }: PoolModel) {
    this.policy = retries === undefined ? null : retryPolicy(retries);
    this.#budget = new RetryBudget(retryBudget ?? DEFAULT_RETRY_BUDGET);
    this.#activeMax = poolLimits?.retries ?? Number.POSITIVE_INFINITY;
  }

  /** Requests in progress that are tried once more. */
  get active(): number {
    return this.#active;
  }

  /** A request begins that may be tried once more. */
  request(nowMs: number): void {
    this.#budget.request(nowMs);
  }

  /** Null: it may be tried. `first`: the request then counts as one in progress, until `leave`. */
  take(nowMs: number, first: boolean): RetryDenial | null {
    if (first && this.#active >= this.#activeMax) return 'limit';
    if (!this.#budget.take(nowMs)) return 'budget';
    if (first) this.#active++;
    return null;
  }

  /** A request that was tried once more has ended. */
  leave(): void {
    this.#active--;
  }

  /** Takes over what the budget of a former configuration counted. */
  adopt(from: PoolRetries): void {
    this.#budget.adopt(from.#budget);
  }
}
