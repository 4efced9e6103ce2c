/**
 * From usage to wanted capacity, by the published algorithm of the HorizontalPodAutoscaler:
 *
 *     wanted = current × usage / target
 *
 * with a tolerance, windows that all have to agree ("stabilisation"), and steps. Beside that, a time to settle: metrics lag
 * behind, and what is measured right after a change still tells of before.
 */

import type { ScalingBehaviour } from './model.js';
import { SlidingExtreme } from './sliding-extreme.js';
import type { Usage } from './usage.js';

export interface ScalingSample {
  /** Capacity that works now: endpoints, or 1 for a thing that can only say how many of itself it wants. */
  readonly current: number;
  /** Null where it is not known. */
  readonly usage: Usage | null;
  /** Capacity that a forecast asks for; absent: none is used. */
  readonly ahead?: number;
}

/**
 * Why no more and no less is wanted:
 * - `usage`: usage says so
 * - `forecast`: the forecast asks for more than usage does
 * - `tolerance`: usage is near enough to its target
 * - `window`: not all of `afterMs` agrees
 * - `step`: more would be too much at once
 * - `settling`: capacity has just changed
 * - `no_data`, `no_capacity`: nothing is known, or nothing is up; what was wanted before stays
 */
export type ScalingReason =
  | 'usage'
  | 'forecast'
  | 'tolerance'
  | 'window'
  | 'step'
  | 'settling'
  | 'no_data'
  | 'no_capacity';

export interface ScalingAdvice {
  readonly action: 'up' | 'hold' | 'down';
  readonly current: number;
  /** In the unit of `current`; whole where the advisor is for things that are. */
  readonly desired: number;
  /** `desired` by `current`; 1 where nothing is up. */
  readonly ratio: number;
  readonly reason: ScalingReason;
}

/** Of what a part is no more than an error of rounding. */
const TINY = 1e-6;

/** The advice for one thing. Clock and samples are given; nothing is remembered beyond fixed memory. */
export class ScalingAdvisor {
  readonly #behaviour: ScalingBehaviour;
  readonly #whole: boolean;
  readonly #upWindow: SlidingExtreme;
  readonly #downWindow: SlidingExtreme;
  /** Where steps begin. */
  readonly #leastCurrent: SlidingExtreme;
  readonly #mostCurrent: SlidingExtreme;
  readonly #recentMost: SlidingExtreme;
  readonly #recentLeast: SlidingExtreme;
  #most = 0;
  #least = 0;
  #current = 0;
  #desired = 0;
  #grewMs = Number.NEGATIVE_INFINITY;
  #shrankMs = Number.NEGATIVE_INFINITY;

  /** `whole`: capacity comes in whole units, at least one. */
  constructor(behaviour: ScalingBehaviour, whole: boolean) {
    this.#behaviour = behaviour;
    this.#whole = whole;
    this.#upWindow = new SlidingExtreme('least', behaviour.up.afterMs);
    this.#downWindow = new SlidingExtreme('most', behaviour.down.afterMs);
    this.#recentMost = new SlidingExtreme('most', behaviour.settleMs);
    this.#recentLeast = new SlidingExtreme('least', behaviour.settleMs);
    this.#leastCurrent = new SlidingExtreme('least', behaviour.up.everyMs);
    this.#mostCurrent = new SlidingExtreme('most', behaviour.down.everyMs);
  }

  sample(nowMs: number, { current, usage, ahead }: ScalingSample): ScalingAdvice {
    if (!(current > 0)) return this.#held(current, 'no_capacity');
    this.#notice(nowMs, current);
    if (usage === null) return this.#held(current, 'no_data');
    // What was asked for may still be on its way: it is not taken back while usage is near its target.
    const base = this.#base(current);
    const near = Math.abs(usage.ratio - 1) <= this.#behaviour.tolerance;
    const byUsage = near ? Math.min(base, current) : current * usage.ratio;
    const wanted = Math.max(byUsage, ahead ?? 0);
    const cause = wanted > byUsage ? 'forecast' : near ? 'tolerance' : 'usage';
    const settled = this.#settled(nowMs, current, wanted);
    const agreed = this.#agreed(nowMs, base, settled);
    const desired = this.#stepped(nowMs, current, agreed);
    const reason =
      desired !== agreed ? 'step' : agreed !== settled ? 'window' : settled !== wanted ? 'settling' : cause;
    this.#desired = this.#rounded(desired);
    return this.#advice(current, reason);
  }

  #notice(nowMs: number, current: number): void {
    // An endpoint that comes and goes is no new capacity: it would keep all others waiting.
    const most = this.#recentMost.add(nowMs, current);
    const least = this.#recentLeast.add(nowMs, current);
    if (this.#current > 0 && most > this.#most) this.#grewMs = nowMs;
    if (this.#current > 0 && least < this.#least) this.#shrankMs = nowMs;
    this.#most = most;
    this.#least = least;
    if (this.#current === 0) {
      // A start is no reason to change anything: what is there is what somebody wanted.
      this.#desired = this.#rounded(current);
      this.#upWindow.add(nowMs, current);
      this.#downWindow.add(nowMs, current);
    }
    this.#current = current;
  }

  /** Not beyond what was wanted, while what is measured tells of before. */
  #settled(nowMs: number, current: number, wanted: number): number {
    const { settleMs } = this.#behaviour;
    if (wanted > current && nowMs - this.#grewMs < settleMs) {
      return Math.min(wanted, Math.max(current, this.#desired));
    }
    if (wanted < current && nowMs - this.#shrankMs < settleMs) {
      return Math.max(wanted, Math.min(current, this.#desired));
    }
    return wanted;
  }

  /** Up to what all of the one window asks for, or down to what all of the other one does. */
  #agreed(nowMs: number, base: number, wanted: number): number {
    const up = this.#upWindow.add(nowMs, wanted);
    const down = this.#downWindow.add(nowMs, wanted);
    if (base < up) return up;
    return base > down ? down : base;
  }

  /** What is there, or what was asked for and did not come yet. */
  #base(current: number): number {
    return this.#desired > 0 ? this.#desired : current;
  }

  #stepped(nowMs: number, current: number, wanted: number): number {
    const { up, down } = this.#behaviour;
    const most = this.#leastCurrent.add(nowMs, current) * up.step;
    const least = this.#mostCurrent.add(nowMs, current) * down.step;
    if (wanted > current) return Math.min(wanted, Math.max(most, current));
    return Math.max(wanted, Math.min(least, current));
  }

  #rounded(desired: number): number {
    return this.#whole ? Math.max(Math.ceil(desired - TINY), 1) : desired;
  }

  #held(current: number, reason: ScalingReason): ScalingAdvice {
    if (this.#desired === 0) this.#desired = Math.max(current, 0);
    return { ...this.#advice(current, reason), action: 'hold' };
  }

  #advice(current: number, reason: ScalingReason): ScalingAdvice {
    const desired = this.#desired;
    const action =
      desired > current * (1 + TINY) ? 'up' : desired < current * (1 - TINY) ? 'down' : ('hold' as const);
    return { action, current, desired, ratio: current > 0 ? desired / current : 1, reason };
  }
}
