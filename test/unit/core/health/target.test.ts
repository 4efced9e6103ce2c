import { describe, expect, it } from 'vitest';
import {
  afterProbe,
  checksToFlip,
  msToFlip,
  type TargetState,
  type Thresholds,
  UNOBSERVED,
} from '../../../../src/core/health/target.js';

/** Runs results (`+` ok, `-` failed) and writes the state after each: `u` up, `d` down, upper case on a change. */
function trace(results: string, thresholds: Thresholds): string {
  let state: TargetState = UNOBSERVED;
  return [...results]
    .map((result) => {
      const { next, changed } = afterProbe(state, result === '+', thresholds);
      state = next;
      const letter = next.state[0]!;
      return changed ? letter.toUpperCase() : letter;
    })
    .join('');
}

function after(results: string, thresholds: Thresholds): TargetState {
  return [...results].reduce(
    (state, result) => afterProbe(state, result === '+', thresholds).next,
    UNOBSERVED,
  );
}

describe('afterProbe()', () => {
  it.each<[string, Thresholds, string, string]>([
    ['takes the first success as up', { fall: 3, rise: 2 }, '+', 'U'],
    ['takes the first failure as down', { fall: 3, rise: 2 }, '-', 'D'],
    ['goes down after `fall` failures in a row', { fall: 3, rise: 1 }, '+---', 'UuuD'],
    ['forgets failures after one success', { fall: 3, rise: 1 }, '+--+--+---', 'UuuuuuuuuD'],
    ['goes up after `rise` successes in a row', { fall: 1, rise: 3 }, '-+++', 'DddU'],
    ['forgets successes after one failure while down', { fall: 1, rise: 2 }, '-+-+-++', 'DdddddU'],
    ['flips on every change with thresholds of one', { fall: 1, rise: 1 }, '+-+-', 'UDUD'],
    [
      'counts failures apart while `okReset` is not reached',
      { fall: 3, rise: 1, okReset: 2 },
      '+-+-+-',
      'UuuuuD',
    ],
    [
      'forgets failures after `okReset` successes in a row',
      { fall: 3, rise: 1, okReset: 2 },
      '+--++--++-',
      'Uuuuuuuuuu',
    ],
    ['starts to count anew after a flip', { fall: 2, rise: 2 }, '+--++--', 'UuDdUuD'],
  ])('%s', (_, thresholds, results, expected) => {
    expect(trace(results, thresholds)).toBe(expected);
  });
});

describe('checksToFlip()', () => {
  it.each<[string, number]>([
    ['', 1],
    ['+', 3],
    ['+-', 2],
    ['+--', 1],
    ['+--+', 3],
    ['-', 2],
    ['-+', 1],
  ])('after "%s" with fall 3 and rise 2 is %d', (results, expected) => {
    const thresholds = { fall: 3, rise: 2 };
    expect(checksToFlip(after(results, thresholds), thresholds)).toBe(expected);
  });
});

describe('msToFlip()', () => {
  const times = { intervalMs: 5000, retryMs: 1000 };

  it.each<[string, number, number]>([
    ['+', 1, 5000 + 2 * 1000],
    ['+-', 1, 2 * 1000],
    ['+--', 1, 1000],
    ['+--+', 1, 5000 + 2 * 1000],
    // A success that makes nothing forgotten yet is agreement, too.
    ['+-+', 3, 5000 + 1000],
    ['-', 1, 5000 + 1000],
    ['-+', 1, 1000],
    ['-+-', 1, 5000 + 1000],
  ])('after "%s" with an ok_reset of %d is %d ms', (results, okReset, expected) => {
    const thresholds = { fall: 3, rise: 2, okReset };
    expect(msToFlip(after(results, thresholds), results.endsWith('+'), thresholds, times)).toBe(expected);
  });
});
