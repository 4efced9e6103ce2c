import { describe, expect, it } from 'vitest';
import { DEFAULT_BREAKER } from '../../src/core/limit/breaker.js';
import { DEFAULT_RETRY_BUDGET } from '../../src/core/limit/retry-budget.js';
import { simSeeds } from '../support/sim-seeds.js';
import { type BrownOut, retriesOf, simulateBrownOut, sum } from './brown-out-world.js';

const SEEDS = simSeeds(8);
const FROM = 20;
const TO = 40;
const WINDOW_SECONDS = DEFAULT_RETRY_BUDGET.windowMs / 1_000;
/** 300 requests in a second take 30 at once, of 60; between FROM and TO there are 12. */
const WORLD: Omit<BrownOut, 'seed'> = {
  seconds: 120,
  rate: 300,
  endpoints: 6,
  capacity: (_, second) => (second >= FROM && second < TO ? 2 : 10),
  pool: {},
};

describe('a brown-out of all endpoints', () => {
  it.each(SEEDS)('makes no retry storm: attempts stay below 1.2 × requests (seed %i)', (seed) => {
    const { seconds } = simulateBrownOut({ ...WORLD, seed, pool: { retries: retriesOf(3) } });
    expect(sum(seconds, 'attempts') / sum(seconds, 'requests')).toBeLessThan(1.2);
    // Also while it lasts, and in each window.
    expect(sum(seconds, 'attempts', FROM, TO) / sum(seconds, 'requests', FROM, TO)).toBeLessThan(1.2);
    const windows = seconds.slice(WINDOW_SECONDS).map((_, from) => {
      const to = from + WINDOW_SECONDS;
      return sum(seconds, 'attempts', from, to) / sum(seconds, 'requests', from, to);
    });
    expect(Math.max(...windows)).toBeLessThan(1.2);
    // It retries as far as it may.
    expect(Math.max(...windows)).toBeGreaterThan(1.1);
    expect(sum(seconds, 'failed', TO + 1)).toBe(0);
  });

  it('would make one without the budget', () => {
    const retryBudget = { ...DEFAULT_RETRY_BUDGET, floor: 1_000_000 };
    const { seconds } = simulateBrownOut({ ...WORLD, seed: 1, pool: { retries: retriesOf(3), retryBudget } });
    expect(sum(seconds, 'attempts', FROM, TO) / sum(seconds, 'requests', FROM, TO)).toBeGreaterThan(2);
  });

  it.each(SEEDS)('with breakers spares the endpoints, and all come back (seed %i)', (seed) => {
    const breaker = { ...DEFAULT_BREAKER, failureRate: 0.5 };
    const { seconds, pool } = simulateBrownOut({ ...WORLD, seed, pool: { retries: retriesOf(2), breaker } });
    const plain = simulateBrownOut({ ...WORLD, seed, pool: { retries: retriesOf(2) } });
    expect(sum(seconds, 'attempts')).toBeLessThan(sum(plain.seconds, 'attempts'));
    expect(sum(seconds, 'attempts') / sum(seconds, 'requests')).toBeLessThan(1.2);
    expect(pool.endpoints.map(({ breaker: state }) => state)).toEqual(pool.endpoints.map(() => 'closed'));
    // The last breakers open for up to 48 s after some rounds; most come sooner.
    expect(sum(seconds, 'failed', 110) / sum(seconds, 'requests', 110)).toBeLessThan(0.01);
  });
});

describe('one endpoint of six that answers nothing but errors', () => {
  const capacity: BrownOut['capacity'] = (endpoint) => (endpoint === 0 ? 0 : 12);

  it.each(SEEDS)('costs nearly nobody anything: its breaker, and retries (seed %i)', (seed) => {
    const pool = { retries: retriesOf(1), breaker: DEFAULT_BREAKER };
    const { seconds } = simulateBrownOut({ ...WORLD, capacity, seed, seconds: 30, pool });
    expect(sum(seconds, 'failed') / sum(seconds, 'requests')).toBeLessThan(0.001);
    const plain = simulateBrownOut({ ...WORLD, capacity, seed, seconds: 30 });
    expect(sum(plain.seconds, 'failed') / sum(plain.seconds, 'requests')).toBeGreaterThan(0.1);
  });
});
