/**
 * Measures how busy a proxy and its pools are, every few seconds on the main thread, and keeps what follows for scaling. What
 * the forecast has learned outlives a reload.
 */

import type { EndpointLimits, PoolModel, ProxyLimits, ProxyModel } from '../core/balance/model.js';
import {
  DEFAULT_POOL_SCALING,
  DEFAULT_SCALING,
  type PoolScaling,
  type ScalingModel,
} from '../core/scaling/model.js';
import { PROXY_SUBJECT } from '../core/scaling/region.js';
import type { SeasonalForecast } from '../core/scaling/seasonal-forecast.js';
import { ScalingSubject, type SubjectView } from '../core/scaling/subject.js';
import type { UsageMetric } from '../core/scaling/usage.js';
import { LATENCY_BUCKETS, latencyQuantile, latencySince } from '../core/tally/latency.js';
import { POOL_CELL } from './cells.js';
import type { PoolStatus, ProxyControl, ProxyCounts } from './control.js';

export const SCALING_SAMPLE_MS = 5_000;

export interface ScalingSources {
  readonly model: () => Pick<ProxyModel, 'pools' | 'limits' | 'scaling'>;
  readonly control: Pick<ProxyControl, 'status'>;
  readonly counts: Pick<ProxyCounts, 'pools'>;
  /** Part of the time that the busiest thread works, 0 to 1. */
  readonly cpu: () => number;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
}

/** Latencies count over one to two of these: what a few requests tell is noise. */
const LATENCY_WINDOW_MS = 30_000;
/** A pool that gets slower can ask for so much more at once; a slow database would else ask without end. */
const LATENCY_COUNTS_MAX = 1.5;
const QUEUE_COUNTS_MAX = 2;

interface Known {
  /** Under which the subject was made. */
  readonly settings: string;
  readonly subject: ScalingSubject;
  readonly measure: PoolMeasure;
}

export class ScalingWatch {
  readonly #sources: ScalingSources;
  readonly #learned: ReadonlyMap<string, SeasonalForecast>;
  #scaling: ScalingModel | undefined;
  #poolsUsed: readonly PoolModel[] = [];
  #subjects = new Map<string, Known>();
  #views: readonly SubjectView[] = [];
  #sampledMs = Number.NaN;

  /** `learned`: forecasts of an earlier start, by subject. */
  constructor(sources: ScalingSources, learned: ReadonlyMap<string, SeasonalForecast> = new Map()) {
    this.#sources = sources;
    this.#learned = learned;
  }

