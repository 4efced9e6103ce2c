import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type PoolModel } from '../../../src/core/balance/model.js';
import { POOL_CELL } from '../../../src/proxy/cells.js';
import type { UpstreamEndpoint } from '../../../src/proxy/upstream-endpoint.js';
import { type PoolWaiter, UpstreamPool } from '../../../src/proxy/upstream-pool.js';
import { drawsOf } from '../../support/pick-context.js';

const QUEUE = { size: 3, timeoutMs: 2_000, standingMs: 300 };

/** A pool whose only endpoint takes one request at a time, and those who wait for it. */
function rig(changes: Partial<PoolModel> = {}) {
  const log: string[] = [];
  const pool = new UpstreamPool(
    {
      ...{ name: 'web', balance: 'round_robin' as const, queue: QUEUE, limits: { requests: 1 } },
      endpoints: [{ address: { host: '10.0.0.1', port: 80 }, weight: 1 }],
      ...changes,
    },
    DEFAULT_LIMITS,
    () => {},
    drawsOf(1),
  );
  let nowMs = 0;
  const pass = (ms: number): void => {
    for (let i = 0; i < ms; i += 100) {
      nowMs += 100;
      pool.tick(nowMs);
    }
  };
  const waiter = (name: string): PoolWaiter => ({
    tried: [],
    key: -1,
    onEndpoint(endpoint: UpstreamEndpoint) {
      pool.enter(endpoint);
      log.push(name);
    },
    onQueueTimeout: () => void log.push(`${name} is late`),
    onUnavailable: (why: string) => void log.push(`${name}: ${why}`),
  });
  /** A request comes: it is served, or waits; its ticket. */
  const come = (name: string) => {
    const one = waiter(name);
    const picked = pool.pick([]);
    if (typeof picked !== 'string') {
      one.onEndpoint(picked);
      return { one, ticket: -1 };
    }
    const ticket = pool.enqueue(one);
    if (ticket < 0) log.push(`${name} is refused`);
    return { one, ticket };
  };
  const finish = (): void => {
    pool.leave(pool.endpoints[0]!);
    pool.serve();
  };
  pass(100);
  return { pool, log, pass, come, finish };
}

describe('a queue of a pool', () => {
  it('is first come, first served, at first', () => {
    const { log, come, finish } = rig();
    for (const name of ['a', 'b', 'c', 'd']) come(name);
    for (let i = 0; i < 3; i++) finish();
    expect(log).toEqual(['a', 'b', 'c', 'd']);
  });

  it('serves the newest first once it has been standing, and the oldest first again after it was empty', () => {
    const { pool, log, pass, come, finish } = rig();
    for (const name of ['a', 'b', 'c']) come(name);
    pass(400);
    expect(pool.newestFirst).toBe(true);
    come('d');
    for (let i = 0; i < 3; i++) finish();
    expect(log).toEqual(['a', 'd', 'c', 'b']);
    expect(pool.newestFirst).toBe(false);
    for (const name of ['e', 'f']) come(name);
    for (let i = 0; i < 2; i++) finish();
    expect(log.slice(4)).toEqual(['e', 'f']);
  });

  it('is first come, first served for ever without `standing`', () => {
    const { log, pass, come, finish } = rig({ queue: { size: 3, timeoutMs: 2_000 } });
    for (const name of ['a', 'b', 'c']) come(name);
    pass(1_000);
    come('d');
    for (let i = 0; i < 3; i++) finish();
    expect(log).toEqual(['a', 'b', 'c', 'd']);
  });

  it('lets the oldest give way to the newest where it is full and standing; they are told with the next tick', () => {
    const { pool, log, pass, come, finish } = rig();
    for (const name of ['a', 'b', 'c', 'd']) come(name);
    come('e');
    expect(log).toEqual(['a', 'e is refused']);
    pass(400);
    come('f');
    come('g');
    expect(log).toHaveLength(2);
    expect(pool.owesAnswers).toBe(true);
    expect(pool.queued).toBe(3);
    pass(100);
    expect(log.slice(2)).toEqual(['b is late', 'c is late']);
    expect(pool.tally.cells[POOL_CELL.DISPLACED]).toBe(2);
    for (let i = 0; i < 3; i++) finish();
    expect(log.slice(4)).toEqual(['g', 'f', 'd']);
  });

  it('never tells one that gave way and then left', () => {
    const { pool, log, pass, come } = rig();
    come('a');
    const b = come('b');
    for (const name of ['c', 'd']) come(name);
    pass(400);
    come('e');
    pool.cancel(b.ticket, b.one);
    pass(100);
    expect(log).toEqual(['a']);
    expect(pool.owesAnswers).toBe(false);
    // Who has that place now is still there.
    expect(pool.queued).toBe(3);
  });

  it('keeps the deadline of everybody, whatever the order', () => {
    const { log, pass, come, finish } = rig();
    for (const name of ['a', 'b']) come(name);
    pass(1_500);
    come('c');
    finish();
    pass(500);
    expect(log).toEqual(['a', 'c', 'b is late']);
  });

  it('tells each one exactly one thing, whatever happens', () => {
    const step = fc.constantFrom('come', 'finish', 'pass', 'leave');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { pool, log, pass, come, finish } = rig();
        const waiting = new Map<string, ReturnType<typeof come>>();
        let names = 0;
        for (const one of steps) {
          if (one === 'come') {
            const name = `r${names++}`;
            waiting.set(name, come(name));
          } else if (one === 'finish' && pool.activeOf(0) > 0) finish();
          else if (one === 'pass') pass(200);
          else if (one === 'leave') {
            const told = new Set(log.map((line) => line.split(' ')[0]!));
            const found = [...waiting].find(([name]) => !told.has(name));
            if (found === undefined) continue;
            pool.cancel(found[1].ticket, found[1].one);
            log.push(`${found[0]} left`);
          }
        }
        while (pool.activeOf(0) > 0) finish();
        pass(2_200);
        const told = log.map((line) => line.split(' ')[0]!);
        expect(told.toSorted()).toEqual([...waiting.keys()].toSorted());
      }),
    );
  });
});

