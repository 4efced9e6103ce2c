import { describe, expect, it } from 'vitest';
import {
  afterProbe,
  checksToFlip,
  healthTtlSeconds,
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

describe('healthTtlSeconds()', () => {
  it.each<[string, number, number]>([
    ['+', 5000, 15],
    ['+--', 5000, 5],
    ['-', 5000, 10],
    ['+', 300, 1],
    ['+', 500, 2],
  ])('after "%s" with an interval of %d ms is %d s', (results, intervalMs, expected) => {
    const thresholds = { fall: 3, rise: 2 };
    expect(healthTtlSeconds(after(results, thresholds), thresholds, intervalMs)).toBe(expected);
  });
});
