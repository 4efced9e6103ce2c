import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addLatency,
  countLatency,
  decodeLatency,
  encodeLatency,
  LATENCY_BUCKETS,
  LATENCY_CELLS,
  LATENCY_SUM,
  latencyBelow,
  latencyBound,
  latencyBucket,
  latencyCount,
  latencyQuantile,
  latencySince,
} from '../../../../src/core/tally/latency.js';

const durations = fc.double({ min: 0, max: 134_000, noNaN: true });

function histogram(values: readonly number[]): Float64Array {
  const cells = new Float64Array(LATENCY_CELLS);
  for (const value of values) countLatency(cells, 0, value);
  return cells;
}

describe('latencyBucket()', () => {
  it.each([
    [0, 0],
    [-5, 0],
    [Number.NaN, 0],
    [0.0159, 0],
    [0.016, 1],
    [0.127, 7],
    [0.128, 8],
    [0.256, 16],
    [0.287, 16],
    [0.288, 17],
    [1_000_000, LATENCY_BUCKETS - 1],
    [Number.POSITIVE_INFINITY, LATENCY_BUCKETS - 1],
  ])('puts %d ms into bucket %d', (ms, bucket) => {
    expect(latencyBucket(ms)).toBe(bucket);
  });

  it('puts each duration between the bounds of its bucket', () => {
    fc.assert(
      fc.property(durations, (ms) => {
        const bucket = latencyBucket(ms);
        expect(latencyBound(bucket)).toBeLessThanOrEqual(ms + 1e-9);
        expect(latencyBound(bucket + 1)).toBeGreaterThan(ms - 1e-9);
      }),
    );
  });

  it('has no gap and no overlap', () => {
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
      expect(latencyBound(bucket + 1)).toBeGreaterThan(latencyBound(bucket));
      expect(latencyBucket((latencyBound(bucket) + latencyBound(bucket + 1)) / 2)).toBe(bucket);
    }
  });
});

describe('a histogram', () => {
  it('gives quantiles that are wrong by less than an eighth', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.2, max: 130_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.5, 0.9, 0.99, 1),
        (values, part) => {
          const sorted = values.toSorted((a, b) => a - b);
          const exact = sorted[Math.max(Math.ceil(part * values.length) - 1, 0)]!;
          const found = latencyQuantile(histogram(values), part)!;
          expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact * 0.125 + 1e-9);
        },
      ),
    );
  });

  it('has no quantile while it is empty', () => {
    expect(latencyQuantile(histogram([]), 0.5)).toBeUndefined();
  });

  it('merges: two of them added are the histogram of all values', () => {
    fc.assert(
      fc.property(fc.array(durations), fc.array(durations), (a, b) => {
        const sum = histogram(a);
        addLatency(sum, histogram(b));
        expect(sum.subarray(0, LATENCY_BUCKETS)).toEqual(
          histogram([...a, ...b]).subarray(0, LATENCY_BUCKETS),
        );
      }),
    );
  });

  it('counts in a place of a larger array, and sums up there', () => {
    const cells = new Float64Array(3 + LATENCY_CELLS);
    countLatency(cells, 3, 2);
    countLatency(cells, 3, 3);
    expect([...cells.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect(cells[3 + LATENCY_SUM]).toBe(5);
    expect(latencyCount(cells.subarray(3))).toBe(2);
  });

  it('tells how many were below each bound', () => {
    const counts = histogram([0.1, 1, 1, 5, 100_000, 1_000_000]);
    expect(latencyBelow(counts, [0.128, 1.024, 8.192, 134_217.728])).toEqual([1, 3, 4, 6]);
  });

  it('is the difference of two states of itself, but not of two that do not follow', () => {
    const before = histogram([1, 5]);
    const now = histogram([1, 5, 5, 7]);
    expect(latencySince(now, before)).toEqual(histogram([5, 7]).subarray(0, LATENCY_BUCKETS));
    expect(latencySince(before, now)).toBeUndefined();
  });
});

describe('decodeLatency()', () => {
  it('reads what encodeLatency() wrote', () => {
    fc.assert(
      fc.property(fc.array(durations), (values) => {
        const counts = histogram(values).subarray(0, LATENCY_BUCKETS);
        expect(decodeLatency(encodeLatency(counts))).toEqual(counts);
      }),
    );
  });

  it.each([
    ['an odd number of items', [1]],
    ['a bucket that does not exist', [LATENCY_BUCKETS, 1]],
    ['a negative bucket', [-1, 1]],
    ['a bucket that is no integer', [1.5, 1]],
    ['buckets that do not rise', [2, 1, 2, 1]],
    ['a count of 0', [2, 0]],
    ['a count that is no safe integer', [2, 2 ** 60]],
    ['too many items', Array.from({ length: 2 * LATENCY_BUCKETS + 2 }, (_, i) => i + 1)],
  ])('refuses %s', (_, pairs) => {
    expect(decodeLatency(pairs)).toBeUndefined();
  });
});
