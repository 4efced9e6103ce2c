import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, DEFAULT_OUTLIER, type PoolModel } from '../../../src/core/balance/model.js';
import type { UpstreamEndpoint } from '../../../src/proxy/upstream-endpoint.js';
import { type PoolWaiter, UpstreamPool } from '../../../src/proxy/upstream-pool.js';
import { drawsOf } from '../../support/pick-context.js';

function rig(changes: Partial<PoolModel> = {}, endpoints = 3) {
  const events: string[] = [];
  const model: PoolModel = {
    name: 'web',
    balance: 'round_robin',
    endpoints: Array.from({ length: endpoints }, (_, i) => ({
      address: { host: `10.0.0.${i}`, port: 80 },
      weight: 1,
    })),
    ...changes,
  };
  const pool = new UpstreamPool(
    model,
    { ...DEFAULT_LIMITS, upstreamConnections: 2, upstreamIdle: 2 },
    (_, endpoint, up, detail) => events.push(`${endpoint} ${up ? 'up' : 'down'} ${detail}`),
    drawsOf(1),
  );
  /** Indexes of the next picks; failures by name. */
  const picks = (count: number, tried: readonly number[] = []): (number | string)[] =>
    Array.from({ length: count }, () => {
      const picked = pool.pick(tried);
      return typeof picked === 'string' ? picked : picked.index;
    });
  const counted = (count: number): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const one of picks(count)) counts[one] = (counts[one] ?? 0) + 1;
    return counts;
  };
  const fail = (index: number, times: number): void => {
    for (let i = 0; i < times; i++) pool.result(pool.endpoints[index]!, 503, 5);
  };
  return { pool, events, picks, counted, fail };
}

class TestWaiter implements PoolWaiter {
  readonly tried: readonly number[];
  readonly key = -1;
  got: number | string | null = null;
  readonly #pool: UpstreamPool;

  constructor(pool: UpstreamPool, tried: readonly number[] = []) {
    this.#pool = pool;
    this.tried = tried;
  }

  onEndpoint(endpoint: UpstreamEndpoint): void {
    this.#pool.enter(endpoint);
    this.got = endpoint.index;
  }

  onQueueTimeout(): void {
    this.got = 'late';
  }

  onUnavailable(why: string): void {
    this.got = why;
  }
}

describe('UpstreamPool.pick()', () => {
  it('goes round, without those already tried', () => {
    const { picks } = rig();
    expect(picks(6).toSorted()).toEqual([0, 0, 1, 1, 2, 2]);
    expect(new Set(picks(4, [1]))).toEqual(new Set([0, 2]));
    expect(picks(1, [0, 1, 2])).toEqual(['all_tried']);
    expect(picks(3).toSorted()).toEqual([0, 1, 2]);
  });

  it('passes over endpoints without room, and says when none has any', () => {
    const { pool, picks } = rig();
    pool.endpoints[0]!.connections = 2;
    expect(new Set(picks(6))).toEqual(new Set([1, 2]));
    for (const endpoint of pool.endpoints) endpoint.connections = 2;
    expect(picks(1)).toEqual(['no_room']);
    pool.endpoints[2]!.keepIdle({ destroy() {} });
    expect(picks(2)).toEqual([2, 2]);
  });

  it.each([
    ['connections', { connections: 1 }, (endpoint: UpstreamEndpoint) => endpoint.connections++],
    ['pending', { pending: 1 }, (endpoint: UpstreamEndpoint) => endpoint.connecting++],
    ['requests', { requests: 1 }, (endpoint: UpstreamEndpoint, pool: UpstreamPool) => pool.enter(endpoint)],
  ])('keeps to the limit of %s', (_, limits, fill) => {
    const { pool, picks } = rig({ limits });
    fill(pool.endpoints[1]!, pool);
    expect(new Set(picks(6))).toEqual(new Set([0, 2]));
  });

  it('has nobody when all are down', () => {
    const { pool, picks, events } = rig();
    for (const { index } of pool.endpoints) pool.judge(index, false, 'refused');
    expect(picks(1)).toEqual(['none_up']);
    expect(pool.healthy).toBe(0);
    expect(events).toHaveLength(3);
    pool.judge(1, true, '');
    expect(picks(2)).toEqual([1, 1]);
  });

  it('tells the same verdict once', () => {
    const { pool, events } = rig();
    pool.judge(0, true, '');
    pool.judge(0, false, 'a');
    pool.judge(0, false, 'b');
    expect(events).toEqual(['10.0.0.0:80 down a']);
    expect(pool.endpoints[0]!.detail).toBe('b');
  });

  it('in panic uses all, or none', () => {
    const open = rig({ panic: { threshold: 0.5, mode: 'open' } });
    const secure = rig({ panic: { threshold: 0.5, mode: 'secure' } });
    for (const { pool } of [open, secure]) for (const index of [0, 1]) pool.judge(index, false, '');
    expect(open.picks(3).toSorted()).toEqual([0, 1, 2]);
    expect(secure.picks(1)).toEqual(['panic']);
    expect([open.pool.panic, secure.pool.panic]).toEqual([true, true]);
  });

  it('keeps a key at its endpoint', () => {
    const { pool } = rig({ balance: 'ip_hash' });
    expect(pool.keySource).toEqual({ key: 'address' });
    const first = pool.pick([], 4711);
    for (let i = 0; i < 10; i++) expect(pool.pick([], 4711)).toBe(first);
  });

  it('wants no key where none decides', () => {
    expect(rig().pool.keySource).toBeNull();
  });
});

