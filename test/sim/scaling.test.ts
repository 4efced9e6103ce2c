import { describe, expect, it } from 'vitest';
import { DEFAULT_SCALING } from '../../src/core/scaling/model.js';
import { simSeeds } from '../support/sim-seeds.js';
import { runScalingDay } from './scaling-world.js';

const SEEDS = simSeeds(6);
/**
 * Up at the start, down at night, up in the morning and with the burst, down, up, down: a day has six ways to go. Noise turns one day
 * in thirty once more, or a calm one.
 */
const TURNS_MAX = 7;
const CALM_TURNS_MAX = 5;

describe('a day with a burst of three times the load, and metrics that lag by a minute', () => {
  it.each(SEEDS)('is followed without flapping (seed %d)', (seed) => {
    const { turns, changes, overloaded, overloadedMinutesMax, surplus, most } = runScalingDay({ seed });
    expect(turns).toBeLessThanOrEqual(TURNS_MAX);
    expect(changes).toBeLessThan(45);
    // Up fast: endpoints take 90 s to start, and metrics tell of the burst a minute late.
    expect(overloadedMinutesMax).toBeLessThanOrEqual(6);
    expect(overloaded).toBeLessThan(0.006);
    // The burst would take 39 endpoints; the rest of the day no more than a tenth beyond the target.
    expect(most).toBeLessThanOrEqual(48);
    expect(surplus).toBeLessThan(1.15);
  });

  it('is what a controller without windows, steps and time to settle can not follow', () => {
    const { turns, overloaded } = runScalingDay({ seed: 1, naive: true });
    expect(turns).toBeGreaterThan(100);
    expect(overloaded).toBeGreaterThan(0.1);
  });

  it('is limited by more than one metric', () => {
    const { limiting } = runScalingDay({ seed: 1 });
    expect([...limiting]).toEqual(expect.arrayContaining(['cpu', 'requests', 'queue']));
  });
});

it.each(SEEDS)('a calm day turns with the sun only (seed %d)', (seed) => {
  const { turns, overloaded } = runScalingDay({ seed, burst: null });
  expect(turns).toBeLessThanOrEqual(CALM_TURNS_MAX);
  expect(overloaded).toBe(0);
});

it.each(SEEDS)(
  'metrics that lag by three minutes take as long to settle, and do not flap either (seed %d)',
  (seed) => {
    const { behaviour } = DEFAULT_SCALING;
    const model = { ...DEFAULT_SCALING, behaviour: { ...behaviour, settleMs: 300_000 } };
    const { turns, overloaded } = runScalingDay({ seed, lagMs: 180_000, model });
    expect(turns).toBeLessThanOrEqual(TURNS_MAX);
    expect(overloaded).toBeLessThan(0.01);
  },
);

it('a forecast that has proved itself has capacity ready before a daily burst', () => {
  const days = 5;
  const shown = runScalingDay({ seed: 3, days });
  const used = runScalingDay({ seed: 3, days, model: { ...DEFAULT_SCALING, forecast: 'use' } });
  expect(used.last.forecast).toMatchObject({ basis: 'day' });
  expect(used.last.forecast!.error!).toBeLessThan(used.last.forecast!.naiveError!);
  expect(used.overloaded).toBeLessThan(shown.overloaded * 0.75);
});
