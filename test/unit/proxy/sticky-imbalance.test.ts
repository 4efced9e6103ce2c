import { describe, expect, it } from 'vitest';
import { StickyImbalance } from '../../../src/proxy/sticky-imbalance.js';

const pool = (...endpoints: readonly (readonly [count: number, weight: number])[]) => [
  { pool: 'web', endpoints: endpoints.map(([count, weight], i) => ({ endpoint: `e${i}`, count, weight })) },
];

describe('StickyImbalance', () => {
  it.each([
    ['even', pool([100, 1], [100, 1]), 1],
    ['as the weights are', pool([300, 3], [100, 1]), 1],
    ['all at one of four', pool([100, 1], [0, 1], [0, 1], [0, 1]), 4],
    ['half more', pool([150, 1], [50, 1]), 1.5],
    ['at one that drains: what the others have counts', pool([500, 0], [50, 1], [50, 1]), 1],
  ])('%s', (_, pools, ratio) => {
    expect(new StickyImbalance().measure(pools, 0)).toEqual([['web', ratio]]);
  });

  it('has no row without enough requests', () => {
    expect(new StickyImbalance().measure(pool([5, 1], [4, 1]), 0)).toEqual([]);
    expect(new StickyImbalance().measure(pool([500, 0]), 0)).toEqual([]);
  });

  it('forgets what was long ago', () => {
    const imbalance = new StickyImbalance();
    expect(imbalance.measure(pool([1000, 1], [0, 1]), 0)).toEqual([['web', 2]]);
    const [row] = imbalance.measure(pool([1000, 1], [1000, 1]), 600_000);
    expect(row![1]).toBeLessThan(2);
    expect(row![1]).toBeCloseTo(1 + 1023 / 1025, 1);
    const [later] = imbalance.measure(pool([2000, 1], [2000, 1]), 660_000);
    expect(later![1]).toBeLessThan(1.35);
  });

  it('does not depend on how often it is asked', () => {
    const [often, once] = [new StickyImbalance(), new StickyImbalance()];
    for (const each of [often, once]) each.measure(pool([100, 1], [100, 1]), 0);
    for (let ms = 1000; ms < 30_000; ms += 1000) often.measure(pool([100, 1], [100, 1]), ms);
    const last = pool([400, 1], [100, 1]);
    expect(often.measure(last, 30_000)[0]![1]).toBeCloseTo(once.measure(last, 30_000)[0]![1], 9);
  });

  it('survives counts that began anew', () => {
    const imbalance = new StickyImbalance();
    imbalance.measure(pool([1000, 1], [1000, 1]), 0);
    expect(imbalance.measure(pool([10, 1], [10, 1]), 1000)).toEqual([['web', 1]]);
  });
});
