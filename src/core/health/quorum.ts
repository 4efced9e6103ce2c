/**
 * From the views of several observers to one verdict. An observer without a fresh view leaves the count, so an
 * observer that dies can't take a target with it: stale is unknown, never down.
 */

import type { Quorum } from '../zone/model.js';

export type View = 'up' | 'down' | 'unknown';

export interface Verdict {
  readonly state: 'up' | 'down';
  /** `held`: nobody has a fresh view, so the last verdict stands. */
  readonly basis: 'observers' | 'held';
  /** Observers that say up, of those that have a view (`known`). */
  readonly up: number;
  readonly known: number;
}

/**
 * The verdict over `views`, which may be empty.
 *
 * | quorum   | up needs                                       |
 * |----------|------------------------------------------------|
 * | any      | one observer that says up                      |
 * | majority | more than half of those known: a tie is down   |
 * | all      | all of those known                             |
 * | N        | at least N, or all known where fewer are known |
 *
 * @param last holds where nothing is known.
 */
export function verdict(views: readonly View[], quorum: Quorum, last: 'up' | 'down'): Verdict {
  let up = 0;
  let known = 0;
  for (const view of views) {
    if (view === 'unknown') continue;
    known++;
    if (view === 'up') up++;
  }
  if (known === 0) return { state: last, basis: 'held', up, known };
  return { state: up >= needed(quorum, known) ? 'up' : 'down', basis: 'observers', up, known };
}

/** How many of `known` observers (at least 1) must say up. */
function needed(quorum: Quorum, known: number): number {
  switch (quorum) {
    case 'any':
      return 1;
    case 'majority':
      return Math.floor(known / 2) + 1;
    case 'all':
      return known;
    default:
      quorum satisfies number;
      return Math.min(Math.max(quorum, 1), known);
  }
}
