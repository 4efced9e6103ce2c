/**
 * A picker is the momentary state of one balancer over the endpoints that may be used now. It never changes:
 * when health or weights change, a new one is built and replaces it. The request path only calls `pick`, which
 * allocates nothing.
 */

import { assertNever } from './assert-never.js';
import { first } from './first.js';
import { ipHash } from './ip-hash.js';
import type { LatencyTable } from './latency-table.js';
import { leastConnections } from './least-connections.js';
import { leastTime } from './least-time.js';
import { maglev } from './maglev.js';
import { type Balance, DEFAULT_BOUND } from './model.js';
import { random } from './random.js';
import { roundRobin } from './round-robin.js';
import { twoChoices } from './two-choices.js';

/** What may differ from one pick to the next. The caller reuses the object. */
export interface PickContext {
  /** Counts up with every pick of the pool; a small integer. */
  turn: number;
  /** Random: 0 ≤ draw < 1. */
  draw: number;
  nowMs: number;
  /** 31 bits for the algorithms that hash, or NO_KEY. */
  key: number;
  /** Connections or requests in progress, by endpoint index. */
  active: ArrayLike<number>;
  latency: LatencyTable;
  /** 1 for each endpoint that is out of the question for this pick, by endpoint index. */
  excluded: Uint8Array;
  /** How many are. */
  exclusions: number;
}

export interface Picker {
  /** Index of an endpoint in its pool that isn't excluded, or -1 if there is none. */
  pick(context: PickContext): number;
}

/** An endpoint that may be picked. */
export interface Candidate {
  /** In its pool. */
  readonly index: number;
  /** A whole number, 1 or more; only ratios count. Slow start is already in it. */
  readonly weight: number;
  /** Slow start, for algorithms without weights: the part of its turns that the endpoint takes, up to 1. */
  readonly share: number;
  /** A hash of its address: where it stands among the others doesn't depend on their order in a file. */
  readonly identity: number;
}

export interface Algorithm {
  readonly balance: Balance;
  /** Of `maglev`. */
  readonly bound?: number;
}

/** The picker of one algorithm over `candidates`. */
export function createPicker({ balance, bound }: Algorithm, candidates: readonly Candidate[]): Picker {
  switch (balance) {
    case 'round_robin':
      return roundRobin(candidates);
    case 'least_connections':
      return leastConnections(candidates);
    case 'random':
      return random(candidates);
    case 'p2c':
      return twoChoices(candidates);
    case 'ip_hash':
      return ipHash(candidates);
    case 'maglev':
      return maglev(candidates, bound ?? DEFAULT_BOUND);
    case 'least_time':
      return leastTime(candidates);
    case 'first':
      return first(candidates);
    default:
      return assertNever(balance);
  }
}
