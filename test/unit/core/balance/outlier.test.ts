import { describe, expect, it } from 'vitest';
import { DEFAULT_OUTLIER, type OutlierModel } from '../../../../src/core/balance/model.js';
import { isGoodStatus, OutlierDetector, slackers } from '../../../../src/core/balance/outlier.js';

const OTHERS = 5;
const ALL_WELL = (): boolean => true;

function detector(endpoints: number, changes: Partial<OutlierModel> = {}): OutlierDetector {
  return new OutlierDetector(endpoints, { ...DEFAULT_OUTLIER, ...changes });
}

/** Errors in a row until the endpoint is ejected; their number. */
function failUntilEjected(of: OutlierDetector, index: number, nowMs: number): number {
  for (let errors = 1; errors <= 20; errors++) if (of.record(index, false, OTHERS, nowMs)) return errors;
  return 0;
}

describe('OutlierDetector', () => {
  it('ejects after five errors in a row', () => {
    const outliers = detector(4);
    expect(failUntilEjected(outliers, 2, 0)).toBe(5);
    expect(outliers.isEjected(2)).toBe(true);
    expect(outliers.ejected).toBe(1);
  });

  it('counts from the start after a good answer', () => {
    const outliers = detector(4);
    for (let i = 0; i < 4; i++) outliers.record(2, false, OTHERS, 0);
    outliers.record(2, true, OTHERS, 0);
    for (let i = 0; i < 4; i++) expect(outliers.record(2, false, OTHERS, 0)).toBe(false);
    expect(outliers.record(2, false, OTHERS, 0)).toBe(true);
  });

  it('does not count errors in a row if it is told not to', () => {
    expect(failUntilEjected(detector(4, { consecutive: 0 }), 0, 0)).toBe(0);
  });

  it('ejects for 30 s, then 60 s, up to 300 s', () => {
    const outliers = detector(1);
    let nowMs = 0;
    const lasted: number[] = [];
    for (let round = 0; round < 12; round++) {
      failUntilEjected(outliers, 0, nowMs);
      const from = nowMs;
      while (outliers.isEjected(0)) {
        nowMs += 1_000;
        outliers.sweep(nowMs, ALL_WELL);
      }
      lasted.push((nowMs - from) / 1_000);
    }
    expect(lasted.slice(0, 3)).toEqual([30, 60, 90]);
    expect(lasted.at(-1)).toBe(300);
  });

  it('takes an ejection back for each interval in use', () => {
    const outliers = detector(1);
    outliers.sweep(0, ALL_WELL);
    failUntilEjected(outliers, 0, 0);
    for (let nowMs = 1_000; nowMs <= 60_000; nowMs += 1_000) outliers.sweep(nowMs, ALL_WELL);
    expect(outliers.isEjected(0)).toBe(false);
    failUntilEjected(outliers, 0, 60_000);
    outliers.sweep(90_000, ALL_WELL);
    expect(outliers.isEjected(0)).toBe(false);
  });

  it.each([
    [1, 1],
    [9, 1],
    [10, 1],
    [20, 2],
    [55, 5],
  ])('of %i endpoints ejects at most %i', (endpoints, most) => {
    const outliers = detector(endpoints);
    for (let i = 0; i < endpoints; i++) failUntilEjected(outliers, i, 0);
    expect(outliers.ejected).toBe(most);
  });

  it('never ejects the last one', () => {
    const outliers = detector(2);
    for (let i = 0; i < 20; i++) expect(outliers.record(0, false, 0, 0)).toBe(false);
  });

  it('ends an ejection at a good active check', () => {
    const outliers = detector(4);
    failUntilEjected(outliers, 1, 0);
    expect(outliers.forgive(0)).toBe(false);
    expect(outliers.forgive(1)).toBe(true);
    expect([outliers.isEjected(1), outliers.ejected]).toEqual([false, 0]);
  });

  it('ejects the one with far more errors than the others, at the end of an interval', () => {
    const outliers = detector(6);
    outliers.sweep(0, ALL_WELL);
    for (let i = 0; i < 6; i++) {
      for (let n = 0; n < 100; n++) outliers.record(i, i !== 3 || n % 2 === 0, OTHERS, 0);
    }
    expect(outliers.sweep(9_999, ALL_WELL)).toBe(false);
    expect(outliers.sweep(10_000, ALL_WELL)).toBe(true);
    expect(Array.from({ length: 6 }, (_, i) => outliers.isEjected(i)).indexOf(true)).toBe(3);
    expect(outliers.ejected).toBe(1);
  });

  it('forgets the counts of an interval that is over', () => {
    const outliers = detector(6);
    outliers.sweep(0, ALL_WELL);
    for (let round = 1; round <= 2; round++) {
      for (let i = 0; i < 6; i++) {
        for (let n = 0; n < 60; n++) outliers.record(i, i !== 3 || n % 2 === 0, OTHERS, 0);
      }
      expect(outliers.sweep(round * 10_000, ALL_WELL)).toBe(false);
    }
  });

  it('leaves one of those that are up, however bad their rates', () => {
    const outliers = detector(6, {
      ejectedMax: 1,
      successRate: { hosts: 5, requests: 100, deviations: 0.1 },
    });
    outliers.sweep(0, ALL_WELL);
    for (let i = 0; i < 6; i++) {
      for (let n = 0; n < 100; n++) outliers.record(i, i > 1 || n % 2 === 0, OTHERS, 0);
    }
    outliers.sweep(10_000, (index) => index < 2);
    expect(outliers.ejected).toBe(1);
  });

  it('does not eject by rate while nobody else is up', () => {
    const outliers = detector(6);
    outliers.sweep(0, ALL_WELL);
    for (let i = 0; i < 6; i++) {
      for (let n = 0; n < 100; n++) outliers.record(i, i !== 3 || n % 2 === 0, OTHERS, 0);
    }
    expect(outliers.sweep(10_000, (index) => index === 3)).toBe(false);
  });
});

describe('slackers()', () => {
  const rule = { hosts: 5, requests: 100, deviations: 1.9 };
  const ratesOf = (list: readonly number[]) => list.map((rate, index) => ({ index, rate }));

  it.each<[string, readonly number[], readonly number[]]>([
    ['none among equals', [1, 1, 1, 1, 1], []],
    ['none of too few', [1, 1, 1, 0], []],
    ['the one far below', [1, 1, 1, 1, 0.5], [4]],
    ['none of two camps', [1, 1, 1, 0.5, 0.5, 0.5], []],
    ['the worst first', [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.2, 0.1], [15, 14]],
  ])('finds %s', (_, rates, found) => {
    expect(slackers(ratesOf(rates), rule)).toEqual(found);
  });
});

describe('isGoodStatus()', () => {
  it.each([100, 200, 304, 404, 429, 499, 501, 505])('%i is good', (status) => {
    expect(isGoodStatus(status)).toBe(true);
  });

  it.each([0, 500, 502, 503, 504, 599])('%i is not', (status) => {
    expect(isGoodStatus(status)).toBe(false);
  });
});
