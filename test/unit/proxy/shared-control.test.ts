import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type ProxyModel } from '../../../src/core/balance/model.js';
import { DEFAULT_BREAKER } from '../../../src/core/limit/breaker.js';
import { decodeLatency, latencyCount } from '../../../src/core/tally/latency.js';
import { ENDPOINT_CELL, POOL_CELL } from '../../../src/proxy/cells.js';
import {
  type EndpointOrder,
  EndpointOrders,
  obey,
  type PoolOrder,
} from '../../../src/proxy/endpoint-orders.js';
import { proxyMetrics } from '../../../src/proxy/metrics.js';
import { PoolTally } from '../../../src/proxy/pool-tally.js';
import { proxyFacts, proxyServices } from '../../../src/proxy/proxy-report.js';
import { SharedControl } from '../../../src/proxy/shared-control.js';
import { UpstreamPool } from '../../../src/proxy/upstream-pool.js';

const endpoint = (port: number, weight = 1) => ({ address: { host: '10.0.0.1', port }, weight });
const MODEL: ProxyModel = {
  node: { name: 'p', region: 'r' },
  workers: 2,
  io: 'auto',
  reportTo: [],
  admin: null,
  listeners: [],
  pools: [{ name: 'web', balance: 'round_robin', endpoints: [endpoint(1, 3), endpoint(2), endpoint(3)] }],
  timeouts: DEFAULT_TIMEOUTS,
  limits: DEFAULT_LIMITS,
};

function rig() {
  const down = new Set<string>();
  const pool = new Float64Array(POOL_CELL.STRIDE);
  const cells = [1, 2, 3].map(() => new Float64Array(ENDPOINT_CELL.STRIDE));
  const sent: EndpointOrder[] = [];
  const sentOfPools: PoolOrder[] = [];
  const orders = new EndpointOrders();
  const counts = {
    listeners: () => [],
    pools: () => [{ pool: 'web', cells: pool }],
    endpoints: () => cells.map((of, i) => ({ pool: 'web', endpoint: `10.0.0.1:${i + 1}`, cells: of })),
  };
  const state = { draining: false, nowMs: 0 };
  const model: { pools: ProxyModel['pools'] } = { pools: MODEL.pools };
  const control = new SharedControl(
    { version: '1', startedMs: 0, workers: 2 },
    {
      model: () => ({ ...MODEL, ...model }),
      counts,
      orders,
      health: (_, index) => ({ up: !down.has(`10.0.0.1:${index + 1}`), detail: 'status 200' }),
      send: (order) => ('maintenance' in order ? sentOfPools.push(order) : sent.push(order)),
      draining: () => state.draining,
      configuration: () => ({
        ...{ hash: '0123456789abcdef', sinceMs: 0, applied: 0, refused: 0, problems: [], waiting: [] },
      }),
      reports: () => [],
      log: { info() {} },
      nowMs: () => state.nowMs,
    },
  );
  const states = () => control.status().pools[0]!.endpoints.map(({ state }) => state);
  return { control, counts, down, pool, cells, sent, sentOfPools, orders, states, state, model };
}

