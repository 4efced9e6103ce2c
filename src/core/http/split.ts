/** A route that shares its requests between pools: plain data, and which of them a position falls to. */

import { mix } from '../balance/hash.js';
import type { HashSource } from '../balance/model.js';
import type { RolloutPlan } from '../rollout/plan.js';

/**
 * Every client, or request, has a position from 0 to SPLIT_POSITIONS - 1. The pools of a route lie one after the other on
 * this line, each as wide as its weight, so a share is exact to 0.01 %, and a change of shares moves as few as it can.
 */
export const SPLIT_POSITIONS = 10_000;
export const SPLIT_ARMS_MAX = 8;
/** The share that a cell holds while the configuration's weights count. */
export const AS_CONFIGURED = -1;

export interface SplitArm {
  readonly pool: string;
  /** 0 to 10,000; not all are 0. */
  readonly weight: number;
}

/** What a client's position follows from. */
export type StickModel =
  /** A new one for each request. */
  | { readonly by: 'draw' }
  /** A cookie of the proxy's own, which it sets where a request has none that is good. */
  | { readonly by: 'cookie'; readonly cookie: string; readonly seconds: number }
  /** A hash of the request; what lacks it is drawn. */
  | { readonly by: 'hash'; readonly source: HashSource };

/** How the second pool of a split takes over from the first. */
export interface CanaryModel extends RolloutPlan {
  /** `auto`: it begins when the configuration is taken up. */
  readonly start: 'auto' | 'manual';
}

export interface SplitModel {
  /** Routes with the same name share one split. */
  readonly name: string;
  /** At least two. */
  readonly arms: readonly SplitArm[];
  readonly stick: StickModel;
  readonly canary?: CanaryModel;
  /** Where its share stands in the shared cells; put in when workers are started. */
  readonly slot?: number;
}

/** Where each arm ends on the line; the last one at SPLIT_POSITIONS. */
export function armEnds(arms: readonly SplitArm[]): Int32Array {
  const total = arms.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  return Int32Array.from(arms, ({ weight }) => {
    sum += weight;
    return total > 0 ? Math.round((sum / total) * SPLIT_POSITIONS) : SPLIT_POSITIONS;
  });
}

/** The arm of a position. Allocates nothing. */
export function armAt(ends: Int32Array, position: number): number {
  let arm = 0;
  while (arm < ends.length - 1 && position >= ends[arm]!) arm++;
  return arm;
}

/**
 * The arm of a position where the second of two arms has a share of its own (of SPLIT_POSITIONS). It lies at the end of the line
 * as it does by weights: who was there with a smaller share stays.
 */
export function armByShare(share: number, position: number): number {
  return position >= SPLIT_POSITIONS - share ? 1 : 0;
}

/** A percentage as a share; what is above 0 is never nothing. */
export function shareOfPercent(percent: number): number {
  const share = Math.round((Math.min(Math.max(percent, 0), 100) / 100) * SPLIT_POSITIONS);
  return percent > 0 && share === 0 ? 1 : share;
}

/** Position of a key of `requestKey`; `salt` keeps it apart from what else goes by the same hash, such as the pool's own pick. */
export function positionOfKey(key: number, salt: number): number {
  return mix(key ^ salt) % SPLIT_POSITIONS;
}

/** Position of a draw of 0 to below 1. */
export function positionOfDraw(draw: number): number {
  const position = Math.floor(draw * SPLIT_POSITIONS);
  return position < SPLIT_POSITIONS ? position : SPLIT_POSITIONS - 1;
}
