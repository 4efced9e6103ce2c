/**
 * A pool is looked at every second for minutes or hours: what is no more than chance must not end a rollout at any of these looks.
 * With three deviations that happens in well under 1 % of rollouts (`test/sim/canary.test.ts`).
 */
const DEVIATIONS = 3;

/**
 * How many of something chance may bring where `expected` are to be expected (Poisson: the variance is the mean). `measured`: so
 * many times as much was counted to expect it; with as much, what is expected is as uncertain as what comes.
 */
export function byChance(expected: number, measured: number = Number.POSITIVE_INFINITY): number {
  return expected + DEVIATIONS * Math.sqrt(Math.max(expected, 0) * (1 + 1 / measured));
}