describe('SharedControl', () => {
  it('sees an endpoint as ejected when most workers set it aside', () => {
    const { states, cells } = rig();
    cells[0]![ENDPOINT_CELL.EJECTED] = 1;
    cells[1]![ENDPOINT_CELL.EJECTED] = 2;
    expect(states()).toEqual(['up', 'ejected', 'up']);
  });

  it.each([
    [2, 0, 'breaker_open'],
    [1, 1, 'breaker_half_open'],
    [0, 2, 'breaker_half_open'],
    [1, 0, 'up'],
  ] as const)(
    'with a breaker open in %i and half-open in %i of two workers says %s',
    (open, trying, state) => {
      const { states, cells, counts, control } = rig();
      cells[1]![ENDPOINT_CELL.BREAKER_OPEN] = open;
      cells[1]![ENDPOINT_CELL.BREAKER_TRYING] = trying;
      expect(states()).toEqual(['up', state, 'up']);
      const limits = () => DEFAULT_LIMITS;
      const [service] = proxyServices({ control, counts, limits, cpu: () => 0 });
      expect(service!.pool!.ejected).toBe(state === 'up' ? 0 : 1);
    },
  );

  it('forces breakers of pools that have some, apart from other orders', () => {
    const { control, sent, orders, model } = rig();
    expect(control.breaker('web', '10.0.0.1:1', 'open')?.code).toBe('no_breaker');
    model.pools = MODEL.pools.map((pool) => ({ ...pool, breaker: DEFAULT_BREAKER }));
    expect(control.breaker('db', '10.0.0.1:1', 'open')?.code).toBe('unknown_pool');
    expect(control.breaker('web', '10.0.0.1:9', 'open')?.code).toBe('unknown_endpoint');
    expect(control.breaker('web', '10.0.0.1:1', 'open')).toBeNull();
    control.weight('web', '10.0.0.1:1', 9);
    expect(sent.at(-1)).toMatchObject({ breaker: 'open', weight: 9 });
    const [endpoint] = control.status().pools[0]!.endpoints;
    expect(endpoint!.breaker).toEqual({ state: 'closed', forced: 'open', openings: 0 });
    control.weight('web', '10.0.0.1:1', null);
    control.breaker('web', '10.0.0.1:1', 'auto');
    expect(orders.list()).toEqual([]);
  });

  it('keeps an order of maintenance above the configuration, until it is taken back', () => {
    const { control, sentOfPools, orders, model } = rig();
    const now = () => {
      const { maintenance, maintenanceOrder } = control.status().pools[0]!;
      return [maintenance, maintenanceOrder];
    };
    expect(now()).toEqual([false, undefined]);
    expect(control.maintain('db', true, 'ops')?.code).toBe('unknown_pool');
    expect(control.maintain('web', true, 'ops', 'new database')).toBeNull();
    expect(now()).toEqual([true, { by: 'ops', atMs: 0, why: 'new database' }]);
    const order = { pool: 'web', maintenance: true, by: 'ops', atMs: 0, why: 'new database' };
    expect([sentOfPools, orders.list()]).toEqual([[order], [order]]);
    model.pools = MODEL.pools.map((pool) => ({ ...pool, maintenance: true }));
    control.maintain('web', false, 'ops');
    expect(now()).toEqual([false, { by: 'ops', atMs: 0 }]);
    control.maintain('web', null, 'ops');
    expect([now(), orders.list()]).toEqual([[true, undefined], []]);
  });

  it('has pools obey orders of maintenance', () => {
    const pool = new UpstreamPool({ ...MODEL.pools[0]!, maintenance: true }, DEFAULT_LIMITS);
    const pools = new Map([['web', pool]]);
    const order = { pool: 'web', by: 'ops', atMs: 0 };
    expect(obey(pools, { ...order, maintenance: false })).toBe(true);
    expect(pool.maintenance).toBe(false);
    obey(pools, { ...order, maintenance: null });
    expect(pool.maintenance).toBe(true);
    expect(obey(pools, { ...order, pool: 'db', maintenance: true })).toBe(false);
  });

  it('sees a drained endpoint as such, whatever else it is', () => {
    const { control, states, down, sent } = rig();
    down.add('10.0.0.1:1');
    expect(control.drain('web', '10.0.0.1:1', true)).toBeNull();
    down.add('10.0.0.1:2');
    expect(states()).toEqual(['draining', 'down', 'up']);
    expect(control.status().pools[0]!.healthy).toBe(1);
    control.drain('web', '10.0.0.1:1', false);
    expect(states()).toEqual(['down', 'down', 'up']);
    expect(sent.map(({ draining }) => draining)).toEqual([true, false]);
  });

  it('keeps a weight and a drain of one endpoint apart', () => {
    const { control, sent, orders } = rig();
    control.weight('web', '10.0.0.1:1', 9);
    control.drain('web', '10.0.0.1:1', true);
    expect(sent.at(-1)).toMatchObject({ pool: 'web', endpoint: '10.0.0.1:1', draining: true, weight: 9 });
    expect(control.status().pools[0]!.endpoints[0]).toMatchObject({ weight: 9, configuredWeight: 3 });
    control.weight('web', '10.0.0.1:1', null);
    control.drain('web', '10.0.0.1:1', false);
    expect(orders.list()).toEqual([]);
    expect(control.status().pools[0]!.endpoints[0]!.weight).toBe(3);
  });

  it('does not let sessions stay for longer when a drain is ordered again', () => {
    const { control, sent, state } = rig();
    state.nowMs = 1000;
    control.drain('web', '10.0.0.1:1', true);
    state.nowMs = 9000;
    control.drain('web', '10.0.0.1:1', true);
    control.drain('web', '10.0.0.1:1', false);
    control.drain('web', '10.0.0.1:1', true);
    expect(sent.map(({ drainingSinceMs }) => drainingSinceMs)).toEqual([1000, 1000, 0, 9000]);
  });

  it('says which pools and endpoints there are', () => {
    const { control, sent } = rig();
    expect(control.drain('db', '10.0.0.1:1', true)).toEqual({
      code: 'unknown_pool',
      message: 'there is no pool db; there is web',
    });
    expect(control.weight('web', '10.0.0.1:9', 1)).toEqual({
      code: 'unknown_endpoint',
      message: 'pool web has no endpoint 10.0.0.1:9; there are 10.0.0.1:1, 10.0.0.1:2, 10.0.0.1:3',
    });
    expect(sent).toEqual([]);
  });

  it.each([
    ['up', [], false, { state: 'up' }],
    ['down', [1, 2, 3], false, { state: 'down', reason: 'no healthy endpoint: web' }],
    ['draining', [], true, { state: 'draining', reason: 'it is stopping' }],
  ])('is %s', (_, dead, draining, expected) => {
    const { control, down, state } = rig();
    for (const port of dead) down.add(`10.0.0.1:${port}`);
    state.draining = draining;
    expect(control.status()).toMatchObject(expected);
    expect(control.notReady()).toBe(draining ? 'draining' : null);
  });
});

