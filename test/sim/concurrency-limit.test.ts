import { describe, expect, it } from 'vitest';
import { LimitSimulation } from './concurrency-limit.js';

const MODEL = { min: 3, max: 1000, tolerance: 0.2 };
const SEEDS = [1, 2, 3, 4];

/** Requests a second that keep all places busy. */
function capacity({ backend }: LimitSimulation): number {
  return (backend.places * 1000) / backend.serviceMs;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function begin(seed: number, places = 40, serviceMs = 50): LimitSimulation {
  return new LimitSimulation(MODEL, { places, serviceMs }, seed);
}

/** The mean of the limit, of the time of a request and of the work done, in so long a time from now on. */
function figures(simulation: LimitSimulation, ms: number, perSecond: number) {
  simulation.reset();
  simulation.run(ms, perSecond);
  const { limits, latencies, served, backend } = simulation;
  return {
    limit: mean(limits) / backend.places,
    latency: mean(latencies) / backend.serviceMs,
    work: served / ((ms / 1000) * capacity(simulation)),
  };
}

describe.each(SEEDS)('an adaptive limit, seed %i', (seed) => {
  it.each([
    { places: 10, serviceMs: 20 },
    { places: 40, serviceMs: 50 },
    { places: 100, serviceMs: 250 },
  ])('finds the knee of $places places under twice the load', ({ places, serviceMs }) => {
    const simulation = begin(seed, places, serviceMs);
    simulation.run(40_000, 2 * capacity(simulation));
    const { limit, latency, work } = figures(simulation, 20_000, 2 * capacity(simulation));
    expect(limit).toBeGreaterThan(1);
    expect(limit).toBeLessThan(2.5);
    expect(latency).toBeLessThan(2.5);
    expect(work).toBeGreaterThan(0.97);
  });

  it('refuses nobody while the load is light, and does not grow out of sight', () => {
    const simulation = begin(seed);
    simulation.run(60_000, 0.2 * capacity(simulation));
    expect(simulation.refused).toBeLessThan(0.002 * simulation.served);
    expect(Math.max(...simulation.limits)).toBeLessThan(2 * simulation.backend.places);
  });

  it('follows a backend that loses most of its places, and comes back with it', () => {
    const simulation = begin(seed);
    simulation.run(20_000, 1.5 * capacity(simulation));
    simulation.backend.places = 10;
    simulation.run(15_000, 2 * capacity(simulation));
    const broken = figures(simulation, 10_000, 2 * capacity(simulation));
    expect(broken.limit).toBeLessThan(3.5);
    expect(broken.work).toBeGreaterThan(0.95);
    simulation.backend.places = 40;
    simulation.run(15_000, 2 * capacity(simulation));
    const whole = figures(simulation, 10_000, 2 * capacity(simulation));
    expect(whole.limit).toBeGreaterThan(1);
    expect(whole.work).toBeGreaterThan(0.95);
  });

  it('takes a backend that is slower by nature for what it is, after a while', () => {
    const simulation = begin(seed);
    simulation.run(20_000, 0.8 * capacity(simulation));
    simulation.backend.serviceMs = 250;
    // It may be measured just then; the next time is half a minute later.
    simulation.run(80_000, capacity(simulation));
    const { work } = figures(simulation, 20_000, capacity(simulation));
    expect(work).toBeGreaterThan(0.9);
  });

  it('never goes below its minimum, nor above its maximum', () => {
    const simulation = new LimitSimulation(
      { min: 5, max: 30, tolerance: 0.2 },
      { places: 2, serviceMs: 30 },
      seed,
    );
    simulation.run(40_000, 5 * capacity(simulation));
    simulation.backend.places = 200;
    simulation.run(20_000, capacity(simulation));
    expect(Math.min(...simulation.limits)).toBeGreaterThanOrEqual(5);
    expect(Math.max(...simulation.limits)).toBe(30);
  });
});
