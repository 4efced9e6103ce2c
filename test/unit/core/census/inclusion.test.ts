import { describe, expect, it } from 'vitest';
import { inclusion } from '../../../../src/core/census/inclusion.js';

/** The same by going through every order of draws. */
function byOrders(weights: readonly number[], size: number): readonly number[] {
  const sums = weights.map(() => 0);
  const draw = (left: readonly number[], chance: number, depth: number): void => {
    const total = left.reduce((sum, i) => sum + weights[i]!, 0);
    for (const i of left) {
      const part = (chance * weights[i]!) / total;
      sums[i]! += part;
      const others = left.filter((other) => other !== i);
      if (depth > 1) draw(others, part, depth - 1);
    }
  };
  const all = weights.map((_, i) => i);
  draw(all, 1, size);
  return sums;
}

describe('inclusion()', () => {
  it.each([
    [[1, 1, 1], 2],
    [[3, 1, 1], 2],
    [[9, 3, 1, 1], 3],
    [[1, 2, 3, 4, 5, 6], 4],
    [[65_535, 1, 1, 7], 2],
    [[65_535 * 256, 1, 1], 2],
    [[1, 2, 3, 4, 5, 6, 7, 8], 5],
  ])('of %j, %d at once, is exact', (weights, size) => {
    const expected = byOrders(weights, size);
    for (const [i, chance] of inclusion(weights, size).entries()) expect(chance).toBeCloseTo(expected[i]!, 7);
  });

  it('is certain where there are no more than asked for', () => {
    expect(inclusion([5, 1], 2)).toEqual([1, 1]);
    expect(inclusion([5], 8)).toEqual([1]);
  });

  it('sums to the size, with as many endpoints as a pool may have', () => {
    const weights = Array.from({ length: 256 }, (_, i) => 1 + ((i * 7919) % 1000));
    const sum = inclusion(weights, 8).reduce((all, one) => all + one, 0);
    expect(sum).toBeCloseTo(8, 6);
  });
});
