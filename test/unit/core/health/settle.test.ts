import { describe, expect, it } from 'vitest';
import {
  afterFall,
  FALLS_FREE,
  FLAP_WINDOW_MS,
  heldDownUntil,
  NEVER_FELL,
} from '../../../../src/core/health/damping.js';
import type { Verdict } from '../../../../src/core/health/quorum.js';
import { rampShare } from '../../../../src/core/health/ramp.js';
import { newStanding, type Standing, settle, shareNow } from '../../../../src/core/health/settle.js';

const UP: Verdict = { state: 'up', basis: 'observers', up: 1, known: 1 };
const DOWN: Verdict = { state: 'down', basis: 'observers', up: 0, known: 1 };
const LIMIT_MS = 60_000;
const GRACE_MS = 4_000;
const RULES = { holdDownMs: LIMIT_MS, graceMs: GRACE_MS };

function fallen(times: readonly number[]) {
  return times.reduce(afterFall, NEVER_FELL);
}

describe('flap damping', () => {
  it.each<[number, number]>([
    [1, 0],
    [3, 0],
    [4, 10_000],
    [5, 20_000],
    [6, 40_000],
    [7, 60_000],
    [40, 60_000],
  ])('keeps a target down after fall %d for %d ms', (falls, holdMs) => {
    const times = Array.from({ length: falls }, (_, i) => 1000 * i);
    expect(heldDownUntil(fallen(times), LIMIT_MS)).toBe(times.at(-1)! + holdMs);
  });

  it('forgets falls after the window', () => {
    const damping = fallen([0, 1, 2, 3, FLAP_WINDOW_MS + 3]);
    expect(damping.falls).toEqual([FLAP_WINDOW_MS + 3]);
  });

  it('holds nothing down with a limit of 0, and remembers a bounded number of falls', () => {
    const damping = fallen(Array.from({ length: 1000 }, (_, i) => i));
    expect(heldDownUntil(damping, 0)).toBe(999);
    expect(damping.falls.length).toBeLessThan(20);
  });

  it('has nothing to hold where nothing fell', () => {
    expect(heldDownUntil(NEVER_FELL, LIMIT_MS)).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('settle()', () => {
  /** Falls and returns, one a second each. */
  function flap(times: number): { standing: Standing; nowMs: number } {
    let standing = newStanding('up', 0);
    let nowMs = 0;
    for (let i = 0; i < times; i++) {
      standing = settle(standing, DOWN, RULES, ++nowMs);
      standing = settle(standing, UP, RULES, ++nowMs);
    }
    return { standing, nowMs };
  }

  it('follows the count while a target does not flap', () => {
    const { standing } = flap(FALLS_FREE);
    expect(standing).toMatchObject({ verdict: UP, returned: true });
  });

  it('keeps a flapping target down, says so, and lets it return when the time is over', () => {
    const { standing, nowMs } = flap(FALLS_FREE + 1);
    expect(standing.verdict).toEqual({ ...UP, state: 'down', basis: 'damped' });
    const fellMs = nowMs - 1;
    const still = settle(standing, UP, RULES, fellMs + 9_999);
    expect(still.verdict.basis).toBe('damped');
    const back = settle(still, UP, RULES, fellMs + 10_000);
    expect(back).toMatchObject({ verdict: UP, sinceMs: fellMs + 10_000, returned: true });
  });

  it('is down, not damped, while the count says down', () => {
    const { standing, nowMs } = flap(FALLS_FREE + 1);
    expect(settle(standing, DOWN, RULES, nowMs + 1).verdict).toEqual(DOWN);
  });

  it('does not call the first observation a return', () => {
    const standing = settle(newStanding('up', 0), UP, RULES, 1);
    expect(standing.returned).toBe(false);
    expect(shareNow(standing, 30_000, 2)).toBe(256);
  });
});

describe('settle() after a hold', () => {
  const held = (state: 'up' | 'down'): Verdict => ({ state, basis: 'held', up: 0, known: 0 });
  const run = (start: Standing, ...counts: readonly (readonly [number, Verdict])[]): Standing =>
    counts.reduce((standing, [nowMs, count]) => settle(standing, count, RULES, nowMs), start);
  const seen = run(newStanding('up', 0), [1, UP], [1000, held('up')]);

  it('keeps the last verdict through the grace period, and says that it is held', () => {
    const back = run(seen, [5000, DOWN]);
    expect(back.verdict).toEqual({ ...DOWN, state: 'up', basis: 'held' });
    expect(run(back, [5000 + GRACE_MS - 1, DOWN]).verdict.state).toBe('up');
    expect(run(back, [5000 + GRACE_MS, DOWN])).toMatchObject({ verdict: DOWN, sinceMs: 5000 + GRACE_MS });
  });

  it('has one grace period for each hold, whatever the counts say in between', () => {
    const back = run(seen, [5000, UP], [6000, DOWN]);
    expect(back.verdict).toMatchObject({ state: 'up', basis: 'held' });
    expect(run(back, [7000, UP], [5000 + GRACE_MS, DOWN]).verdict).toEqual(DOWN);
    expect(run(back, [8000, held('up')], [8500, DOWN], [8500 + GRACE_MS - 1, DOWN]).verdict.state).toBe('up');
  });

  it('is over where the others agree with the last verdict, and then follows at once', () => {
    const well = run(seen, [5000, UP], [5000 + GRACE_MS, UP]);
    expect(well.verdict).toEqual(UP);
    expect(run(well, [5000 + GRACE_MS + 1, DOWN]).verdict).toEqual(DOWN);
  });

  it('holds for a target that was down, too', () => {
    const down = run(newStanding('up', 0), [1, DOWN], [1000, held('down')], [2000, UP]);
    expect(down.verdict).toMatchObject({ state: 'down', basis: 'held' });
    expect(run(down, [2000 + GRACE_MS, UP])).toMatchObject({ verdict: UP, returned: true });
  });

  it('does not delay the first verdict of a start', () => {
    expect(run(newStanding('up', 0), [1, held('up')], [2, DOWN]).verdict).toEqual(DOWN);
  });
});

describe('the recovery ramp', () => {
  it.each<[number, number, number]>([
    [0, 30_000, 1],
    [-5000, 30_000, 1],
    [100, 30_000, 1],
    [15_000, 30_000, 128],
    [29_999, 30_000, 255],
    [30_000, 30_000, 256],
    [0, 0, 256],
  ])('gives %d ms after a return, with a ramp of %d ms, %d of 256', (elapsedMs, rampMs, share) => {
    expect(rampShare(elapsedMs, rampMs)).toBe(share);
  });

  it('counts from the return, and only while the target is up', () => {
    const down = settle(newStanding('up', 0), DOWN, { holdDownMs: 0, graceMs: 0 }, 10);
    expect(shareNow(down, 1000, 20)).toBe(256);
    const up = settle(down, UP, { holdDownMs: 0, graceMs: 0 }, 1000);
    expect([1000, 1500, 2000].map((nowMs) => shareNow(up, 1000, nowMs))).toEqual([1, 128, 256]);
  });
});
