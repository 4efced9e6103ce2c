/**
 * A picker is the momentary state of one balancer over the endpoints that may be used now. It never changes:
 * when health or weights change, a new one is built and replaces it. The request path only calls `pick`.
 */

import { assertNever } from './assert-never.js';
import { leastConnections } from './least-connections.js';
import type { Balance } from './model.js';
import { roundRobin } from './round-robin.js';

/** What may differ from one pick to the next. The caller reuses the object. */
export interface PickContext {
  /** Counts up with every pick of the pool. */
  turn: number;
  /** Connections or requests in progress, by endpoint index. */
  active: ArrayLike<number>;
  /** Endpoints already tried for this request. */
  tried: readonly number[];
}

export interface Picker {
  /** Index of an endpoint in its pool that isn't among `tried`, or -1 if there is none. */
  pick(context: PickContext): number;
}

/** An endpoint that may be picked: its index in the pool and its weight (0 to 1000). */
export interface Candidate {
  readonly index: number;
  readonly weight: number;
}

/** The picker of one algorithm over `candidates`. Weight 0 is used only when no other weight is there. */
export function createPicker(balance: Balance, candidates: readonly Candidate[]): Picker {
  const usable = withWeight(candidates);
  switch (balance) {
    case 'round_robin':
      return roundRobin(usable);
    case 'least_connections':
      return leastConnections(usable);
    default:
      return assertNever(balance);
  }
}

function withWeight(candidates: readonly Candidate[]): readonly Candidate[] {
  const positive = candidates.filter(({ weight }) => weight > 0);
  return positive.length > 0 ? positive : candidates.map(({ index }) => ({ index, weight: 1 }));
}
