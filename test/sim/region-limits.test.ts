import { describe, expect, it } from 'vitest';
import { simSeeds } from '../support/sim-seeds.js';
import { hostLimit, RegionWorld } from './region-limits.js';

const SEEDS = simSeeds(4);
const LIMITS = [hostLimit(500, 1_000, 500), hostLimit(200, 1_000, 200), hostLimit(3_000, 60_000, 100)];
const perSecondOf = ({ requests, periodMs }: { requests: number; periodMs: number }) =>
  (1_000 * requests) / periodMs;

/** Load as a multiple of the limit, spread over three proxies in three ways. */
const SPREADS = [
  { of: 'evenly', spread: [1 / 3, 1 / 3, 1 / 3] },
  { of: 'unevenly', spread: [0.7, 0.2, 0.1] },
  { of: 'to one of them', spread: [1, 0, 0] },
];

describe.each(LIMITS)('a limit of $requests in $periodMs ms over three proxies', (limit) => {
  const rate = perSecondOf(limit);

  it.each(SPREADS)('is kept within 10 % at three times the load, spread $of', ({ spread }) => {
    for (const seed of SEEDS) {
      const world = new RegionWorld(seed, limit);
      const demand = spread.map((part) => part * 3 * rate);
      world.run(5_000, demand);
      const beganMs = world.nowMs;
      world.run(10_000, demand);
      const passed = world.passedIn(beganMs, world.nowMs) / (10 * rate);
      expect(passed, `seed ${seed}`).toBeGreaterThan(0.9);
      expect(passed, `seed ${seed}`).toBeLessThan(1.1);
    }
  });

  it('refuses nearly nobody below it', () => {
    for (const seed of SEEDS) {
      const world = new RegionWorld(seed, limit);
      world.run(1_000, [0, 0, 0]);
      world.run(10_000, [0.5 * rate, 0.2 * rate, 0.1 * rate]);
      expect(world.refused / world.passed.length, `seed ${seed}`).toBeLessThan(0.01);
    }
  });

  it.each([
    { parts: [0, 0, 1], what: 'one proxy' },
    { parts: [0, 1, 2], what: 'every proxy' },
  ])('is exceeded by at most one burst when $what is cut off', ({ parts }) => {
    for (const seed of SEEDS) {
      const world = new RegionWorld(seed, limit);
      world.run(3_000, [0.2 * rate, 0.1 * rate, 0.1 * rate]);
      world.part(parts);
      const beganMs = world.nowMs;
      // The moment that is worst: full buckets, and much to do everywhere.
      world.run(8_000, [3 * rate, 3 * rate, 3 * rate]);
      expect(world.excessIn(beganMs, world.nowMs), `seed ${seed}`).toBeLessThanOrEqual(limit.burst);
      world.heal();
      const healedMs = world.nowMs + 1_000;
      world.run(6_000, [rate, rate, rate]);
      const passed = world.passedIn(healedMs, world.nowMs) / (5 * rate);
      expect(passed, `seed ${seed}`).toBeGreaterThan(0.9);
      expect(passed, `seed ${seed}`).toBeLessThan(1.1);
    }
  });

  it('is all for the others when one has said goodbye', () => {
    const world = new RegionWorld(1, limit);
    world.run(1_000, [rate, rate, rate]);
    world.proxies[2]!.exchange.close();
    world.part([0, 0, 1]);
    world.run(2_000, [rate, rate, 0]);
    const beganMs = world.nowMs;
    world.run(5_000, [rate, rate, 0]);
    expect(world.passedIn(beganMs, world.nowMs) / (5 * rate)).toBeCloseTo(1, 1);
  });

  it('keeps the part of one that is silent', () => {
    const world = new RegionWorld(1, limit);
    world.part([0, 0, 1]);
    world.run(3_000, [2 * rate, 2 * rate, 0]);
    const beganMs = world.nowMs;
    world.run(5_000, [2 * rate, 2 * rate, 0]);
    expect(world.passedIn(beganMs, world.nowMs) / (5 * rate)).toBeCloseTo(2 / 3, 1);
  });
});
