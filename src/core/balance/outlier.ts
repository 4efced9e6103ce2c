/**
 * Passive health: which endpoints are set aside because of how they answer. Two reasons: errors in a row, and a
 * success rate far below that of the others. An ejected endpoint comes back by itself, later each time:
 *
 *   in use ──errors in a row──▶ ejected ──after ejection × count, or a good active check──▶ in use
 *     │ ▲                          ▲
 *     └─┴── sweep: success rate ───┘
 */

import type { OutlierModel, SuccessRateModel } from './model.js';

/** Not ejected. */
const NEVER = 0;

/** Counts for all endpoints of one pool. Times are milliseconds of any clock that doesn't go back. */
export class OutlierDetector {
  readonly #model: OutlierModel;
  readonly #length: number;
  /** One may always be ejected, else a small pool would have no passive health. */
  readonly #ejectedMax: number;
  readonly #inARow: Int32Array;
  readonly #requests: Float64Array;
  readonly #good: Float64Array;
  /** Ejections in close succession. */
  readonly #count: Int32Array;
  readonly #untilMs: Float64Array;
  #ejected = 0;
  #sweepAtMs = Number.NEGATIVE_INFINITY;

  constructor(endpoints: number, model: OutlierModel) {
    this.#model = model;
    this.#length = endpoints;
    this.#ejectedMax = Math.max(1, Math.floor(endpoints * model.ejectedMax));
    this.#inARow = new Int32Array(endpoints);
    this.#requests = new Float64Array(endpoints);
    this.#good = new Float64Array(endpoints);
    this.#count = new Int32Array(endpoints);
    this.#untilMs = new Float64Array(endpoints);
  }

  /** How many endpoints are ejected. */
  get ejected(): number {
    return this.#ejected;
  }

  isEjected(index: number): boolean {
    return this.#untilMs[index] !== NEVER;
  }

  /**
   * Counts the outcome of one request. True if it ejects the endpoint. `others`: endpoints that could take over;
   * the last one that works, however badly, is not ejected.
   */
  record(index: number, good: boolean, others: number, nowMs: number): boolean {
    this.#requests[index]!++;
    if (good) {
      this.#good[index]!++;
      this.#inARow[index] = 0;
      return false;
    }
    const { consecutive } = this.#model;
    const errors = ++this.#inARow[index]!;
    if (consecutive === 0 || errors < consecutive) return false;
    return this.#eject(index, others, nowMs);
  }

  /**
   * Ends ejections whose time is over and, once an interval, compares success rates. Call it often; True if the set
   * of ejected endpoints changed. `healthy(index)`: the endpoint is in use, as far as others know.
   */
  sweep(nowMs: number, healthy: (index: number) => boolean): boolean {
    let changed = false;
    for (let i = 0; i < this.#length; i++) {
      if (this.isEjected(i) && this.#untilMs[i]! <= nowMs) {
        this.#release(i);
        changed = true;
      }
    }
    if (this.#sweepAtMs === Number.NEGATIVE_INFINITY) this.#sweepAtMs = nowMs + this.#model.intervalMs;
    if (nowMs < this.#sweepAtMs) return changed;
    this.#sweepAtMs = nowMs + this.#model.intervalMs;
    this.#forget();
    return this.#ejectSlackers(nowMs, healthy) || changed;
  }

  /** A good active check ends an ejection. True if there was one. */
  forgive(index: number): boolean {
    this.#inARow[index] = 0;
    if (!this.isEjected(index)) return false;
    this.#release(index);
    return true;
  }

  #eject(index: number, others: number, nowMs: number): boolean {
    if (this.isEjected(index) || others <= 0 || this.#ejected >= this.#ejectedMax) return false;
    const { ejectionMs, ejectionMsMax } = this.#model;
    const count = Math.min(++this.#count[index]!, Math.ceil(ejectionMsMax / ejectionMs));
    this.#count[index] = count;
    this.#untilMs[index] = nowMs + Math.min(ejectionMs * count, ejectionMsMax);
    this.#inARow[index] = 0;
    this.#ejected++;
    return true;
  }

  #release(index: number): void {
    this.#untilMs[index] = NEVER;
    this.#inARow[index] = 0;
    this.#ejected--;
  }

  /** Each interval in use takes one ejection back, so that one bad day doesn't count for ever. */
  #forget(): void {
    for (let i = 0; i < this.#length; i++) {
      if (!this.isEjected(i) && this.#count[i]! > 0) this.#count[i]!--;
    }
  }

  #ejectSlackers(nowMs: number, healthy: (index: number) => boolean): boolean {
    const { successRate } = this.#model;
    let changed = false;
    if (successRate !== null) {
      const rates = this.#rates(successRate);
      let others = 0;
      for (let i = 0; i < this.#length; i++) if (!this.isEjected(i) && healthy(i)) others++;
      for (const index of slackers(rates, successRate)) {
        if (!this.#eject(index, others - 1, nowMs)) continue;
        others--;
        changed = true;
      }
    }
    this.#requests.fill(0);
    this.#good.fill(0);
    return changed;
  }

  #rates({ requests }: SuccessRateModel): readonly Rate[] {
    const rates: Rate[] = [];
    for (let index = 0; index < this.#length; index++) {
      const count = this.#requests[index]!;
      if (count >= requests && !this.isEjected(index))
        rates.push({ index, rate: this.#good[index]! / count });
    }
    return rates;
  }
}

interface Rate {
  readonly index: number;
  /** 0 to 1. */
  readonly rate: number;
}

/**
 * Endpoints whose success rate is below the mean by more than so many standard deviations, worst first. Too few to
 * compare: none.
 */
export function slackers(rates: readonly Rate[], { hosts, deviations }: SuccessRateModel): readonly number[] {
  if (rates.length < hosts) return [];
  const mean = rates.reduce((sum, { rate }) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / rates.length;
  const limit = mean - deviations * Math.sqrt(variance);
  const below = rates.filter(({ rate }) => rate < limit);
  return below.sort((a, b) => a.rate - b.rate).map(({ index }) => index);
}

/** What counts as good: 100 to 499, 501 and 505. The client or the request is to blame for these (as in HAProxy). */
export function isGoodStatus(status: number): boolean {
  return (status >= 100 && status < 500) || status === 501 || status === 505;
}
