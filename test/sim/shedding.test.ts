import { describe, expect, it } from 'vitest';
import { type ShedHistory, type ShedOptions, simulateShedding } from './shed-world.js';

const RULES = { from: 0.7, to: 0.95 } as const;
const HOUR = 3600;

function steady(demand: number, capacity = 100) {
  return { capacity, demand: () => demand };
}

const OPTIONS: ShedOptions = {
  regions: [steady(90), steady(30), steady(30)],
  rules: RULES,
  ttlSeconds: 30,
  seconds: HOUR,
};

function column(rows: ShedHistory['loads'], region: number, from: number, to = rows.length): number[] {
  return rows.slice(from, to).map((row) => row[region]!);
}

function swing(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values);
}

describe('load shedding in a closed loop', () => {
  it('comes to rest where the rule of the share says, without swinging', () => {
    const { loads, shares } = simulateShedding(OPTIONS);
    const rest = column(shares, 0, HOUR / 2);
    const load = column(loads, 0, HOUR / 2);
    expect(swing(rest)).toBeLessThan(0.05);
    const mean = rest.reduce((a, b) => a + b) / rest.length;
    // The load is the demand without the share; the share is (load − from) / (to − from).
    const expected = (0.9 - RULES.from) / (RULES.to - RULES.from + 0.9);
    expect(mean).toBeCloseTo(expected, 1);
    expect(Math.max(...load)).toBeLessThan(0.8);
  });

  it('does so within some TTLs, and overshoots little', () => {
    const { shares } = simulateShedding(OPTIONS);
    const rest = column(shares, 0, HOUR / 2);
    const final = rest.reduce((a, b) => a + b) / rest.length;
    expect(Math.max(...column(shares, 0, 0))).toBeLessThan(final * 1.25);
    const arrived = column(shares, 0, 0).findIndex((share) => share > final * 0.8);
    expect(arrived).toBeLessThan(5 * 30);
  });

  it('would swing with the rule as it stands', () => {
    const { shares } = simulateShedding({ ...OPTIONS, naive: true });
    expect(swing(column(shares, 0, HOUR / 2))).toBeGreaterThan(0.3);
  });

  it.each([1, 2, 4])('stays calm with clients that keep answers %d times as long', (times) => {
    const { shares } = simulateShedding({ ...OPTIONS, keptSeconds: 30 * times });
    expect(swing(column(shares, 0, HOUR / 2))).toBeLessThan(0.1);
  });

  it.each([5, 60, 300])('stays calm with a TTL of %d s', (ttlSeconds) => {
    const { shares } = simulateShedding({ ...OPTIONS, ttlSeconds, seconds: 3 * HOUR });
    expect(swing(column(shares, 0, 2 * HOUR))).toBeLessThan(0.05);
  });

  it('moves nothing where all regions are equally full', () => {
    const { loads } = simulateShedding({ ...OPTIONS, regions: [steady(92), steady(92), steady(92)] });
    for (const region of [0, 1, 2]) {
      expect(swing(column(loads, region, HOUR / 2))).toBeLessThan(0.05);
      expect(Math.max(...column(loads, region, HOUR / 2))).toBeLessThan(0.97);
    }
  });

  it('moves load from the fuller to the emptier, and never fills that above the one it helps', () => {
    const { loads } = simulateShedding({ ...OPTIONS, regions: [steady(140), steady(60), steady(20)] });
    const last = loads.at(-1)!;
    expect(last[0]).toBeLessThan(1.4);
    expect(last[1]).toBeLessThanOrEqual(last[0]! + 0.02);
    for (const region of [0, 1, 2]) expect(swing(column(loads, region, HOUR / 2))).toBeLessThan(0.1);
  });

  it('never lets more than half of the regions shed more than half', () => {
    // There is room enough elsewhere: three of four would shed nearly all.
    const regions = [steady(500), steady(500), steady(500), steady(5, 100_000)];
    const { shares } = simulateShedding({ ...OPTIONS, regions });
    expect(Math.max(...shares.at(-1)!)).toBeGreaterThan(0.7);
    for (const row of shares)
      expect(row.filter((share) => share > 0.5 + 1 / 256).length).toBeLessThanOrEqual(2);
  });

  it('ends when the demand has gone', () => {
    const demand = (seconds: number) => (seconds < HOUR / 2 ? 90 : 40);
    const { shares } = simulateShedding({
      ...OPTIONS,
      regions: [{ capacity: 100, demand }, steady(30), steady(30)],
    });
    expect(shares[HOUR / 2 - 1]![0]).toBeGreaterThan(0.1);
    expect(column(shares, 0, HOUR / 2 + 600).every((share) => share === 0)).toBe(true);
  });

  it('does not begin and end again and again at the edge', () => {
    const demand = (seconds: number) => 71 + 3 * Math.sin(seconds / 40);
    const { shares } = simulateShedding({
      ...OPTIONS,
      regions: [{ capacity: 100, demand }, steady(30), steady(30)],
    });
    const flips = shares.filter((row, i) => i > 0 && row[0]! > 0 !== shares[i - 1]![0]! > 0).length;
    expect(flips).toBeLessThanOrEqual(4);
  });
});