describe('proxyServices()', () => {
  it('tells what each pool is and did', () => {
    const { control, counts, down, pool, cells } = rig();
    const tally = new PoolTally(3);
    tally.issued();
    tally.issued();
    tally.answered(0, 200, 5);
    tally.answered(0, 503, 7);
    tally.retried();
    tally.failed('response_timeout');
    tally.failed('no_room');
    pool.set(tally.cells);
    pool[POOL_CELL.IN_FLIGHT] = 512;
    cells[0]![ENDPOINT_CELL.IN_FLIGHT] = 512;
    down.add('10.0.0.1:2');
    control.drain('web', '10.0.0.1:3', true);
    const [service] = proxyServices({ control, counts, limits: () => DEFAULT_LIMITS, cpu: () => 0.1 });
    expect(service).toMatchObject({
      service: 'web',
      endpoints: 3,
      healthy: 1,
      load: { capacity: 1024, utilisation: 0.5, limiting: 'upstream_connections' },
      pool: {
        ...{ ejected: 0, draining: 1, healthyWeight: 3, weight: 5, panic: false, inFlight: 512, queued: 0 },
        counters: { issued: 2, ok: 1, errors: 1, connectFailures: 0, timeouts: 1, retried: 1, shed: 1 },
      },
    });
    expect(latencyCount(decodeLatency(service!.pool!.latency!)!)).toBe(2);
  });
});

describe('proxyFacts()', () => {
  it('stays within what a receiver takes', () => {
    const { control } = rig();
    const vitals = { cpu: 1.00004, loopLagMs: 3, memoryBytes: 5 };
    expect(proxyFacts(control.status(), vitals, DEFAULT_LIMITS, 17)).toEqual({
      version: '1',
      cpu: 1,
      loopLagMs: 3,
      memoryBytes: 5,
      connections: { open: 0, limit: DEFAULT_LIMITS.connections },
      certificateExpires: 17,
      configuration: '0123456789abcdef',
    });
  });
});

