import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type PoolModel } from '../../../src/core/balance/model.js';
import { DEFAULT_SCALING, type PoolScaling, type ScalingModel } from '../../../src/core/scaling/model.js';
import { countLatency } from '../../../src/core/tally/latency.js';
import { POOL_CELL } from '../../../src/proxy/cells.js';
import type { ProxyStatus } from '../../../src/proxy/control.js';
import { scalingBody } from '../../../src/proxy/scaling-body.js';
import { scalingMetrics } from '../../../src/proxy/scaling-metrics.js';
import { SCALING_SAMPLE_MS, ScalingWatch } from '../../../src/proxy/scaling-watch.js';

/** A proxy with one pool whose numbers the test sets. */
class Rig {
  cpu = 0.35;
  open = 0;
  healthy = 2;
  inFlight = 0;
  queued = 0;
  nowMs = 1_000_000;
  readonly cells = new Float64Array(POOL_CELL.STRIDE);
  pools: readonly PoolModel[];
  scaling: ScalingModel | undefined;
  readonly watch: ScalingWatch;

  constructor(scaling?: PoolScaling, limits?: PoolModel['limits']) {
    this.pools = [this.pool(scaling, limits)];
    this.watch = new ScalingWatch({
      model: () => ({
        pools: this.pools,
        limits: DEFAULT_LIMITS,
        ...(this.scaling && { scaling: this.scaling }),
      }),
      control: { status: () => this.status },
      counts: { pools: () => [{ pool: 'web', cells: this.cells }] },
      cpu: () => this.cpu,
      nowMs: () => this.nowMs,
      wallMs: () => this.nowMs,
    });
  }

  pool(scaling?: PoolScaling, limits?: PoolModel['limits']): PoolModel {
    const endpoints = [1, 2].map((port) => ({ address: { host: '127.0.0.1', port }, weight: 1 }));
    return {
      ...{ name: 'web', balance: 'round_robin', endpoints },
      ...(scaling && { scaling }),
      ...(limits && { limits }),
    };
  }

  get status(): ProxyStatus {
    const { healthy, inFlight, queued } = this;
    return {
      pools: [
        { pool: 'web', balance: 'round_robin', healthy, panic: false, inFlight, queued, endpoints: [] },
      ],
      listeners: [{ listener: 'a', connections: 0, active: this.open, refused: 0, bytesIn: 0, bytesOut: 0 }],
    } as unknown as ProxyStatus;
  }

  /** Samples for so long, with requests of `ms` milliseconds, `perSecond` of them. */
  run(seconds: number, perSecond = 0, ms = 10) {
    for (let at = 0; at < seconds * 1000; at += SCALING_SAMPLE_MS) {
      this.nowMs += SCALING_SAMPLE_MS;
      const requests = (perSecond * SCALING_SAMPLE_MS) / 1000;
      this.cells[POOL_CELL.ISSUED]! += requests;
      for (let i = 0; i < requests; i++) countLatency(this.cells, POOL_CELL.LATENCY, ms);
      this.watch.sample();
    }
    const [proxy, web] = this.watch.views;
    return { proxy: proxy!, web: web! };
  }
}

