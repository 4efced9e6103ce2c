/**
 * A histogram of durations in cells that lie anywhere in a Float64Array, so that workers count in shared memory and
 * whoever reads adds up cell by cell: histograms merge by addition.
 *
 * Buckets are log-linear: durations are counted in units of 16 µs; each power of two is cut into 8 equal parts, and
 * below 8 units each unit is a bucket. So a bucket is at most an eighth as wide as its lower bound, and a quantile is
 * wrong by less than 12.5 %. The last bucket also takes what is longer (134 s).
 *
 * In a report a histogram travels as a flat list of `bucket, count` pairs of the buckets that are not empty, in
 * rising order.
 */

export const LATENCY_BUCKETS = 168;
/** One more cell after the buckets: the sum of all durations, milliseconds. */
export const LATENCY_SUM: number = LATENCY_BUCKETS;
export const LATENCY_CELLS: number = LATENCY_BUCKETS + 1;

/** Units of a millisecond. */
const UNITS_PER_MS = 1000 / 16;
const UNITS_MAX = 2 ** 23 - 1;

/** The bucket of a duration in milliseconds. What is negative or no number counts as 0. */
export function latencyBucket(ms: number): number {
  const scaled = ms * UNITS_PER_MS;
  // Also catches NaN.
  if (!(scaled >= 1)) return 0;
  const units = scaled >= UNITS_MAX ? UNITS_MAX : scaled | 0;
  if (units < 8) return units;
  const exponent = 31 - Math.clz32(units);
  return (exponent - 2) * 8 + ((units >> (exponent - 3)) & 7);
}

/** The first duration of a bucket, milliseconds; that of LATENCY_BUCKETS is the end of the last one. */
export function latencyBound(bucket: number): number {
  const units = bucket < 8 ? bucket : (8 + (bucket & 7)) * 2 ** ((bucket >> 3) - 1);
  return units / UNITS_PER_MS;
}

/** Counts one duration in the LATENCY_CELLS cells that begin at `at`. Allocates nothing. */
export function countLatency(cells: Float64Array, at: number, ms: number): void {
  const cell = at + latencyBucket(ms);
  cells[cell] = cells[cell]! + 1;
  cells[at + LATENCY_SUM] = cells[at + LATENCY_SUM]! + ms;
}

/**
 * The duration that a part of all (0 to 1) does not exceed, milliseconds, taken as evenly spread in its bucket;
 * undefined where nothing was counted.
 */
export function latencyQuantile(counts: ArrayLike<number>, part: number): number | undefined {
  const total = latencyCount(counts);
  if (total <= 0) return undefined;
  let left = Math.min(Math.max(part, 0), 1) * total;
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
    const count = counts[bucket] ?? 0;
    if (count <= 0) continue;
    if (left <= count) {
      const from = latencyBound(bucket);
      return from + (latencyBound(bucket + 1) - from) * (left / count);
    }
    left -= count;
  }
  return latencyBound(LATENCY_BUCKETS);
}

export function latencyCount(counts: ArrayLike<number>): number {
  let total = 0;
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) total += counts[bucket] ?? 0;
  return total;
}

/** How many were at most as long as each of `bounds` (milliseconds, rising), rounded to the buckets' own bounds. */
export function latencyBelow(counts: ArrayLike<number>, bounds: readonly number[]): number[] {
  let bucket = 0;
  let sum = 0;
  return bounds.map((bound) => {
    while (bucket < LATENCY_BUCKETS && latencyBound(bucket + 1) <= bound * (1 + Number.EPSILON)) {
      sum += counts[bucket++] ?? 0;
    }
    return sum;
  });
}

/** The histogram as `bucket, count` pairs, for a report. */
export function encodeLatency(counts: ArrayLike<number>): readonly number[] {
  const pairs: number[] = [];
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
    const count = counts[bucket] ?? 0;
    if (count > 0) pairs.push(bucket, count);
  }
  return pairs;
}

/** The histogram of such pairs; undefined if they are none: buckets unknown or not rising, counts not above 0. */
export function decodeLatency(pairs: readonly number[]): Float64Array | undefined {
  if (pairs.length % 2 !== 0 || pairs.length > 2 * LATENCY_BUCKETS) return undefined;
  const counts = new Float64Array(LATENCY_BUCKETS);
  let last = -1;
  for (let i = 0; i < pairs.length; i += 2) {
    const bucket = pairs[i]!;
    const count = pairs[i + 1]!;
    if (!Number.isInteger(bucket) || bucket <= last || bucket >= LATENCY_BUCKETS) return undefined;
    if (!Number.isSafeInteger(count) || count <= 0) return undefined;
    counts[bucket] = count;
    last = bucket;
  }
  return counts;
}

/** Adds `part` to `sum`, bucket by bucket. */
export function addLatency(sum: Float64Array, part: ArrayLike<number>): void {
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) sum[bucket] = sum[bucket]! + (part[bucket] ?? 0);
}

/** What was counted since `before`; undefined if `now` does not follow from it, as after a restart. */
export function latencySince(now: ArrayLike<number>, before: ArrayLike<number>): Float64Array | undefined {
  const since = new Float64Array(LATENCY_BUCKETS);
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
    const count = (now[bucket] ?? 0) - (before[bucket] ?? 0);
    if (count < 0) return undefined;
    since[bucket] = count;
  }
  return since;
}