describe('an endpoint that drains', () => {
  it('gets nobody new and keeps no idle connection, and comes back', () => {
    const { pool, picks, events } = rig();
    let destroyed = 0;
    const connection = { destroy: () => void destroyed++ };
    const endpoint = pool.endpoints[0]!;
    endpoint.keepIdle(connection);
    pool.drain(0, true);
    expect(destroyed).toBe(1);
    expect(endpoint.keepIdle(connection)).toBe(false);
    expect(new Set(picks(6))).toEqual(new Set([1, 2]));
    expect(pool.healthy).toBe(2);
    pool.drain(0, false);
    expect(new Set(picks(3))).toEqual(new Set([0, 1, 2]));
    expect(events).toEqual(['10.0.0.0:80 down drained', '10.0.0.0:80 up resumed']);
  });
});

describe('a weight that changes', () => {
  it('counts from the next pick on', () => {
    const { pool, counted } = rig();
    pool.setWeight(0, 4);
    expect(counted(60)).toEqual({ 0: 40, 1: 10, 2: 10 });
    pool.setWeight(0, 0);
    expect(counted(60)).toEqual({ 1: 30, 2: 30 });
  });
});

describe('slow start', () => {
  it('gives an endpoint that came back its weight by steps', () => {
    const { pool, counted } = rig({ slowStart: { durationMs: 10_000, aggression: 1 } }, 2);
    pool.tick(1_000);
    expect(counted(100)[0]).toBe(50);
    pool.judge(0, false, '');
    pool.judge(0, true, '');
    const part = (): number => {
      const counts = counted(210);
      return counts[0]! / counts[1]!;
    };
    expect(part()).toBeCloseTo(0.1, 2);
    pool.tick(6_000);
    expect(part()).toBeCloseTo(0.5, 1);
    pool.tick(11_000);
    expect(part()).toBe(1);
  });

  it('does not slow down endpoints that were never down', () => {
    const { counted, pool } = rig({ slowStart: { durationMs: 10_000, aggression: 1 } }, 2);
    pool.judge(0, true, '');
    expect(counted(100)).toEqual({ 0: 50, 1: 50 });
  });
});

describe('passive health', () => {
  it('ejects for errors, comes back by itself, and says so', () => {
    const { pool, picks, fail, events } = rig({ outlier: DEFAULT_OUTLIER });
    pool.tick(0);
    fail(1, 4);
    pool.result(pool.endpoints[1]!, 404, 5);
    fail(1, 4);
    expect(pool.healthy).toBe(3);
    fail(1, 1);
    expect(pool.endpoints[1]).toMatchObject({ ejected: true, up: true, ejections: 1 });
    expect(new Set(picks(6))).toEqual(new Set([0, 2]));
    pool.tick(29_999);
    expect(pool.healthy).toBe(2);
    pool.tick(30_000);
    expect(pool.healthy).toBe(3);
    expect(events.map((event) => event.split(' ')[1])).toEqual(['down', 'up']);
  });

  it('ends an ejection at a good check', () => {
    const { pool, fail } = rig({ outlier: DEFAULT_OUTLIER });
    fail(1, 5);
    pool.passed(0);
    expect(pool.healthy).toBe(2);
    pool.passed(1);
    expect(pool.healthy).toBe(3);
  });

  it('ends an ejection when the endpoint is down and comes up again', () => {
    const { pool, fail } = rig({ outlier: DEFAULT_OUTLIER });
    fail(1, 5);
    pool.judge(1, false, '');
    pool.judge(1, true, '');
    expect(pool.endpoints[1]).toMatchObject({ ejected: false, available: true });
  });

  it('does not eject the last that is up', () => {
    const { pool, fail, picks } = rig({ outlier: DEFAULT_OUTLIER });
    pool.judge(0, false, '');
    pool.judge(2, false, '');
    fail(1, 50);
    expect(picks(1)).toEqual([1]);
  });

  it('is off unless it is written', () => {
    const { pool, fail } = rig();
    fail(1, 50);
    expect(pool.healthy).toBe(3);
  });
});

