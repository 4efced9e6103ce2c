import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type ProxyModel } from '../../../src/core/balance/model.js';
import { LATENCY_CELLS, latencyCount } from '../../../src/core/tally/latency.js';
import { CellBook } from '../../../src/proxy/cell-book.js';
import { CellPublisher } from '../../../src/proxy/cell-publisher.js';
import {
  cellBytes,
  ENDPOINT_CELL,
  LISTENER_CELL,
  OTHER_SLOT,
  POOL_CELL,
  POOL_SLOTS,
  WorkerCells,
} from '../../../src/proxy/cells.js';
import { countStatus, ListenerCounters } from '../../../src/proxy/counters.js';
import { PoolTally } from '../../../src/proxy/pool-tally.js';

function modelOf(
  pools: Readonly<Record<string, readonly number[]>>,
  ports: readonly number[] = [80],
): ProxyModel {
  return {
    node: { name: 'p', region: 'r' },
    workers: 1,
    io: 'auto',
    reportTo: [],
    admin: null,
    listeners: ports.map((port) => ({
      protocol: 'http',
      listen: { host: '127.0.0.1', port },
      routes: Object.keys(pools).map((pool) => ({ match: { pathPrefix: `/${pool}` }, pool })),
      trusted: [],
    })),
    pools: Object.entries(pools).map(([name, endpoints]) => ({
      name,
      balance: 'round_robin',
      endpoints: endpoints.map((port) => ({ address: { host: '10.0.0.1', port }, weight: 1 })),
    })),
    timeouts: DEFAULT_TIMEOUTS,
    limits: DEFAULT_LIMITS,
  };
}

class FakePool {
  readonly tally: PoolTally;
  readonly endpoints: { index: number; connections: number; idle: number; connectFailures: number }[];
  active = 0;
  queued = 0;

  constructor(endpoints: number) {
    this.tally = new PoolTally(endpoints);
    this.endpoints = Array.from({ length: endpoints }, (_, index) => {
      return { index, connections: 0, idle: 0, connectFailures: 0 };
    });
  }

  activeOf(index: number): number {
    return index === 0 ? this.active : 0;
  }
}

/** A worker that publishes by a plan. */
function worker(book: CellBook, model: ProxyModel) {
  const memory = book.open();
  const publisher = new CellPublisher(memory);
  const listeners = model.listeners.map(() => new ListenerCounters(''));
  const pools = model.pools.map(({ endpoints }) => new FakePool(endpoints.length));
  publisher.use(book.plan(model), listeners, pools);
  return { memory, publisher, listener: listeners[0]!, pool: pools[0]! };
}

const WEB = modelOf({ web: [1, 2] });

