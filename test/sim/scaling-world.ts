/**
 * A simulated day of one pool whose capacity follows its signals: load by the hour with noise and a burst, endpoints that take
 * time to start, and metrics that lag behind.
 */

import { DEFAULT_SCALING, type ScalingModel } from '../../src/core/scaling/model.js';
import { ScalingSubject, type SubjectView } from '../../src/core/scaling/subject.js';
import type { UsageMetric } from '../../src/core/scaling/usage.js';
import { Dice } from './dice.js';

export const STEP_MS = 10_000;
const HOUR_MS = 3_600_000;

export interface ScalingDay {
  readonly seed: number;
  readonly days?: number;
  /** Where the burst begins in each day, and what it multiplies the load with. */
  readonly burst?: { readonly atHour: number; readonly minutes: number; readonly times: number } | null;
  readonly lagMs?: number;
  readonly startMs?: number;
  readonly model?: ScalingModel;
  /** Instead of the advice: for comparison. */
  readonly naive?: boolean;
}

export interface ScalingDayResult {
  /** Times that the direction turned around. */
  readonly turns: number;
  /** Changes of what was wanted. */
  readonly changes: number;
  /** Part of the time in which load was above what all endpoints can carry. */
  readonly overloaded: number;
  /** The longest such time, minutes. */
  readonly overloadedMinutesMax: number;
  /** Mean capacity by mean of what would have been enough at the target. */
  readonly surplus: number;
  readonly most: number;
  readonly last: SubjectView;
  readonly limiting: ReadonlySet<string>;
}

const TARGET = 0.7;

/** One endpoint carries a load of 1. */
export function runScalingDay(day: ScalingDay): ScalingDayResult {
  const { seed, days = 1, lagMs = 60_000, startMs = 90_000, model = DEFAULT_SCALING } = day;
  const burst = day.burst === undefined ? { atHour: 10, minutes: 20, times: 3 } : day.burst;
  const dice = new Dice(seed);
  const subject = new ScalingSubject('web', model, true);
  const measured: UsageMetric[][] = [];
  const starting: { atMs: number; count: number }[] = [];
  let capacity = 4;
  let target = 4;
  let direction = 0;
  const result = { turns: 0, changes: 0, most: 0 };
  const limiting = new Set<string>();
  let [overloaded, now, longest, sumCapacity, sumNeeded, steps] = [0, 0, 0, 0, 0, 0];
  let last: SubjectView | undefined;
  for (let ms = 0; ms < days * 24 * HOUR_MS; ms += STEP_MS) {
    while (starting.length > 0 && starting[0]!.atMs <= ms) capacity += starting.shift()!.count;
    const load = loadAt(ms, burst) * (1 + 0.15 * (dice.random() - 0.5));
    measured.push(metricsOf(load, capacity));
    if (measured.length > lagMs / STEP_MS + 1) measured.shift();
    last = subject.sample(ms, ms, capacity, measured[0]!);
    if (last.limiting !== undefined) limiting.add(last.limiting);
    // Scalers look every half minute.
    if (steps % 3 === 0) {
      const wanted = day.naive ? Math.max(Math.ceil(capacity * (last.usage ?? 1)), 1) : last.desired;
      if (wanted !== target) {
        const way = Math.sign(wanted - target);
        if (direction !== 0 && way !== direction) result.turns++;
        direction = way;
        result.changes++;
        if (wanted < capacity) {
          capacity = wanted;
          starting.length = 0;
        } else {
          const coming = starting.reduce((sum, { count }) => sum + count, 0);
          if (wanted > capacity + coming)
            starting.push({ atMs: ms + startMs, count: wanted - capacity - coming });
        }
        target = wanted;
      }
    }
    result.most = Math.max(result.most, capacity);
    sumCapacity += capacity;
    sumNeeded += load / TARGET;
    steps++;
    now = load > capacity ? now + 1 : 0;
    if (load > capacity) overloaded++;
    longest = Math.max(longest, now);
  }
  return {
    ...result,
    overloaded: overloaded / steps,
    overloadedMinutesMax: (longest * STEP_MS) / 60_000,
    surplus: sumCapacity / sumNeeded,
    last: last!,
    limiting,
  };
}

function loadAt(ms: number, burst: ScalingDay['burst']): number {
  const hour = (ms / HOUR_MS) % 24;
  const usual = 7 - 5 * Math.cos((2 * Math.PI * (hour - 3)) / 24);
  const bursts = burst && hour >= burst.atHour && hour < burst.atHour + burst.minutes / 60;
  return bursts ? usual * burst.times : usual;
}

/** Endpoints that are full queue, and get slow; no CPU works more than all of its time. */
function metricsOf(load: number, capacity: number): UsageMetric[] {
  const use = load / capacity;
  return [
    { name: 'cpu', value: Math.min(use, 1), target: TARGET },
    { name: 'connections', value: Math.min(use * 0.8, 1.2), target: TARGET },
    { name: 'requests', value: Math.min(use, 1.05) * 100, target: 100 * TARGET },
    { name: 'queue', value: Math.max(use - 1, 0) * 20, target: 1, countsMax: 2 },
    { name: 'latency', value: 20 / Math.max(1 - Math.min(use, 0.98), 0.02), target: 250, countsMax: 1.5 },
  ];
}
