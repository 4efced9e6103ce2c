import type { SlowStartModel } from './model.js';

/** Weights grow in steps, so that pickers are rebuilt that often and not with every request. */
export const SLOW_START_STEPS = 20;
/** A tenth: with less, an endpoint would hardly be tried. */
const STEPS_MIN = 2;

/**
 * How much of its weight an endpoint has `elapsedMs` after it came back, in steps from 2 to 20:
 * max(10 %, (elapsed / duration)^(1 / aggression)).
 */
export function slowStartSteps(elapsedMs: number, { durationMs, aggression }: SlowStartModel): number {
  if (elapsedMs >= durationMs) return SLOW_START_STEPS;
  const part = (Math.max(elapsedMs, 0) / durationMs) ** (1 / aggression);
  return Math.max(STEPS_MIN, Math.floor(part * SLOW_START_STEPS));
}
