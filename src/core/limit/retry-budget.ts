/**
 * How much of the work may be retries: a part of the requests of the last seconds, so that retries help while little fails and
 * stop when much does. Over any time the attempts stay below (1 + ratio) × requests, beside the floor.
 */

import { WindowCounts } from './window-counts.js';

export interface RetryBudgetModel {
  /** Retries for each request, 0 to 1. */
  readonly ratio: number;
  /** So many retries in a window are free, however few requests there are. */
  readonly floor: number;
  readonly windowMs: number;
}

/**
 * Below the 20 % that Envoy and Linkerd take: what was not spent before a brown-out is spent at its beginning, and with this
 * ratio all attempts in it, and in any window, stay below 1.2 times the requests all the same.
 */
export const DEFAULT_RETRY_BUDGET = {
  ratio: 0.15,
  floor: 3,
  windowMs: 10_000,
} as const satisfies RetryBudgetModel;

const REQUESTS = 0;
const RETRIES = 1;

/** Times are milliseconds of any clock that doesn't go back. */
export class RetryBudget {
  readonly #model: RetryBudgetModel;
  readonly #counts: WindowCounts;

  constructor(model: RetryBudgetModel) {
    this.#model = model;
    this.#counts = new WindowCounts(1, 2, model.windowMs);
  }

  /** A request that may be retried begins. */
  request(nowMs: number): void {
    this.#counts.add(0, REQUESTS, nowMs);
  }

  /** Takes one retry; false if there is none left. */
  take(nowMs: number): boolean {
    const { ratio, floor } = this.#model;
    this.#counts.advance(0, nowMs);
    const retries = this.#counts.count(0, RETRIES) + 1;
    if (retries > floor && retries >= ratio * this.#counts.count(0, REQUESTS)) return false;
    this.#counts.add(0, RETRIES, nowMs);
    return true;
  }

  /** Takes over what another one counted, if it has the same window. */
  adopt(from: RetryBudget): void {
    if (from.#model.windowMs === this.#model.windowMs) this.#counts.adopt(0, from.#counts, 0);
  }
}
