/**
 * Which requests are taken while a listener is nearly full. Each priority has a share of all places: it is taken as long as fewer
 * are in use, by whomever. So the lowest one is shed first, and a flood of it never takes the places that are kept for
 * the others. (As the priority shares of Envoy's overload manager and of Netflix's concurrency-limits.)
 */

import type { RouteMatch } from '../http/route-match.js';

/** From the one that is shed last to the one that is shed first. Their order is the order of the counters. */
export const PRIORITIES = ['critical', 'high', 'normal', 'low'] as const;

export type Priority = (typeof PRIORITIES)[number];

export type PriorityShares = Readonly<Record<Priority, number>>;

export interface AdmissionClass {
  readonly match: RouteMatch;
  readonly priority: Priority;
}

export interface AdmissionModel {
  /** Requests in progress. */
  readonly inFlightMax: number;
  /** Part of the places that each priority may fill, above 0 and at most 1; none has more than the one before it. */
  readonly shares: PriorityShares;
  /** In the order of the file; the first that fits, as of routes. */
  readonly classes: readonly AdmissionClass[];
  /** Of requests that fit no class. */
  readonly fallback: Priority;
  /** What Retry-After says at least; it is spread up to twice that, so that not all come back at once. */
  readonly retryAfterSeconds: number;
}

export const DEFAULT_SHARES: PriorityShares = { critical: 1, high: 0.95, normal: 0.9, low: 0.75 };

export class AdmissionPolicy {
  /** While fewer requests are in progress, nobody is shed, and priorities need not be looked up. */
  readonly calmBelow: number;
  readonly #places: Float64Array;

  constructor({ inFlightMax, shares }: Pick<AdmissionModel, 'inFlightMax' | 'shares'>) {
    this.#places = Float64Array.from(PRIORITIES, (priority) =>
      Math.max(1, Math.floor(inFlightMax * shares[priority] + ROUNDING)),
    );
    this.calmBelow = this.#places.reduce((least, places) => Math.min(least, places));
  }

  /** Whether a request of this priority (an index of PRIORITIES) is taken while `inFlight` others are in progress. */
  admits(priority: number, inFlight: number): boolean {
    return inFlight < this.#places[priority]!;
  }
}

/** 0.29 × 100 must be 29 places. */
const ROUNDING = 1e-9;
