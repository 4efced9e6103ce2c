import { describe, expect, it } from 'vitest';
import { SLOW_START_STEPS } from '../../../../src/core/balance/slow-start.js';
import { BreakerBank, type BreakerModel, DEFAULT_BREAKER } from '../../../../src/core/limit/breaker.js';

/** In the middle: no jitter. */
const DRAW = 0.5;

function bank(changes: Partial<BreakerModel> = {}, endpoints = 1): BreakerBank {
  return new BreakerBank(endpoints, { ...DEFAULT_BREAKER, ...changes });
}

type Answer = 'good' | 'bad' | 'slow';

/** Answers in turn, one in a millisecond; after how many of them it opened, 0 if it did not. */
function answersToOpen(of: BreakerBank, answers: readonly Answer[], fromMs = 0): number {
  for (const [i, answer] of answers.entries()) {
    if (of.record(0, answer !== 'bad', answer === 'slow' ? 500 : 1, fromMs + i, DRAW)) return i + 1;
  }
  return 0;
}

function times(count: number, ...answers: readonly Answer[]): readonly Answer[] {
  return Array.from({ length: count }, () => answers).flat();
}

/** Opens the breaker at `nowMs`. */
function open(of: BreakerBank, nowMs: number, draw = DRAW): void {
  for (let i = 0; i < 5; i++) of.record(0, false, 1, nowMs, draw);
}

describe('a closed breaker', () => {
  const slow = { ms: 500, rate: 0.5 };

  it.each<[string, Partial<BreakerModel>, readonly Answer[], number]>([
    ['failures in a row', {}, times(9, 'bad'), 5],
    ['failures in a row, begun anew by a good one', {}, [...times(4, 'bad'), 'good', ...times(9, 'bad')], 10],
    ['no failures in a row if that is off', { consecutive: 0 }, times(19, 'bad'), 0],
    ['the failure rate, from the volume on', { consecutive: 0 }, times(30, 'bad'), 20],
    ['the failure rate at its bound', {}, times(20, 'good', 'bad'), 20],
    ['no rate below the bound', {}, times(20, 'good', 'good', 'bad'), 0],
    ['no rate if that is off', { failureRate: null }, times(40, 'good', 'bad'), 0],
    ['slow answers', { slow }, times(30, 'slow'), 20],
    ['no slow answers below the bound', { slow }, times(30, 'good', 'good', 'slow'), 0],
    ['no slow answers if they are not counted', {}, times(50, 'slow'), 0],
  ])('opens by %s', (_, changes, answers, expected) => {
    const breaker = bank(changes);
    expect(answersToOpen(breaker, answers)).toBe(expected);
    expect(breaker.state(0)).toBe(expected > 0 ? 'open' : 'closed');
    expect(breaker.isBarred(0)).toBe(expected > 0);
  });

  it('forgets what is older than its window', () => {
    const breaker = bank({ consecutive: 0, windowMs: 10_000 });
    expect(answersToOpen(breaker, times(19, 'bad'))).toBe(0);
    expect(answersToOpen(breaker, times(10, 'good', 'bad'), 11_000)).toBe(20);
  });

  it('knows nothing of other endpoints', () => {
    const breaker = bank({}, 2);
    open(breaker, 0);
    expect([breaker.state(0), breaker.state(1)]).toEqual(['open', 'closed']);
  });
});

describe('an open breaker', () => {
  it('ends after its time, and counts no answers that come late', () => {
    const breaker = bank({ openMs: 5_000 });
    open(breaker, 1_000);
    expect(breaker.opensForMs(0, 2_000)).toBe(4_000);
    expect(breaker.record(0, true, 1, 2_000, DRAW)).toBe(false);
    expect(breaker.sweep(5_999)).toBe(false);
    expect(breaker.sweep(6_000)).toBe(true);
    expect(breaker.state(0)).toBe('half_open');
  });

  it.each([
    [0, 4_000],
    [0.5, 5_000],
    [1, 6_000],
  ])('lasts by a draw of %s %i ms', (draw, expected) => {
    const breaker = bank({ openMs: 5_000, jitter: 0.2 });
    open(breaker, 0, draw);
    expect(breaker.opensForMs(0, 0)).toBeCloseTo(expected);
  });

  it('lasts twice as long each time its trials fail, up to the maximum', () => {
    const breaker = bank({ openMs: 5_000, openMsMax: 30_000 });
    let nowMs = 0;
    const lasted: number[] = [];
    open(breaker, nowMs);
    for (let i = 0; i < 20; i++) {
      const forMs = breaker.opensForMs(0, nowMs);
      lasted.push(forMs);
      nowMs += forMs;
      breaker.sweep(nowMs);
      breaker.enter(0, nowMs);
      expect(breaker.record(0, false, 1, nowMs, DRAW)).toBe(true);
    }
    expect(lasted.slice(0, 4)).toEqual([5_000, 10_000, 20_000, 30_000]);
    expect(lasted.at(-1)).toBe(30_000);
  });

  it.each([
    ['goes on where it was', 14_000, 10_000],
    ['begins anew after a quiet time', 15_001, 5_000],
  ])('after it was closed %s', (_, closedForMs, expected) => {
    const breaker = bank({ openMs: 5_000, trials: 1, rampMs: 10_000 });
    open(breaker, 0);
    breaker.sweep(5_000);
    breaker.enter(0, 5_000);
    breaker.record(0, true, 1, 5_000, DRAW);
    expect(breaker.state(0)).toBe('closed');
    open(breaker, 5_000 + closedForMs);
    expect(breaker.opensForMs(0, 5_000 + closedForMs)).toBe(expected);
  });
});

