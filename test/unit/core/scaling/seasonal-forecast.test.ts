import { describe, expect, it } from 'vitest';
import { QUARTER_MS, SeasonalForecast } from '../../../../src/core/scaling/seasonal-forecast.js';

const DAY_MS = 96 * QUARTER_MS;
const WEEK_MS = 7 * DAY_MS;

/** A weekday's curve; weekends have half of it. */
function usual(ms: number): number {
  const day = Math.floor(ms / DAY_MS) % 7;
  const curve = 100 + 80 * Math.sin((2 * Math.PI * (ms % DAY_MS)) / DAY_MS);
  return day < 2 ? curve / 2 : curve;
}

function learn(forecast: SeasonalForecast, fromMs: number, untilMs: number, load = usual): void {
  for (let ms = fromMs; ms < untilMs; ms += QUARTER_MS / 3) forecast.add(ms, load(ms));
}

describe('SeasonalForecast', () => {
  it('knows nothing, then only what is now', () => {
    const forecast = new SeasonalForecast();
    expect(forecast.at(0)).toBeUndefined();
    expect(forecast.error).toBeUndefined();
    forecast.add(0, 7);
    expect(forecast.at(QUARTER_MS)).toEqual({ value: 7, basis: 'now' });
  });

  it('goes by other days until it has seen this one', () => {
    const forecast = new SeasonalForecast();
    learn(forecast, 2 * DAY_MS, 3 * DAY_MS + QUARTER_MS);
    const at = 3 * DAY_MS + 2 * QUARTER_MS;
    const { value, basis } = forecast.at(at)!;
    expect(basis).toBe('day');
    expect(value).toBeGreaterThan(usual(at) * 0.95);
    expect(value).toBeLessThan(usual(at) * 1.05);
  });

  it('after a week it tells days apart, and is better than the forecast that nothing changes', () => {
    const forecast = new SeasonalForecast();
    learn(forecast, 0, 3 * WEEK_MS);
    for (const ahead of [1, 20, 50, 96 * 2, 96 * 5]) {
      const at = 3 * WEEK_MS + ahead * QUARTER_MS;
      const { value, basis } = forecast.at(at)!;
      expect(basis).toBe('week');
      expect(Math.abs(value / usual(at + QUARTER_MS / 3) - 1)).toBeLessThan(0.03);
    }
    const { error, naive, compared } = forecast.error!;
    expect(compared).toBe(3 * 672 - 2);
    expect(error).toBeLessThan(0.02);
    expect(naive).toBeGreaterThan(2 * error);
  });

  it('a day that is busier as a whole lifts what is near, and less what is far', () => {
    const forecast = new SeasonalForecast();
    learn(forecast, 0, 2 * WEEK_MS + 3 * DAY_MS);
    learn(
      forecast,
      2 * WEEK_MS + 3 * DAY_MS,
      2 * WEEK_MS + 3 * DAY_MS + 20 * QUARTER_MS,
      (ms) => 2 * usual(ms),
    );
    const from = 2 * WEEK_MS + 3 * DAY_MS + 20 * QUARTER_MS;
    const lift = (quarters: number): number =>
      forecast.at(from + quarters * QUARTER_MS)!.value / usual(from + quarters * QUARTER_MS);
    expect(lift(1)).toBeGreaterThan(1.8);
    expect(lift(40)).toBeLessThan(1.4);
    expect(lift(400)).toBeLessThan(1.01);
  });

  it('a gap is no comparison, and a clock that goes back adds nothing', () => {
    const forecast = new SeasonalForecast();
    forecast.add(0, 10);
    forecast.add(QUARTER_MS, 10);
    forecast.add(50 * QUARTER_MS, 10);
    forecast.add(51 * QUARTER_MS, 10);
    const before = forecast.error?.compared;
    forecast.add(3 * QUARTER_MS, 1e9);
    forecast.add(Number.NaN, 1);
    forecast.add(52 * QUARTER_MS, Number.POSITIVE_INFINITY);
    forecast.add(52 * QUARTER_MS, -1);
    expect(forecast.error?.compared).toBe(before);
    expect(forecast.at(51 * QUARTER_MS)!.value).toBeCloseTo(10);
  });

  it('a forecast of nothing is not divided by nothing', () => {
    const forecast = new SeasonalForecast();
    learn(forecast, 0, DAY_MS, () => 0);
    expect(forecast.error).toEqual({ error: 0, naive: 0, compared: 95 - 1 });
    expect(forecast.at(DAY_MS)!.value).toBe(0);
  });
});
