/**
 * What one observer thinks of one target: results of probes in, a state out.
 *
 *               first result ok                     first result failed
 *      unknown ────────────────▶ up        unknown ────────────────────▶ down
 *
 *           `fall` failures, not reset in between
 *      up ────────────────────────────────────────▶ down
 *         ◀────────────────────────────────────────
 *           `rise` successes in a row
 *
 * The first result sets the state directly, so that the first round after a start is the truth and not a guess
 * that takes `fall` rounds to correct (gdnsd does the same).
 */

export interface Thresholds {
  /** Failures that take an up target down. At least 1. */
  readonly fall: number;
  /** Successes in a row that bring a down target up. At least 1. */
  readonly rise: number;
  /**
   * Successes in a row that make an up target's failures forgotten (gdnsd's `ok_thresh`). Default 1: any success.
   * A higher number catches a target that fails every second time.
   */
  readonly okReset?: number;
}

/** Plain data; `count` counts the results that speak against the state, `good` those in a row that speak for it. */
export interface TargetState {
  readonly state: 'unknown' | 'up' | 'down';
  /** Up: failures since the last reset. Down: successes in a row. */
  readonly count: number;
  /** Up: successes in a row since the last failure, while there are failures to forget. */
  readonly good: number;
}

export interface TargetStep {
  readonly next: TargetState;
  /** The state is another one than before; true for the first result too. */
  readonly changed: boolean;
}

/** Nothing was observed yet. */
export const UNOBSERVED: TargetState = { state: 'unknown', count: 0, good: 0 };

const UP: TargetState = { state: 'up', count: 0, good: 0 };
const DOWN: TargetState = { state: 'down', count: 0, good: 0 };

/** The state after one more result of a probe. */
export function afterProbe(current: TargetState, ok: boolean, thresholds: Thresholds): TargetStep {
  switch (current.state) {
    case 'unknown':
      return { next: ok ? UP : DOWN, changed: true };
    case 'up':
      return ok ? successWhileUp(current, thresholds) : failureWhileUp(current, thresholds);
    case 'down':
      return ok ? successWhileDown(current, thresholds) : { next: DOWN, changed: false };
    default:
      current.state satisfies never;
      throw new Error(`unknown state ${String(current.state)}`);
  }
}

/** How many checks in a row must speak against the state until it flips; 1 before the first result. */
export function checksToFlip(current: TargetState, thresholds: Thresholds): number {
  if (current.state === 'unknown') return 1;
  const needed = current.state === 'up' ? thresholds.fall : thresholds.rise;
  return Math.max(needed - current.count, 1);
}

/** Distances of probes, milliseconds. */
export interface ProbeTimes {
  readonly intervalMs: number;
  /** While a change is under way. */
  readonly retryMs: number;
}

/**
 * In what time the state can change at the earliest, milliseconds. The next check comes after the interval while the last
 * result agrees with the state; after the retry interval while it does not, as a change is under way; and so do all that
 * follow. An answer that rests on this state may be cached so long.
 */
export function msToFlip(
  current: TargetState,
  lastOk: boolean,
  thresholds: Thresholds,
  { intervalMs, retryMs }: ProbeTimes,
): number {
  const isSettled = lastOk === (current.state === 'up');
  return (isSettled ? intervalMs : retryMs) + (checksToFlip(current, thresholds) - 1) * retryMs;
}

function failureWhileUp(current: TargetState, thresholds: Thresholds): TargetStep {
  const failures = current.count + 1;
  if (failures >= thresholds.fall) return { next: DOWN, changed: true };
  return { next: { state: 'up', count: failures, good: 0 }, changed: false };
}

function successWhileUp(current: TargetState, thresholds: Thresholds): TargetStep {
  if (current.count === 0) return { next: UP, changed: false };
  const good = current.good + 1;
  if (good >= (thresholds.okReset ?? 1)) return { next: UP, changed: false };
  return { next: { state: 'up', count: current.count, good }, changed: false };
}

function successWhileDown(current: TargetState, thresholds: Thresholds): TargetStep {
  const successes = current.count + 1;
  if (successes >= thresholds.rise) return { next: UP, changed: true };
  return { next: { state: 'down', count: successes, good: 0 }, changed: false };
}
