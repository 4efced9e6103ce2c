/**
 * From the views of several observers to one verdict. An observer without a fresh view leaves the count, so an
 * observer that dies can't take a target with it: stale is unknown, never down.
 *
 * `majority` counts twice, and only both counts together take a target down:
 *
 *      eu: up up down ──▶ up              by region, so that a region with many observers, all of them behind one
 *      us: down down  ──▶ down ──▶ up     broken link, has no more say than one with few;
 *      ap: up down    ──▶ –
 *      up up down down down up down       by observer, so that few observers, each the only one of its region, have
 *                              ──▶ down   no more say than many.
 *
 * So a minority, of either kind, never takes down what the majority sees. The owner of an address, a proxy, sees what
 * no probe from outside does: what is behind it, and that it is about to go. Many probes must not drown its one
 * voice, so it is asked by itself.
 */

import type { Quorum } from '../zone/model.js';
import type { ObserverScope } from './judgement.js';

export type View = 'up' | 'down' | 'unknown';

export interface Verdict {
  readonly state: 'up' | 'down';
  /**
   * `observers`: the count. `held`: too few have a fresh view, so the last verdict stands. `damped`: the count says
   * up, but the target flaps and is kept down for a while.
   */
  readonly basis: 'observers' | 'held' | 'damped';
  /** Observers that say up, of those that have a view (`known`). */
  readonly up: number;
  readonly known: number;
}

/** What one observer says, and where it stands. */
export interface Vote {
  readonly view: View;
  /** An observer that has no region stands in one of its own, the empty one. */
  readonly region: string;
  /** The observer is the target: it tells of itself. */
  readonly owner?: boolean;
}

export interface QuorumRules {
  readonly quorum: Quorum;
  readonly from: ObserverScope;
  /** At least 1. */
  readonly minObservers: number;
  /** Where this node stands: the region that decides under `from: regional`. */
  readonly region: string;
}

/**
 * The verdict over `votes`, which may be empty.
 *
 * | quorum   | up needs                                                                            |
 * |----------|-------------------------------------------------------------------------------------|
 * | any      | one observer that says up                                                           |
 * | majority | more than half of the regions (of a region more than half of those known; one with  |
 * |          | a tie has no voice), or more than half of all known; and the owner, where it is     |
 * |          | known                                                                               |
 * | all      | all of those known                                                                  |
 * | N        | at least N observers, wherever they stand, or all known where fewer are known       |
 *
 * With `majority`, a tie of the probes leaves the verdict as it was: a change needs more than half. Under `from: regional` only the votes of one region and the owner's count, so there is one round.
 *
 * @param last holds where fewer than `minObservers` are known. Owners count among them only where no probe is known.
 */
export function regionalVerdict(votes: readonly Vote[], rules: QuorumRules, last: 'up' | 'down'): Verdict {
  const { quorum, from, region, minObservers } = rules;
  const counted = from === 'regional' ? votes.filter((vote) => vote.owner || vote.region === region) : votes;
  const views = counted.map(({ view }) => view);
  const flat = verdict(views, quorum, last);
  const held: Verdict = { ...flat, state: last, basis: 'held' };
  const least = Math.max(minObservers, 1);
  if (quorum !== 'majority') {
    const probes = counted.filter(({ owner, view }) => !owner && view !== 'unknown').length;
    return (probes || flat.known) < least ? held : flat;
  }
  const owners = counted.filter(({ owner }) => owner).map(({ view }) => view);
  const regions = [...byRegion(counted).values()];
  // The owner is no witness for the others: it can't make up for probes that are missing, but say that it is down.
  const witnesses = regions.length > 0 ? regions.flat() : owners;
  const known = witnesses.filter((view) => view !== 'unknown').length;
  if (known < least) return owners.includes('down') ? { ...flat, state: 'down' } : held;
  const probed = regions.length === 0 ? [] : [majorityOf(regions, last)];
  return { ...flat, state: verdict([...probed, ...owners], 'all', last).state };
}

/** Up where most regions or most observers say so, down where most observers say that; else as it was. */
function majorityOf(regions: readonly (readonly View[])[], last: 'up' | 'down'): View {
  const views = regions.flat();
  if (views.every((view) => view === 'unknown')) return 'unknown';
  const byObserver = moreThanHalf(views);
  if (byObserver === 'up' || moreThanHalf(regions.map(moreThanHalf)) === 'up') return 'up';
  return byObserver === 'down' ? 'down' : last;
}

/** What more than half of those known say; unknown where they are divided, or none is known. */
function moreThanHalf(views: readonly View[]): View {
  const { up, known } = verdict(views, 'majority', 'up');
  if (up * 2 === known) return 'unknown';
  return up * 2 > known ? 'up' : 'down';
}

/**
 * One round: the verdict over `views`, which may be empty.
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

/** The views of all but owners. */
function byRegion(votes: readonly Vote[]): ReadonlyMap<string, readonly View[]> {
  const regions = new Map<string, View[]>();
  for (const { region, view, owner } of votes) {
    if (owner) continue;
    const views = regions.get(region);
    if (views) views.push(view);
    else regions.set(region, [view]);
  }
  return regions;
}
