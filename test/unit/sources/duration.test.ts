import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/sources/duration.js';

describe('parseDuration()', () => {
  it.each([
    ['500ms', 500],
    ['5s', 5000],
    ['1.5s', 1500],
    ['1m', 60_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['30', 30_000],
    [30, 30_000],
    [0.25, 250],
    [0, 0],
  ])('%s is %i ms', (value, expected) => {
    expect(parseDuration(value)).toBe(expected);
  });

  it.each(['', 's', '5 s', '-5s', '5S', '1h30m', '1e3s', -1, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses %j',
    (value) => {
      expect(parseDuration(value)).toBeUndefined();
    },
  );
});

it.each([
  [0, '0ms'],
  [1500, '1500ms'],
  [5000, '5s'],
  [90_000, '1m30s'],
  [86_400_000, '1d'],
])('formatDuration() writes %i ms as %s', (ms, expected) => {
  expect(formatDuration(ms)).toBe(expected);
});