describe('a half-open breaker', () => {
  function trying(changes: Partial<BreakerModel> = {}): BreakerBank {
    const breaker = bank({ trials: 3, openMs: 5_000, ...changes });
    open(breaker, 0);
    breaker.sweep(5_000);
    return breaker;
  }

  it('lets as many through as it wants to try', () => {
    const breaker = trying();
    expect([1, 2, 3].map(() => breaker.enter(0, 5_000))).toEqual([false, false, true]);
    expect(breaker.isBarred(0)).toBe(true);
  });

  it('closes when all of them were good, and its share grows', () => {
    const breaker = trying({ rampMs: 10_000 });
    for (let i = 0; i < 3; i++) breaker.enter(0, 5_000);
    expect([1, 2, 3].map(() => breaker.record(0, true, 1, 5_010, DRAW))).toEqual([false, false, true]);
    expect(breaker.state(0)).toBe('closed');
    expect([5_010, 10_010, 15_010].map((nowMs) => breaker.steps(0, nowMs))).toEqual([
      2,
      10,
      SLOW_START_STEPS,
    ]);
    // What was before counts no more.
    expect(answersToOpen(breaker, times(4, 'bad'), 5_020)).toBe(0);
  });

  it.each([
    ['one fails', false, 1],
    ['one is slow', true, 500],
  ])('opens again when %s', (_, good, latencyMs) => {
    const breaker = trying({ slow: { ms: 500, rate: 1 } });
    breaker.enter(0, 5_000);
    expect(breaker.record(0, good, latencyMs, 5_600, DRAW)).toBe(true);
    expect(breaker.state(0)).toBe('open');
  });

  it('does not count who was asked before', () => {
    const breaker = trying();
    breaker.enter(0, 5_000);
    expect(breaker.record(0, false, 4_000, 6_000, DRAW)).toBe(false);
    expect(breaker.record(0, false, 500, 6_000, DRAW)).toBe(true);
  });

  it('tries again where trials got no verdict', () => {
    const breaker = trying();
    for (let i = 0; i < 3; i++) breaker.enter(0, 5_000);
    breaker.record(0, true, 1, 5_010, DRAW);
    expect(breaker.sweep(9_999)).toBe(false);
    expect(breaker.sweep(10_000)).toBe(true);
    expect([1, 2].map(() => breaker.enter(0, 10_000))).toEqual([false, true]);
    for (let i = 0; i < 2; i++) breaker.record(0, true, 1, 10_000, DRAW);
    expect(breaker.state(0)).toBe('closed');
  });
});

describe('a forced breaker', () => {
  it('stays open, and tries when it is given back', () => {
    const breaker = bank();
    expect(breaker.force(0, 'open', 0)).toBe(true);
    expect(breaker.force(0, 'open', 0)).toBe(false);
    expect(breaker.sweep(1e9)).toBe(false);
    expect([breaker.state(0), breaker.opensForMs(0, 0)]).toEqual(['open', Number.POSITIVE_INFINITY]);
    breaker.force(0, 'auto', 10);
    expect([breaker.state(0), breaker.isBarred(0)]).toEqual(['half_open', false]);
  });

  it('stays closed whatever the answers, and counts anew when it is given back', () => {
    const breaker = bank();
    open(breaker, 0);
    breaker.force(0, 'closed', 1);
    expect([breaker.state(0), breaker.steps(0, 1)]).toEqual(['closed', SLOW_START_STEPS]);
    expect(answersToOpen(breaker, times(40, 'bad'), 2)).toBe(0);
    breaker.force(0, 'auto', 50);
    expect(answersToOpen(breaker, times(40, 'bad'), 51)).toBe(5);
  });
});

describe('BreakerBank.adopt()', () => {
  it('takes over state, time and counts of an endpoint with another index', () => {
    const old = bank({}, 2);
    for (let i = 0; i < 5; i++) old.record(1, false, 1, 0, DRAW);
    for (let i = 0; i < 4; i++) old.record(0, false, 1, 0, DRAW);
    const now = bank({}, 3);
    now.adopt(0, old, 1);
    now.adopt(2, old, 0);
    expect([0, 1, 2].map((i) => now.state(i))).toEqual(['open', 'closed', 'closed']);
    expect(now.opensForMs(0, 0)).toBe(5_000);
    expect(now.record(2, false, 1, 1, DRAW)).toBe(true);
  });
});