describe('ScalingWatch', () => {
  it('has nothing to say before the first sample', () => {
    expect(new Rig().watch.views).toEqual([]);
  });

  it('the proxy is as busy as its CPU or its fullest listener', () => {
    const rig = new Rig();
    expect(rig.run(60).proxy).toMatchObject({ subject: '(proxy)', limiting: 'cpu', action: 'hold' });
    rig.open = DEFAULT_LIMITS.connections;
    const { proxy } = rig.run(120);
    expect(proxy).toMatchObject({ limiting: 'client_connections', action: 'up', reason: 'usage' });
    expect(proxy.desired).toBeCloseTo(1 / 0.7, 1);
  });

  it.each<[string, PoolScaling, (rig: Rig) => unknown, number, number]>([
    ['connections', { connections: 0.5, queue: 100 }, (rig) => Object.assign(rig, { inFlight: 20 }), 0, 10],
    ['requests', { connections: 1, queue: 100, requests: 50 }, () => {}, 150, 10],
    ['queue', { connections: 1, queue: 2 }, (rig) => Object.assign(rig, { queued: 6 }), 0, 10],
    ['latency', { connections: 1, queue: 100, latencyMs: 100 }, () => {}, 20, 140],
  ])('a pool is limited by %s', (metric, scaling, prepare, perSecond, ms) => {
    const rig = new Rig(scaling, { requests: 10 });
    prepare(rig);
    const { web } = rig.run(150, perSecond, ms);
    expect(web).toMatchObject({ subject: 'web', limiting: metric, action: 'up' });
    expect(web.desired).toBeGreaterThanOrEqual(3);
    expect(web.desired).toBeLessThanOrEqual(4);
  });

  it('latency is that of the last minute, and asks for half as much again at most', () => {
    const rig = new Rig({ connections: 1, queue: 100, latencyMs: 100 });
    expect(rig.run(120, 20, 5000).web.usage).toBeCloseTo(1.5);
    expect(rig.run(150, 20, 50).web.usage).toBeLessThan(0.75);
  });

  it('a pool without targets of its own never asks for less; with them it does', () => {
    expect(new Rig().run(900).web).toMatchObject({ action: 'hold', desired: 2 });
    const told = new Rig({ connections: 0.7, queue: 1 }).run(900);
    expect(told.web).toMatchObject({ action: 'down', desired: 1 });
  });

  it('nothing is asked for while no endpoint is up', () => {
    const rig = new Rig({ connections: 0.7, queue: 1 });
    rig.run(60);
    rig.healthy = 0;
    rig.queued = 50;
    expect(rig.run(30).web).toMatchObject({ action: 'hold', reason: 'no_capacity', ratio: 1 });
  });

  it('a reload keeps what the forecast learned, and pools that go leave nothing', () => {
    const rig = new Rig({ connections: 0.7, queue: 1 });
    const before = rig.run(3 * 3600).web.forecast!;
    expect(before.compared).toBeGreaterThan(5);
    rig.scaling = { ...DEFAULT_SCALING, targets: { cpu: 0.5, clientConnections: 0.5 } };
    rig.pools = [rig.pool({ connections: 0.5, queue: 1 })];
    const { proxy, web } = rig.run(10);
    expect(web.forecast!.compared).toBe(before.compared);
    expect(proxy.metrics[0]).toMatchObject({ metric: 'cpu', target: 0.5 });
    rig.pools = [];
    rig.run(5);
    expect(rig.watch.views).toHaveLength(1);
  });
});

it('GET /v1/scaling has numbers by name, whatever the names', () => {
  const rig = new Rig({ connections: 0.7, queue: 1 });
  rig.run(60);
  const body = scalingBody({ name: 'p', region: 'eu' }, rig.watch) as Record<string, unknown>;
  expect(body).toMatchObject({
    node: { name: 'p', region: 'eu' },
    sampled: new Date(rig.nowMs).toISOString(),
    proxy: { current: 1, limiting: 'cpu', metrics: { cpu: { value: 0.35, target: 0.7, usage: 0.5 } } },
    pools: { web: { current: 2, desired: 2, forecast: { minutes: 15, error: null, compared: 0 } } },
  });
  const odd = rig.watch.views.map((view) => ({ ...view, subject: '__proto__' }));
  const text = JSON.stringify(scalingBody({ name: 'p', region: 'eu' }, { views: odd, sampledMs: 0 }));
  expect(text).toContain('"__proto__":{"action"');
  expect(scalingBody({ name: 'p', region: 'eu' }, { views: [], sampledMs: Number.NaN })).toEqual({
    ...{ node: { name: 'p', region: 'eu' }, sampled: null, proxy: null, pools: {} },
  });
});

it('metrics name what limits, why, and how wrong the forecast is', async () => {
  const rig = new Rig({ connections: 0.7, queue: 1 });
  rig.run(3 * 3600);
  const registry = new Registry();
  scalingMetrics(registry, () => rig.watch.views);
  const text = await registry.metrics();
  expect(text).toContain('meridian_proxy_scaling_desired{subject="web"} 1\n');
  expect(text).toContain('meridian_proxy_scaling_limiting{subject="(proxy)",metric="cpu"} 1\n');
  expect(text).toMatch(/scaling_usage\{subject="web",metric="queue"\} 0\n/);
  expect(text).toMatch(/scaling_reason\{subject="web",reason="\w+"\} 1\n/);
  expect(text).toMatch(/scaling_forecast_error\{subject="\(proxy\)"\} [\d.e-]+\n/);
});