describe('an adaptive limit of a pool', () => {
  const LIMITED = { concurrency: { min: 2, max: 100, tolerance: 0.2 }, limits: {} };

  it('bounds what is in progress at all endpoints together, and says so', () => {
    const { pool, log, come, finish } = rig({ ...LIMITED, concurrency: { min: 2, max: 2, tolerance: 0.2 } });
    for (const name of ['a', 'b', 'c']) come(name);
    expect(log).toEqual(['a', 'b']);
    expect(pool.concurrencyLimit).toBe(2);
    expect(pool.tally.cells[POOL_CELL.CONCURRENCY_REFUSED]).toBe(1);
    finish();
    expect(log).toEqual(['a', 'b', 'c']);
  });

  it('falls when answers take longer, but not by failures that come quickly', () => {
    const { pool, pass } = rig(LIMITED);
    const endpoint = pool.endpoints[0]!;
    const answers = (count: number, status: number, latencyMs: number): void => {
      for (let i = 0; i < 20; i++) pool.enter(endpoint);
      for (let i = 0; i < count; i++) pool.result(endpoint, status, latencyMs);
      for (let i = 0; i < 20; i++) pool.leave(endpoint);
      pass(100);
    };
    answers(60, 200, 20);
    const begun = pool.concurrencyLimit;
    for (let i = 0; i < 5; i++) answers(60, 503, 1);
    expect(pool.concurrencyLimit).toBe(begun);
    for (let i = 0; i < 5; i++) answers(60, 200, 80);
    expect(pool.concurrencyLimit).toBeLessThan(begun / 2);
  });

  it('goes on in a pool that a reload made, under the same settings', () => {
    const { pool, pass } = rig(LIMITED);
    const endpoint = pool.endpoints[0]!;
    for (let i = 0; i < 20; i++) pool.enter(endpoint);
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 60; i++) pool.result(endpoint, 200, 20);
      pass(100);
    }
    expect(pool.concurrencyLimit).toBeGreaterThan(20);
    const [same, other] = [
      rig(LIMITED).pool,
      rig({ ...LIMITED, concurrency: { min: 3, max: 100, tolerance: 0.2 } }).pool,
    ];
    same.adopt(pool);
    other.adopt(pool);
    expect([same.concurrencyLimit, other.concurrencyLimit]).toEqual([pool.concurrencyLimit, 20]);
  });
});
