import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type PoolModel } from '../../../src/core/balance/model.js';
import { DEFAULT_BREAKER } from '../../../src/core/limit/breaker.js';
import { DEFAULT_RETRY_BUDGET } from '../../../src/core/limit/retry-budget.js';
import { UpstreamPool } from '../../../src/proxy/upstream-pool.js';
import { drawsOf } from '../../support/pick-context.js';

const BREAKER = { ...DEFAULT_BREAKER, jitter: 0, openMs: 5_000, rampMs: 10_000 };

function rig(changes: Partial<PoolModel> = {}, endpoints = 3) {
  const events: string[] = [];
  const model: PoolModel = {
    name: 'web',
    balance: 'round_robin',
    breaker: BREAKER,
    endpoints: Array.from({ length: endpoints }, (_, i) => ({
      address: { host: `10.0.0.${i}`, port: 80 },
      weight: 1,
    })),
    ...changes,
  };
  const onChange = (_: string, endpoint: string, up: boolean, detail: string): void => {
    events.push(`${endpoint} ${up ? 'up' : 'down'}: ${detail}`);
  };
  const pool = new UpstreamPool(model, { ...DEFAULT_LIMITS, upstreamConnections: 2 }, onChange, drawsOf(1));
  const pick = (tried: readonly number[] = []): number | string => {
    const picked = pool.pick(tried);
    return typeof picked === 'string' ? picked : picked.index;
  };
  const picks = (count: number): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const picked = pick();
      counts[picked] = (counts[picked] ?? 0) + 1;
    }
    return counts;
  };
  const answer = (index: number, status: number, times = 1): void => {
    for (let i = 0; i < times; i++) pool.result(pool.endpoints[index]!, status, 1);
  };
  /** One request to an endpoint, with its answer. */
  const use = (index: number, status: number): void => {
    const endpoint = pool.endpoints[index]!;
    pool.enter(endpoint);
    pool.leave(endpoint);
    pool.result(endpoint, status, 1);
  };
  return { pool, events, pick, picks, answer, use, model };
}

