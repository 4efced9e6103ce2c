/** One thing that can come to its end. */
export interface UsageMetric {
  readonly name: string;
  readonly value: number;
  /** Above 0, in the unit of `value`. */
  readonly target: number;
  /**
   * The most that it counts, as a multiple of the target. For what does not fall in proportion when capacity grows, such as
   * latency: a slow database would else ask for endpoints without end.
   */
  readonly countsMax?: number;
}

export interface Usage {
  /** Usage of what is nearest to its end, as a multiple of its target. */
  readonly ratio: number;
  /** Its name. */
  readonly limiting: string;
}

/**
 * How much of its target is used, by the metric that asks for most; of equals the first one. What is no number, negative, or has no target
 * is left out; null where nothing is known.
 */
export function usageOf(metrics: readonly UsageMetric[]): Usage | null {
  let most: Usage | null = null;
  for (const metric of metrics) {
    const ratio = usageRatio(metric);
    if (ratio !== null && ratio > (most?.ratio ?? -1)) most = { ratio, limiting: metric.name };
  }
  return most;
}

/** Null where it is not known. */
export function usageRatio({ value, target, countsMax = RATIO_MAX }: UsageMetric): number | null {
  if (!(value >= 0) || !(target > 0)) return null;
  return Math.min(value / target, countsMax, RATIO_MAX);
}

/** Nothing asks for more than this at once: beyond, a counter is wrong. */
const RATIO_MAX = 100;