describe('CellBook', () => {
  it('adds up what the workers count', () => {
    const book = new CellBook();
    const [a, b] = [worker(book, WEB), worker(book, WEB)];
    a.listener.connections += 2;
    b.listener.connections += 3;
    b.listener.bytesOut += 2 ** 40;
    countStatus(a.listener.classesOf('web'), 204);
    countStatus(b.listener.classesOf('web'), 503);
    countStatus(b.listener.unrouted, 400);
    for (const { pool, publisher } of [a, b]) {
      pool.tally.issued();
      pool.tally.answered(1, 502, 3);
      pool.active = 2;
      publisher.publish();
    }

    const [listener] = book.listeners();
    expect(listener).toMatchObject({ listener: '127.0.0.1:80' });
    expect(listener!.cells[LISTENER_CELL.CONNECTIONS]).toBe(5);
    expect(listener!.cells[LISTENER_CELL.BYTES_OUT]).toBe(2 ** 40);
    expect(listener!.cells[LISTENER_CELL.UNROUTED + 4]).toBe(1);
    expect([...listener!.routes.get('web')!.subarray(0, 6)]).toEqual([0, 0, 1, 0, 0, 1]);
    const [pool] = book.pools();
    expect(pool!.cells[POOL_CELL.ISSUED]).toBe(2);
    expect(pool!.cells[POOL_CELL.ERRORS]).toBe(2);
    expect(pool!.cells[POOL_CELL.IN_FLIGHT]).toBe(4);
    expect(latencyCount(pool!.cells.subarray(POOL_CELL.LATENCY))).toBe(2);
    expect(
      book.endpoints().map(({ pool, endpoint, cells }) => [pool, endpoint, cells[ENDPOINT_CELL.ERRORS]]),
    ).toEqual([
      ['web', '10.0.0.1:1', 0],
      ['web', '10.0.0.1:2', 2],
    ]);
  });

  it('keeps what a worker counted that ended, but not what it had open', () => {
    const book = new CellBook();
    const first = worker(book, WEB);
    first.listener.connections++;
    first.listener.active++;
    first.pool.active = 3;
    first.pool.endpoints[0]!.connections = 4;
    first.pool.endpoints[0]!.connectFailures = 5;
    first.publisher.publish();
    expect(book.pools()[0]!.cells[POOL_CELL.IN_FLIGHT]).toBe(3);
    book.close(first.memory);
    const second = worker(book, WEB);
    second.listener.connections++;
    second.publisher.publish();
    const [listener] = book.listeners();
    expect(listener!.cells[LISTENER_CELL.CONNECTIONS]).toBe(2);
    expect(listener!.cells[LISTENER_CELL.ACTIVE]).toBe(0);
    expect(book.pools()[0]!.cells[POOL_CELL.CONNECT_FAILURES]).toBe(5);
    expect(book.pools()[0]!.cells[POOL_CELL.IN_FLIGHT]).toBe(0);
    expect(book.endpoints()[0]!.cells[ENDPOINT_CELL.CONNECTIONS]).toBe(0);
    book.close(first.memory);
    expect(book.listeners()[0]!.cells[LISTENER_CELL.CONNECTIONS]).toBe(2);
  });

  it('lets counters go on over a reload, also of what was gone meanwhile', () => {
    const book = new CellBook();
    const { pool, publisher } = worker(book, WEB);
    pool.tally.retried();
    publisher.use(book.plan(modelOf({ api: [3] })), [], [new FakePool(1)]);
    expect(book.pools().map(({ pool }) => pool)).toEqual(['api']);
    const web = new FakePool(2);
    web.tally.retried();
    publisher.use(book.plan(modelOf({ api: [3], web: [2, 1] })), [], [new FakePool(1), web]);
    expect(book.pools().map(({ pool, cells }) => [pool, cells[POOL_CELL.RETRIED]])).toEqual([
      ['api', 0],
      ['web', 2],
    ]);
    expect(book.endpoints().map(({ endpoint }) => endpoint)).toEqual([
      '10.0.0.1:3',
      '10.0.0.1:2',
      '10.0.0.1:1',
    ]);
  });

  it('counts what is left of a replaced listener and pool beside their successors', () => {
    const book = new CellBook();
    const { listener, pool, publisher } = worker(book, WEB);
    listener.active = 2;
    pool.active = 2;
    const [nextListener, nextPool] = [new ListenerCounters(''), new FakePool(2)];
    nextListener.active = 1;
    nextPool.active = 1;
    publisher.use(book.plan(WEB), [nextListener], [nextPool]);
    const now = () => [
      book.listeners()[0]!.cells[LISTENER_CELL.ACTIVE],
      book.pools()[0]!.cells[POOL_CELL.IN_FLIGHT],
    ];
    expect(now()).toEqual([3, 3]);
    listener.active = 0;
    pool.active = 0;
    publisher.publish();
    expect(now()).toEqual([1, 1]);
    listener.active = 7;
    publisher.publish();
    expect(now()).toEqual([1, 1]);
  });

  it('gives a slot that was out of use for longest to a new name, empty', () => {
    const book = new CellBook();
    const { pool, publisher } = worker(book, modelOf({ old: [1] }));
    pool.tally.failed('no_room');
    publisher.publish();
    const names = Array.from({ length: POOL_SLOTS - 2 }, (_, i) => [`pool-${i}`, []] as const);
    book.plan(modelOf(Object.fromEntries(names), []));
    const plan = book.plan(modelOf({ ...Object.fromEntries(names), new: [] }, []));
    expect(plan.pools.at(-1)!.slot).not.toBe(OTHER_SLOT);
    expect(book.pools().at(-1)!.cells[POOL_CELL.SHED]).toBe(0);
    const more = book.plan(modelOf({ ...Object.fromEntries(names), new: [], newer: [] }, []));
    expect(more.pools.at(-1)!.slot).toBe(OTHER_SLOT);
  });

  it('makes plans that can be sent to a worker', () => {
    const plan = new CellBook().plan(WEB);
    expect(structuredClone(plan)).toEqual(plan);
  });
});

describe('WorkerCells', () => {
  it('has no two cells in one place', () => {
    const cells = new WorkerCells(new SharedArrayBuffer(cellBytes()));
    const views = [1, 2].flatMap((slot) => [
      cells.listener(slot),
      cells.route(slot),
      cells.pool(slot),
      cells.endpoint(slot),
    ]);
    const ranges = views
      .map(({ byteOffset, byteLength }) => [byteOffset, byteOffset + byteLength] as const)
      .toSorted(([a], [b]) => a - b);
    for (const [i, [from]] of ranges.entries()) {
      if (i > 0) expect(from).toBeGreaterThanOrEqual(ranges[i - 1]![1]);
    }
  });

  it('has room for a histogram in a pool', () => {
    expect(POOL_CELL.STRIDE - POOL_CELL.LATENCY).toBeGreaterThanOrEqual(LATENCY_CELLS);
  });
});
