import { describe, expect, it } from 'vitest';
import { backoffMs, retryAfterMs } from '../../../../src/core/limit/backoff.js';
import { DEFAULT_RETRIES, RetryPolicy, retryPolicy } from '../../../../src/core/limit/retry.js';
import { RetryBudget } from '../../../../src/core/limit/retry-budget.js';

describe('backoffMs()', () => {
  const MODEL = { baseMs: 25, maxMs: 250, retryAfterMs: 1_000 };

  it.each([
    [1, 0, null, 0],
    [1, 0.999, null, 24.975],
    [2, 0.5, null, 25],
    [3, 0.5, null, 50],
    [9, 0.5, null, 125],
    [2_000, 0.5, null, 125],
    [1, 0.5, 0, 12.5],
    [1, 0.5, 1_000, 1_012.5],
    [1, 0.5, 1_001, null],
    [1, 0.5, Number.POSITIVE_INFINITY, null],
  ])('before retry %i with a draw of %d and a Retry-After of %s: %s ms', (n, draw, asked, expected) => {
    const pauseMs = backoffMs(n, MODEL, draw, asked);
    if (expected === null) expect(pauseMs).toBeNull();
    else expect(pauseMs).toBeCloseTo(expected);
  });
});

describe('retryAfterMs()', () => {
  const NOW = Date.parse('2026-01-01T00:00:00Z');

  it.each([
    [null, null],
    ['0', 0],
    ['120', 120_000],
    ['1000000000000', 1e15],
    ['9'.repeat(1_000), Number.POSITIVE_INFINITY],
    ['-1', null],
    ['1.5', null],
    ['1e3', null],
    ['soon', null],
    ['', null],
    ['3,4', null],
    ['Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
    ['Wed, 31 Dec 2025 00:00:10 GMT', 0],
    ['Thu, 99 Foo 2026 00:00:10 GMT', null],
    ['Thursday, 01-Jan-26 00:00:10 GMT', null],
    ['2026-01-01T00:00:10Z', null],
  ])('reads %j as %s', (value, expected) => {
    expect(retryAfterMs(value, NOW)).toBe(expected);
  });
});

describe('RetryPolicy', () => {
  const policy = new RetryPolicy({
    ...DEFAULT_RETRIES,
    failures: ['reset'],
    statuses: [{ from: 502, to: 504 }],
  });

  it.each([
    [503, 'GET', true],
    [503, 'POST', false],
    [501, 'GET', false],
    [505, 'GET', false],
    [200, 'GET', false],
  ])('takes %i of a %s: %s', (status, method, expected) => {
    expect(policy.takesStatus(status, method)).toBe(expected);
  });

  it.each([
    ['connect', 'POST', true],
    ['reset', 'DELETE', true],
    ['reset', 'PATCH', false],
    ['timeout', 'GET', false],
  ] as const)('takes %s of a %s: %s', (failure, method, expected) => {
    expect(policy.takesFailure(failure, method)).toBe(expected);
  });

  it('is none where there are no retries', () => {
    expect(retryPolicy({ ...DEFAULT_RETRIES, max: 0 })).toBeNull();
  });
});

describe('RetryBudget', () => {
  it('allows the floor without any requests, in each window', () => {
    const budget = new RetryBudget({ ratio: 0.2, floor: 3, windowMs: 10_000 });
    const taken = (nowMs: number) => [1, 2, 3, 4].map(() => budget.take(nowMs));
    expect(taken(0)).toEqual([true, true, true, false]);
    expect(taken(9_999)).toEqual([false, false, false, false]);
    expect(taken(10_000)).toEqual([true, true, true, false]);
  });

  it('stays below its part of the requests', () => {
    const budget = new RetryBudget({ ratio: 0.2, floor: 0, windowMs: 10_000 });
    let retries = 0;
    for (let i = 0; i < 1_000; i++) {
      budget.request(i);
      if (budget.take(i)) retries++;
    }
    expect(retries).toBe(199);
  });

  it('allows none with a ratio and a floor of 0', () => {
    const budget = new RetryBudget({ ratio: 0, floor: 0, windowMs: 10_000 });
    budget.request(0);
    expect(budget.take(0)).toBe(false);
  });

  it('goes on with what another one of the same window counted', () => {
    const model = { ratio: 0.2, floor: 3, windowMs: 10_000 };
    const old = new RetryBudget(model);
    for (let i = 0; i < 3; i++) old.take(0);
    const same = new RetryBudget({ ...model, ratio: 0.5 });
    same.adopt(old);
    expect(same.take(1)).toBe(false);
    const other = new RetryBudget({ ...model, windowMs: 5_000 });
    other.adopt(old);
    expect(other.take(1)).toBe(true);
  });
});
