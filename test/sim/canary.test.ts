import { describe, expect, it } from 'vitest';
import { simSeeds, strays } from '../support/sim-seeds.js';
import { type CanaryOptions, type PoolNature, simulateCanary } from './canary-world.js';

const SEEDS = simSeeds(12);
const USUAL: PoolNature = { errors: 0.001, medianMs: 20, spread: 0.5 };
const FAILING: PoolNature = { ...USUAL, errors: 0.02 };
const LONG_TAIL: PoolNature = { ...USUAL, spread: 1.2 };
const BOTH: PoolNature = { ...LONG_TAIL, errors: 0.02 };

/** How canaries ended, by seed: `promoted`, or `rolled_back at 25 %`. */
function endsOf(options: Omit<CanaryOptions, 'seed' | 'holdSeconds'>): Readonly<Record<string, number[]>> {
  const ends: Record<string, number[]> = {};
  for (const seed of SEEDS) {
    const { state, percentMax } = simulateCanary({ seed, holdSeconds: 60, ...options });
    const end = state === 'promoted' ? state : `${state} at ${percentMax} %`;
    ends[end] = [...(ends[end] ?? []), seed];
  }
  return ends;
}

describe('a new pool that is as good', () => {
  it.each<[string, PoolNature, PoolNature]>([
    ['as a usual one', USUAL, USUAL],
    ['as one that fails 2 %', FAILING, FAILING],
    ['as one with a long tail', LONG_TAIL, LONG_TAIL],
    ['as one with both', BOTH, BOTH],
    ['as another, and a tenth slower', USUAL, { ...USUAL, medianMs: 22 }],
    ['as another, and fails half a point more', USUAL, { ...USUAL, errors: 0.006 }],
    ['as another, and much better', BOTH, USUAL],
  ])('takes over: %s', (_, old, young) => {
    const { promoted = [] } = endsOf({ old, new: young, requestsPerSecond: 60 });
    expect(promoted.length).toBeGreaterThanOrEqual(SEEDS.length - strays(SEEDS));
  });

  it('takes over where both become slow and fail for a while', () => {
    const troubled: PoolNature = { errors: 0.05, medianMs: 200, spread: 0.8 };
    const during = (second: number) =>
      second >= 200 && second < 300 ? { old: troubled, new: troubled } : {};
    const { promoted = [] } = endsOf({ old: USUAL, new: USUAL, requestsPerSecond: 60, during });
    expect(promoted.length).toBeGreaterThanOrEqual(SEEDS.length - strays(SEEDS));
  });
});

describe('a new pool that is bad', () => {
  it.each<[string, PoolNature, PoolNature, number]>([
    ['fails 10 %', USUAL, { ...USUAL, errors: 0.1 }, 5],
    ['fails 3 %', USUAL, { ...USUAL, errors: 0.03 }, 50],
    ['fails 10 % where the old one fails 2 %', FAILING, { ...FAILING, errors: 0.1 }, 25],
    ['is three times as slow', USUAL, { ...USUAL, medianMs: 60 }, 5],
    ['is twice as slow', USUAL, { ...USUAL, medianMs: 40 }, 25],
    ['is slow now and then', USUAL, { ...USUAL, spread: 1.2 }, 25],
    ['is three times as slow with a long tail', LONG_TAIL, { ...LONG_TAIL, medianMs: 60 }, 25],
  ])('never takes over: it %s', (_, old, young, percent) => {
    for (const end of Object.keys(endsOf({ old, new: young, requestsPerSecond: 60 }))) {
      expect(end).toMatch(/^rolled_back/);
      expect(Number(/\d+/.exec(end)![0])).toBeLessThanOrEqual(percent);
    }
  });

  it('never goes on where it does not answer at all', () => {
    const old = USUAL;
    const ends = endsOf({ old, new: { ...old, hangs: 1 }, requestsPerSecond: 20 });
    expect(Object.keys(ends)).toEqual(['running at 5 %']);
  });

  it('steps back from 50 % when it becomes bad there', () => {
    const during = (second: number) => (second > 260 ? { new: { ...USUAL, errors: 0.2 } } : {});
    const ends = endsOf({ old: USUAL, new: USUAL, requestsPerSecond: 60, during });
    expect(Object.keys(ends)).toEqual(['rolled_back at 50 %']);
  });

  it('steps back at once when half of it is down', () => {
    const during = (second: number) => (second > 150 ? { new: { ...USUAL, healthy: 0.5 } } : {});
    const { state, seconds } = simulateCanary({
      ...{ seed: 1, old: USUAL, new: USUAL, requestsPerSecond: 20, holdSeconds: 60, during },
    });
    expect([state, seconds]).toEqual(['rolled_back', 32]);
  });
});

describe('a canary with few requests', () => {
  it('waits for them, and goes on', () => {
    const slow = {
      old: USUAL,
      new: USUAL,
      requestsPerSecond: 3,
      analysis: { min_requests: 20, window_seconds: 600 },
    };
    expect(Object.keys(endsOf(slow))).toEqual(['promoted']);
  });
});