  /** What forecasts have learned, by subject. */
  get forecasts(): ReadonlyMap<string, SeasonalForecast> {
    return new Map([...this.#subjects].map(([name, { subject }]) => [name, subject.forecast]));
  }

  /** The proxy first, then its pools in the order of the configuration; empty before the first sample. */
  get views(): readonly SubjectView[] {
    return this.#views;
  }

  /** When the views were made, milliseconds since 1970; NaN before. */
  get sampledMs(): number {
    return this.#sampledMs;
  }

  sample(): void {
    const { model, control, counts, nowMs, wallMs } = this.#sources;
    const { pools, limits, scaling = DEFAULT_SCALING } = model();
    this.#use(scaling, pools);
    const [now, wall] = [nowMs(), wallMs()];
    const status = control.status();
    const cells = new Map(counts.pools().map((totals) => [totals.pool, totals.cells]));
    const statuses = new Map(status.pools.map((pool) => [pool.pool, pool]));
    const open = status.listeners.reduce((most, { active }) => Math.max(most, active), 0);
    const own = proxyMetrics(this.#sources.cpu(), open / limits.connections, scaling);
    const views = [this.#subjects.get(PROXY_SUBJECT)!.subject.sample(now, wall, 1, own)];
    for (const pool of pools) {
      const of = statuses.get(pool.name);
      if (of === undefined) continue;
      const { subject, measure } = this.#subjects.get(pool.name)!;
      const measured = measure.measure(now, pool, of, limits, cells.get(pool.name));
      views.push(subject.sample(now, wall, of.healthy, measured));
    }
    this.#views = views;
    this.#sampledMs = wall;
  }

  /** Takes another configuration: forecasts go on, windows begin anew where settings changed. */
  #use(scaling: ScalingModel, pools: readonly PoolModel[]): void {
    if (this.#scaling === scaling && this.#poolsUsed === pools) return;
    this.#scaling = scaling;
    this.#poolsUsed = pools;
    const before = this.#subjects;
    this.#subjects = new Map();
    const take = (name: string, model: ScalingModel, whole: boolean): void => {
      const settings = JSON.stringify(model);
      const known = before.get(name);
      const subject =
        known?.settings === settings
          ? known.subject
          : new ScalingSubject(name, model, whole, known?.subject.forecast ?? this.#learned.get(name));
      this.#subjects.set(name, { settings, subject, measure: known?.measure ?? new PoolMeasure() });
    };
    take(PROXY_SUBJECT, scaling, false);
    for (const { name, scaling: own } of pools)
      take(name, own === undefined ? upOnly(scaling) : scaling, true);
  }
}

/** Of a pool without targets of its own nobody knows what is enough: it never asks for less. */
function upOnly(scaling: ScalingModel): ScalingModel {
  const { behaviour } = scaling;
  return { ...scaling, behaviour: { ...behaviour, down: { ...behaviour.down, step: 1 } } };
}

function proxyMetrics(cpu: number, connections: number, { targets }: ScalingModel): readonly UsageMetric[] {
  return [
    { name: 'cpu', value: Math.min(cpu, 1), target: targets.cpu },
    { name: 'client_connections', value: connections, target: targets.clientConnections },
  ];
}

/** What a pool did between samples. */
class PoolMeasure {
  #issued = Number.NaN;
  #issuedMs = Number.NaN;
  /** Latencies counted until the beginning of the window before, and of this one. */
  #older: Float64Array | null = null;
  #newer: Float64Array | null = null;
  #newerMs = Number.NEGATIVE_INFINITY;

  measure(
    nowMs: number,
    { scaling = DEFAULT_POOL_SCALING, limits: own, poolLimits: all }: PoolModel,
    { healthy, inFlight, queued }: PoolStatus,
    limits: ProxyLimits,
    cells: Float64Array | undefined,
  ): readonly UsageMetric[] {
    const room = Math.max(healthy, 1);
    const each = Math.min(limits.upstreamConnections, ...limitsIn(own));
    // A limit for all together does not grow with the endpoints, but comes to its end all the same.
    const capacity = Math.min(room * each, ...limitsIn(all));
    const waiting = Math.max(queued, 0);
    return [
      {
        name: 'connections',
        value: (Math.max(inFlight, 0) + waiting) / capacity,
        target: scaling.connections,
      },
      ...this.#requests(nowMs, room, scaling, cells),
      { name: 'queue', value: waiting / room, target: scaling.queue, countsMax: QUEUE_COUNTS_MAX },
      ...this.#latency(nowMs, scaling, cells),
    ];
  }

  #requests(
    nowMs: number,
    room: number,
    { requests }: PoolScaling,
    cells: Float64Array | undefined,
  ): readonly UsageMetric[] {
    const issued = cells?.[POOL_CELL.ISSUED] ?? Number.NaN;
    const rate = ((issued - this.#issued) * 1000) / (nowMs - this.#issuedMs);
    this.#issued = issued;
    this.#issuedMs = nowMs;
    return requests === undefined ? [] : [{ name: 'requests', value: rate / room, target: requests }];
  }

  #latency(
    nowMs: number,
    { latencyMs }: PoolScaling,
    cells: Float64Array | undefined,
  ): readonly UsageMetric[] {
    if (latencyMs === undefined || cells === undefined) return [];
    const counts = cells.subarray(POOL_CELL.LATENCY, POOL_CELL.LATENCY + LATENCY_BUCKETS);
    if (nowMs - this.#newerMs >= LATENCY_WINDOW_MS) {
      this.#older = this.#newer;
      this.#newer = counts.slice();
      this.#newerMs = nowMs;
    }
    const since = this.#older ?? this.#newer;
    const window = since === null ? undefined : latencySince(counts, since);
    const value = window === undefined ? undefined : latencyQuantile(window, 0.99);
    // Nobody who asks is nobody who waits.
    return [{ name: 'latency', value: value ?? 0, target: latencyMs, countsMax: LATENCY_COUNTS_MAX }];
  }
}

function limitsIn(limits: EndpointLimits | undefined): readonly number[] {
  return [limits?.connections, limits?.requests].flatMap((limit) =>
    limit !== undefined && limit > 0 ? [limit] : [],
  );
}
