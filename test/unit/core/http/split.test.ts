import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  armAt,
  armByShare,
  armEnds,
  positionOfDraw,
  positionOfKey,
  SPLIT_POSITIONS,
  shareOfPercent,
} from '../../../../src/core/http/split.js';

const arms = (...weights: readonly number[]) => weights.map((weight, i) => ({ pool: `p${i}`, weight }));

/** How many of all positions each arm has. */
function widths(...weights: readonly number[]): number[] {
  const ends = armEnds(arms(...weights));
  const counts = weights.map(() => 0);
  for (let position = 0; position < SPLIT_POSITIONS; position++) counts[armAt(ends, position)]!++;
  return counts;
}

describe('pools of a route by weight', () => {
  it.each([
    [
      [95, 5],
      [9_500, 500],
    ],
    [
      [1, 0],
      [10_000, 0],
    ],
    [
      [0, 1],
      [0, 10_000],
    ],
    [
      [1, 1, 1],
      [3_333, 3_334, 3_333],
    ],
    [
      [9_999, 1],
      [9_999, 1],
    ],
    [
      [50, 0, 50],
      [5_000, 0, 5_000],
    ],
  ])('weights of %j get %j of 10,000 positions', (weights, expected) => {
    expect(widths(...weights)).toEqual(expected);
  });

  it('an arm without weight gets nothing, wherever it stands', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(weights, (list) => {
        fc.pre(list.some((weight) => weight > 0));
        const total = list.reduce((sum, weight) => sum + weight, 0);
        widths(...list).forEach((width, i) => {
          expect(Math.abs(width - (list[i]! / total) * SPLIT_POSITIONS)).toBeLessThanOrEqual(1);
          if (list[i] === 0) expect(width).toBe(0);
        });
      }),
      { numRuns: 30 },
    );
  });
});

describe('a share that grows', () => {
  it('moves each client at most once, and to the second pool', () => {
    for (let position = 0; position < SPLIT_POSITIONS; position += 7) {
      const path = [0, 5, 25, 50, 100].map((percent) => armByShare(shareOfPercent(percent), position));
      expect(path).toEqual(path.toSorted());
      expect([path[0], path.at(-1)]).toEqual([0, 1]);
    }
  });

  it('is the same line as by weights: 95 and 5 are 5 %', () => {
    const ends = armEnds(arms(95, 5));
    for (let position = 0; position < SPLIT_POSITIONS; position++) {
      expect(armByShare(shareOfPercent(5), position)).toBe(armAt(ends, position));
    }
  });

  it.each([
    [0, 0],
    [-3, 0],
    [0.000_1, 1],
    [0.01, 1],
    [5, 500],
    [100, 10_000],
    [400, 10_000],
  ])('%f %% is a share of %i', (percent, share) => {
    expect(shareOfPercent(percent)).toBe(share);
  });
});

describe('positions', () => {
  it.each([
    [0, 0],
    [0.5, 5_000],
    [0.999_999_999, 9_999],
    [1, 9_999],
  ])('a draw of %f is position %i', (draw, position) => {
    expect(positionOfDraw(draw)).toBe(position);
  });

  it('of keys are spread evenly, and otherwise for another route', () => {
    const counts = new Array<number>(10).fill(0);
    let same = 0;
    for (let key = 0; key < 100_000; key++) {
      const position = positionOfKey(key, 1);
      counts[Math.floor(position / 1_000)]!++;
      if (position === positionOfKey(key, 2)) same++;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    expect(same).toBeLessThan(100);
  });
});
