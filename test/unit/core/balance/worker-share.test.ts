import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type PoolModel } from '../../../../src/core/balance/model.js';
import { limitsOfWorker, poolOfWorker, shareOf } from '../../../../src/core/balance/worker-share.js';

describe('shareOf()', () => {
  it.each([
    [10, 1, [10]],
    [10, 4, [3, 3, 2, 2]],
    [8, 4, [2, 2, 2, 2]],
    [2, 4, [1, 1, 1, 1]],
  ])('splits %i among %i', (limit, count, parts) => {
    expect(parts.map((_, index) => shareOf(limit, { index, count }))).toEqual(parts);
  });
});

describe('limits of one worker of two', () => {
  const place = { index: 1, count: 2 };

  it('are half of those of the proxy', () => {
    expect(limitsOfWorker(DEFAULT_LIMITS, place)).toEqual({
      connections: 5_000,
      upstreamConnections: 512,
      upstreamIdle: 64,
    });
    expect(limitsOfWorker({ ...DEFAULT_LIMITS, upstreamIdle: 0 }, place).upstreamIdle).toBe(0);
  });

  it('are half of those of a pool, where it has any', () => {
    const pool: PoolModel = { name: 'a', balance: 'first', endpoints: [] };
    expect(poolOfWorker(pool, place)).toEqual(pool);
    const limited = { ...pool, limits: { requests: 9, pending: 1 }, queue: { size: 11, timeoutMs: 5 } };
    expect(poolOfWorker(limited, place)).toEqual({
      ...pool,
      limits: { requests: 4, pending: 1 },
      queue: { size: 5, timeoutMs: 5 },
    });
  });
});