describe('proxyMetrics()', () => {
  it('shows durations as a histogram in seconds', async () => {
    const { control, counts, pool } = rig();
    const tally = new PoolTally(3);
    for (const ms of [0.4, 3, 3, 1e9]) tally.answered(0, 200, ms);
    pool.set(tally.cells);
    const text = await proxyMetrics({ counts, control }).metrics();
    const rows = text
      .split('\n')
      .filter((line) => line.startsWith('meridian_proxy_request_duration_seconds'));
    const name = 'meridian_proxy_request_duration_seconds';
    expect(rows).toContain(`${name}_bucket{le="0.000512",pool="web"} 1`);
    expect(rows).toContain(`${name}_bucket{le="0.002048",pool="web"} 1`);
    expect(rows).toContain(`${name}_bucket{le="0.004096",pool="web"} 3`);
    expect(rows).toContain(`${name}_bucket{le="+Inf",pool="web"} 4`);
    expect(rows).toContain(`${name}_count{pool="web"} 4`);
    expect(rows.find((row) => row.startsWith(`${name}_sum`))).toMatch(/ 1000000\.00/);
    expect(text).toContain('# TYPE meridian_proxy_request_duration_seconds histogram');
  });

  it('shows what became of sessions, how unevenly they load endpoints, and what fell back', async () => {
    const { control, counts, pool, cells } = rig();
    const registry = proxyMetrics({ counts, control });
    expect(await registry.metrics()).not.toContain('sticky_imbalance_ratio{');
    const tally = new PoolTally(3);
    for (let i = 0; i < 30; i++) tally.sticky('kept', 1);
    tally.sticky('new', -1);
    tally.sticky('forged', -1);
    tally.degraded('stale');
    tally.degraded('page');
    tally.degraded('pool');
    pool.set(tally.cells);
    cells.forEach((of, i) => {
      of.set(tally.endpoints.subarray(i * ENDPOINT_CELL.STRIDE, (i + 1) * ENDPOINT_CELL.STRIDE));
    });
    const text = await registry.metrics();
    for (const row of [
      'sticky_requests_total{pool="web",result="kept"} 30',
      'sticky_requests_total{pool="web",result="new"} 1',
      'sticky_requests_total{pool="web",result="forged"} 1',
      'endpoint_sticky_requests_total{pool="web",endpoint="10.0.0.1:2"} 30',
      // All of it goes to one that has a fifth of the weight.
      'sticky_imbalance_ratio{pool="web"} 5',
      'pool_fallbacks_total{pool="web",to="stale"} 1',
      'pool_fallbacks_total{pool="web",to="page"} 1',
      'pool_fallbacks_total{pool="web",to="pool"} 1',
    ]) {
      expect(text).toContain(`meridian_proxy_${row}\n`);
    }
  });

  it('says how each pool fails', () => {
    expect(rig().control.status().pools[0]!.fail).toBe('secure');
  });

  it('shows the state of each endpoint', async () => {
    const { control, counts, down } = rig();
    down.add('10.0.0.1:1');
    control.drain('web', '10.0.0.1:2', true);
    const text = await proxyMetrics({ counts, control }).metrics();
    expect(text).toContain('meridian_proxy_endpoint_up{pool="web",endpoint="10.0.0.1:1"} 0');
    expect(text).toContain('meridian_proxy_endpoint_draining{pool="web",endpoint="10.0.0.1:2"} 1');
    expect(text).toContain('meridian_proxy_endpoint_up{pool="web",endpoint="10.0.0.1:3"} 1');
    expect(text).toContain('meridian_proxy_pool_healthy_endpoints{pool="web"} 1');
  });
});

describe('obey()', () => {
  it('drains an endpoint and gives it its weight', () => {
    const pool = new UpstreamPool(MODEL.pools[0]!, DEFAULT_LIMITS, () => {});
    const pools = new Map([['web', pool]]);
    const order = { pool: 'web', endpoint: '10.0.0.1:2', draining: true, weight: 7 };
    expect(obey(pools, order)).toBe(true);
    expect(pool.endpoints[1]).toMatchObject({ draining: true, weight: 7 });
    expect(obey(pools, { ...order, draining: false, weight: null })).toBe(true);
    expect(pool.endpoints[1]).toMatchObject({ draining: false, weight: 1 });
    obey(pools, { ...order, drainingSinceMs: 77 });
    expect(pool.endpoints[1]!.drainingSinceMs).toBe(77);
    expect(obey(pools, { ...order, endpoint: '10.0.0.1:9' })).toBe(false);
    expect(obey(pools, { ...order, pool: 'db' })).toBe(false);
  });
});
