import { describe, expect, it } from 'vitest';
import { retryIntervalMs } from '../../../../src/core/zone/check.js';

describe('retryIntervalMs()', () => {
  it.each([
    [10_000, undefined, 2500],
    [5000, undefined, 1250],
    [4000, undefined, 1000],
    [2000, undefined, 1000],
    [500, undefined, 500],
    [10_000, 500, 500],
    [10_000, 10_000, 10_000],
    [10_000, 20_000, 10_000],
  ])('of an interval of %d ms and a retry interval of %s is %d ms', (intervalMs, retryMs, expected) => {
    expect(retryIntervalMs({ intervalMs, ...(retryMs !== undefined && { retryMs }) })).toBe(expected);
  });
});