describe('a pool with circuit breakers', () => {
  it('passes over an endpoint whose breaker is open, and tells of it', () => {
    const { picks, answer, events, pool } = rig();
    answer(1, 500, 5);
    expect(picks(10)).toEqual({ 0: 5, 2: 5 });
    expect(events).toEqual(['10.0.0.1:80 down: its circuit breaker is open']);
    expect([pool.healthy, pool.endpoints[1]!.breakerOpenings]).toEqual([2, 1]);
  });

  it('says after what time to ask again when all are open', () => {
    const { pick, answer, pool } = rig();
    for (const index of [0, 1, 2]) answer(index, 500, 5);
    expect(pick()).toBe('breaker_open');
    expect(pool.retryAfterSeconds).toBe(5);
    pool.tick(4_500);
    expect(pool.retryAfterSeconds).toBe(1);
  });

  it('turns away those who wait in the queue as soon as the last one opens', () => {
    const { pool, answer } = rig({ queue: { size: 4, timeoutMs: 60_000 }, limits: { requests: 1 } });
    for (const endpoint of pool.endpoints) pool.enter(endpoint);
    const told: string[] = [];
    const waiter = {
      ...{ tried: [], key: -1, onEndpoint() {}, onQueueTimeout() {} },
      onUnavailable: (why: string) => told.push(why),
    };
    expect(pool.pick([])).toBe('no_room');
    pool.enqueue(waiter);
    for (const index of [0, 1]) answer(index, 500, 5);
    pool.serve();
    expect(told).toEqual([]);
    answer(2, 500, 5);
    pool.serve();
    expect([told, pool.queued]).toEqual([['breaker_open'], 0]);
  });

  it('does not use them in panic either, but backups', () => {
    const panic = rig({ panic: { threshold: 0.5, mode: 'open' } });
    for (const index of [0, 1]) panic.answer(index, 500, 5);
    expect(panic.picks(4)).toEqual({ 2: 4 });
    panic.answer(2, 500, 5);
    expect(panic.pick()).toBe('breaker_open');
    const spare = { address: { host: '10.9.0.1', port: 80 }, weight: 1, backup: true };
    const backed = rig({ endpoints: [{ address: { host: '10.0.0.0', port: 80 }, weight: 1 }, spare] });
    backed.answer(0, 500, 5);
    expect(backed.picks(4)).toEqual({ 1: 4 });
  });

  it('calls a pool down, not broken, whose checks say so', () => {
    const { pick, answer, pool } = rig({}, 1);
    answer(0, 500, 5);
    pool.judge(0, false, 'refused');
    expect(pick()).toBe('none_up');
  });

  it('lets trials through, then gives back the share by and by', () => {
    const { pool, answer, use, picks } = rig({}, 2);
    pool.tick(0);
    answer(0, 500, 5);
    pool.tick(5_000);
    expect(pool.endpoints[0]!.breaker).toBe('half_open');
    for (let i = 0; i < 3; i++) pool.enter(pool.endpoints[0]!);
    expect(picks(4)).toEqual({ 1: 4 });
    answer(0, 200, 3);
    expect(pool.endpoints[0]!.breaker).toBe('closed');
    expect(picks(110)).toEqual({ 0: 10, 1: 100 });
    pool.tick(15_100);
    expect(picks(10)).toEqual({ 0: 5, 1: 5 });
    use(0, 200);
  });

  it('takes part of the requests only, after all were open', () => {
    const { pool, answer, picks, use } = rig({}, 4);
    pool.tick(0);
    for (const index of [0, 1, 2, 3]) answer(index, 500, 5);
    for (const index of [1, 2, 3]) pool.forceBreaker(index, 'open');
    pool.tick(5_000);
    for (let i = 0; i < 3; i++) use(0, 200);
    pool.tick(15_000);
    // 1.4 × ¼, and 10 of 120 seconds.
    const refused = picks(2_000).breaker_open ?? 0;
    expect(refused / 2_000).toBeCloseTo(1 - 0.35 - 10 / 120, 1);
    pool.tick(90_000);
    expect(picks(100)).toEqual({ 0: 100 });
  });

  it('takes everything with those that are left, while not all were open', () => {
    const { answer, picks } = rig({}, 2);
    answer(0, 500, 5);
    expect(picks(100)).toEqual({ 1: 100 });
  });

  it('keeps breakers and budget over a change of the configuration', () => {
    const old = rig();
    old.pool.tick(1_000);
    old.answer(1, 500, 5);
    for (let i = 0; i < 3; i++) old.pool.retries.take(1_000, false);
    const next = rig({ balance: 'p2c', retryBudget: { ...DEFAULT_RETRY_BUDGET, ratio: 0.1 } });
    next.pool.adopt(old.pool);
    expect(next.pool.endpoints.map(({ breaker }) => breaker)).toEqual(['closed', 'open', 'closed']);
    expect(next.picks(20)[1]).toBeUndefined();
    expect(next.pool.retries.take(1_001, false)).toBe('budget');
    next.pool.tick(6_000);
    expect(next.pool.endpoints[1]!.breaker).toBe('half_open');
  });

  it('cannot force what is not there', () => {
    const { pool } = rig();
    expect(pool.forceBreaker(9, 'open')).toBe(false);
    const plain = new UpstreamPool({ name: 'w', balance: 'first', endpoints: [] }, DEFAULT_LIMITS);
    expect(plain.forceBreaker(0, 'open')).toBe(false);
  });
});

describe('limits of a pool as a whole', () => {
  it.each([
    ['requests', { requests: 2 }, (pool: UpstreamPool, i: number) => pool.enter(pool.endpoints[i]!)],
    ['connections', { connections: 2 }, (pool: UpstreamPool, i: number) => pool.endpoints[i]!.connections++],
    ['pending', { pending: 2 }, (pool: UpstreamPool, i: number) => pool.endpoints[i]!.connecting++],
  ] as const)('keeps to %s', (_, poolLimits, fill) => {
    const { pool, pick } = rig({ poolLimits });
    fill(pool, 0);
    expect(pick()).not.toBe('no_room');
    fill(pool, 1);
    expect(pick()).toBe('no_room');
  });

  it('uses kept connections also at the limit of connections', () => {
    const { pool, picks } = rig({ poolLimits: { connections: 1 } });
    pool.endpoints[2]!.connections = 1;
    pool.endpoints[2]!.keepIdle({ destroy() {} });
    expect(picks(4)).toEqual({ 2: 4 });
  });

  it('bounds the retries in progress', () => {
    const { pool } = rig({ poolLimits: { retries: 1 } });
    expect(pool.retries.take(0, true)).toBeNull();
    expect(pool.retries.take(0, true)).toBe('limit');
    // The second retry of the same request.
    expect(pool.retries.take(0, false)).toBeNull();
    pool.retries.leave();
    expect(pool.retries.take(0, true)).toBeNull();
  });
});
