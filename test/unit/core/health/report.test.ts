import { describe, expect, it } from 'vitest';
import { REPORT_SKEW_MS, reportRefusal, reportTtlMs } from '../../../../src/core/health/report.js';
import { afterArrival, TRANSIT_WINDOW_MS, type Transit } from '../../../../src/core/health/transit.js';

const NOW = 1_700_000_000_000;
const LAST = { epoch: NOW - 60_000, sequence: 5, expiresMs: NOW + 6000 };
const NEXT = { epoch: LAST.epoch, sequence: 6, sent: NOW };

describe('reportRefusal()', () => {
  it.each<[string, Partial<typeof NEXT>, number, string | undefined]>([
    ['the next one', {}, 0, undefined],
    ['one after a gap', { sequence: 600 }, 0, undefined],
    ['a clock far behind', { sent: NOW - 3_600_000 }, 0, undefined],
    ['a clock as far ahead as may be', { sent: NOW + REPORT_SKEW_MS }, 0, undefined],
    ['a clock that is further ahead', { sent: NOW + REPORT_SKEW_MS + 1 }, 0, 'from_future'],
    ['a start in the future', { epoch: NOW + REPORT_SKEW_MS + 1 }, 0, 'from_future'],
    ['the same one again', { sequence: 5 }, 0, 'old_sequence'],
    ['one that was overtaken, however late', { sequence: 4 }, 99_000, 'old_sequence'],
    ['a restart', { epoch: NOW, sequence: 1 }, 0, undefined],
    ['one from before the restart', { epoch: LAST.epoch - 1, sequence: 99 }, 5999, 'old_epoch'],
    ['an earlier start, once the later one is silent', { epoch: LAST.epoch - 1 }, 6000, undefined],
  ])('%s', (_, changes, laterMs, expected) => {
    expect(reportRefusal({ ...NEXT, ...changes }, LAST, NOW + laterMs)).toBe(expected);
  });

  it('takes whatever comes first, unless it comes from the future', () => {
    expect(reportRefusal(NEXT, undefined, NOW)).toBeUndefined();
    expect(reportRefusal({ ...NEXT, sent: NOW + 1e9 }, undefined, NOW)).toBe('from_future');
  });
});

describe('reportTtlMs()', () => {
  it.each([
    [2000, 6000],
    [1, 1000],
    [3_600_000, 60_000],
  ])('believes a reporter with an interval of %d ms for %d ms', (intervalMs, ttlMs) => {
    expect(reportTtlMs({ intervalMs })).toBe(ttlMs);
  });
});

describe('afterArrival()', () => {
  /** Ages of reports that were [sent, arrived]. */
  function ages(pairs: readonly (readonly [number, number])[]): readonly number[] {
    let transit: Transit | undefined;
    return pairs.map(([sentMs, nowMs]) => {
      const step = afterArrival(transit, sentMs, nowMs);
      transit = step.transit;
      return step.ageMs;
    });
  }

  it.each([0, 3_600_000, -3_600_000])('sees delay beyond the shortest whatever the skew, %d ms', (skew) => {
    expect(
      ages([
        [skew, 20],
        [skew + 2000, 2020],
        [skew + 4000, 9020],
        [skew + 6000, 6010],
        [skew + 8000, 8020],
      ]),
    ).toEqual([0, 0, 5000, 0, 10]);
  });

  it('gets over a clock that was set back within two windows', () => {
    const back = 60_000;
    const pairs = Array.from({ length: 40 }, (_, i): [number, number] => [
      2000 * i - (i < 5 ? 0 : back),
      2000 * i,
    ]);
    const found = ages(pairs);
    expect(found[4]).toBe(0);
    expect(found[5]).toBe(back);
    const healed = found.findIndex((age, i) => i > 5 && age === 0);
    expect(healed * 2000).toBeLessThanOrEqual(10_000 + 2 * TRANSIT_WINDOW_MS);
    expect(found.slice(healed)).toEqual(found.slice(healed).map(() => 0));
  });

  it('does not compare with a time before a long silence', () => {
    expect(
      ages([
        [0, 0],
        [2000, 2000],
        [100_000, 100_500],
      ]),
    ).toEqual([0, 0, 0]);
  });
});
