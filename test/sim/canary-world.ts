import { SPLIT_POSITIONS, type SplitModel } from '../../src/core/http/split.js';
import { ANALYSIS_DEFAULT, type RolloutAnalysis, type RolloutState } from '../../src/core/rollout/plan.js';
import { countLatency } from '../../src/core/tally/latency.js';
import { POOL_CELL } from '../../src/proxy/cells.js';
import { type RolloutView, RouteRollouts } from '../../src/proxy/route-rollouts.js';
import { Dice } from './dice.js';

/** How a pool answers. */
export interface PoolNature {
  /** Part of its answers that fail. */
  readonly errors: number;
  /** Median of the time that it takes, milliseconds. */
  readonly medianMs: number;
  /** Standard deviation of the logarithm of that time: 0.5 is a usual web application, 1 one with a long tail. */
  readonly spread: number;
  /** Part of its answers that never come. */
  readonly hangs?: number;
  /** Part of its weight that is up. */
  readonly healthy?: number;
}

export interface CanaryOptions {
  readonly seed: number;
  readonly old: PoolNature;
  readonly new: PoolNature;
  readonly requestsPerSecond: number;
  readonly holdSeconds: number;
  readonly analysis?: Partial<RolloutAnalysis>;
  /** Second of the world → share of new clients, of all; for what changes on the way. */
  readonly during?: (second: number) => Partial<{ readonly old: PoolNature; readonly new: PoolNature }>;
}

export interface CanaryEnd {
  readonly state: RolloutState;
  /** Largest share that the new pool had, percent. */
  readonly percentMax: number;
  readonly seconds: number;
  /** Requests that failed at the new pool. */
  readonly failures: number;
  readonly view: RolloutView;
}

const ROUTE = 'shop';
const SPLIT: SplitModel = {
  name: ROUTE,
  arms: [
    { pool: 'blue', weight: 1 },
    { pool: 'green', weight: 0 },
  ],
  stick: { by: 'draw' },
};
const STEPS = [5, 25, 50, 100];
const START_MS = Date.parse('2026-05-01T12:00:00Z');
const WARM_UP_SECONDS = 120;
/** Of the steps' own time; then it has stalled. */
const PATIENCE = 4;

/** One canary under a virtual clock, with requests that a seed draws; until it ends, or stalls. */
export function simulateCanary(options: CanaryOptions): CanaryEnd {
  const { seed, requestsPerSecond, holdSeconds, during = () => ({}) } = options;
  const dice = new Dice(seed);
  const cells = { blue: new Float64Array(POOL_CELL.STRIDE), green: new Float64Array(POOL_CELL.STRIDE) };
  let share = 0;
  let second = 0;
  let nature = { old: options.old, new: options.new };
  const rollouts = new RouteRollouts({
    splits: () => new Map([[ROUTE, SPLIT]]),
    setShare: (_, next) => {
      share = Math.max(next, 0);
    },
    counts: {
      pools: () => Object.entries(cells).map(([pool, counts]) => ({ pool, cells: counts })),
      endpoints: () => [],
    },
    healthy: () => nature.new.healthy ?? 1,
    nowMs: () => START_MS + second * 1000,
    log: { info() {} },
    publish() {},
  });
  const turn = (): void => {
    nature = { old: options.old, new: options.new, ...during(second) };
    const requests = poisson(dice, requestsPerSecond);
    for (let i = 0; i < requests; i++) {
      const young = dice.below(SPLIT_POSITIONS) >= SPLIT_POSITIONS - share;
      answer(dice, young ? cells.green : cells.blue, young ? nature.new : nature.old);
    }
    second++;
    rollouts.look();
  };
  rollouts.adopt();
  for (let i = 0; i < WARM_UP_SECONDS; i++) turn();
  const steps = STEPS.map((percent) => ({ percent, seconds: holdSeconds }));
  const analysis = { ...ANALYSIS_DEFAULT, ...options.analysis };
  rollouts.start(ROUTE, { steps, analysis, on_failure: 'rollback' }, 'test');
  const begun = second;
  let percentMax = 0;
  let view = rollouts.get(ROUTE)!;
  while (view.state === 'running' && second - begun < PATIENCE * STEPS.length * holdSeconds) {
    percentMax = Math.max(percentMax, view.percent);
    turn();
    view = rollouts.get(ROUTE)!;
  }
  const failures = cells.green[POOL_CELL.ERRORS]! + cells.green[POOL_CELL.TIMEOUTS]!;
  return { state: view.state, percentMax, seconds: second - begun, failures, view };
}

function answer(dice: Dice, cells: Float64Array, { errors, medianMs, spread, hangs = 0 }: PoolNature): void {
  const bump = (cell: number): void => {
    cells[cell]!++;
  };
  bump(POOL_CELL.ISSUED);
  if (dice.chance(hangs)) return;
  bump(dice.chance(errors) ? POOL_CELL.ERRORS : POOL_CELL.OK);
  countLatency(cells, POOL_CELL.LATENCY, medianMs * Math.exp(spread * normal(dice)));
}

/** Box and Muller (1958). */
function normal(dice: Dice): number {
  return Math.sqrt(-2 * Math.log(1 - dice.random())) * Math.cos(2 * Math.PI * dice.random());
}

function poisson(dice: Dice, mean: number): number {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(dice)));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = dice.random(); product > limit; product *= dice.random()) count++;
  return count;
}