describe('the queue', () => {
  const queue = { size: 2, timeoutMs: 1_000 };
  const limits = { requests: 1 };

  function full() {
    const made = rig({ queue, limits }, 2);
    made.pool.tick(0);
    for (const endpoint of made.pool.endpoints) made.pool.enter(endpoint);
    return made;
  }

  it('serves those who wait in their order, when room appears', () => {
    const { pool, picks } = full();
    const [a, b] = [new TestWaiter(pool), new TestWaiter(pool)];
    expect(picks(1)).toEqual(['no_room']);
    expect([pool.enqueue(a), pool.enqueue(b)]).toEqual([0, 1]);
    pool.serve();
    expect([a.got, b.got]).toEqual([null, null]);
    pool.leave(pool.endpoints[1]!);
    pool.serve();
    expect([a.got, b.got, pool.queued]).toEqual([1, null, 1]);
  });

  it('lets nobody overtake', () => {
    const { pool, picks } = full();
    const waiter = new TestWaiter(pool);
    pool.enqueue(waiter);
    pool.leave(pool.endpoints[0]!);
    expect(picks(1)).toEqual(['no_room']);
    pool.serve();
    expect(waiter.got).toBe(0);
  });

  it('is not for requests that come when nobody is up', () => {
    const { pool, picks } = full();
    pool.enqueue(new TestWaiter(pool));
    for (const { index } of pool.endpoints) pool.judge(index, false, '');
    expect(picks(1)).toEqual(['none_up']);
  });

  it('turns everybody away when nobody is left to wait for', () => {
    const { pool } = full();
    const [a, b] = [new TestWaiter(pool), new TestWaiter(pool, [0])];
    pool.enqueue(a);
    pool.enqueue(b);
    pool.judge(0, false, '');
    expect([a.got, b.got]).toEqual([null, null]);
    pool.judge(1, false, '');
    expect([a.got, b.got, pool.queued]).toEqual(['none_up', 'none_up', 0]);
  });

  it('turns everybody away in maintenance, and takes them again after it', () => {
    const { pool, picks } = full();
    const waiter = new TestWaiter(pool);
    pool.enqueue(waiter);
    pool.maintain(true);
    expect([waiter.got, pool.maintenance]).toEqual(['maintenance', true]);
    expect(picks(1)).toEqual(['maintenance']);
    for (const endpoint of pool.endpoints) pool.leave(endpoint);
    pool.maintain(false);
    expect(new Set(picks(2))).toEqual(new Set([0, 1]));
  });

  it('is full at its size', () => {
    const { pool } = full();
    const tickets = [1, 2, 3].map(() => pool.enqueue(new TestWaiter(pool)));
    expect(tickets).toEqual([0, 1, -1]);
    expect(rig().pool.enqueue(new TestWaiter(pool))).toBe(-1);
  });

  it('ends a wait that is too long, and forgets who left', () => {
    const { pool } = full();
    const [a, b] = [new TestWaiter(pool), new TestWaiter(pool)];
    const ticket = pool.enqueue(a);
    pool.enqueue(b);
    pool.cancel(ticket, a);
    pool.tick(999);
    expect(b.got).toBeNull();
    pool.tick(1_000);
    expect([a.got, b.got, pool.queued]).toEqual([null, 'late', 0]);
  });

  it('serves at the latest at the next tick, even then before a wait is given up', () => {
    const { pool } = full();
    const waiter = new TestWaiter(pool);
    pool.enqueue(waiter);
    pool.leave(pool.endpoints[0]!);
    pool.tick(1_000);
    expect(waiter.got).toBe(0);
  });

  it('serves the next one when the first has tried what has room', () => {
    const { pool } = full();
    const [picky, other] = [new TestWaiter(pool, [0]), new TestWaiter(pool)];
    pool.enqueue(picky);
    pool.enqueue(other);
    pool.leave(pool.endpoints[0]!);
    pool.serve();
    expect([picky.got, other.got]).toEqual([null, 0]);
  });

  it('serves those who wait when an endpoint comes up', () => {
    const { pool } = full();
    pool.judge(0, false, '');
    const waiter = new TestWaiter(pool);
    pool.enqueue(waiter);
    pool.leave(pool.endpoints[0]!);
    pool.judge(0, true, '');
    expect(waiter.got).toBe(0);
  });
});
