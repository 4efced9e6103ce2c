import type { ListenerModel, ProxyModel } from '../core/balance/model.js';
import type { ServiceReport } from '../core/health/report.js';
import type { ListenerCounters } from './counters.js';
import { Deadlines } from './deadlines.js';
import type { HealthChecker } from './health-checker.js';
import { TcpListener } from './l4/tcp-listener.js';
import type { HttpPool } from './l7/context.js';
import { HttpListener } from './l7/http-listener.js';
import type { UpstreamConnection } from './l7/upstream-connection.js';
import type { ListenFailure } from './listening.js';
import type { MonotonicClock, ProxyLog, Timers } from './modules.js';
import { serviceLoad } from './service-load.js';
import { UpstreamPool } from './upstream-pool.js';

export interface ProxyModules {
  readonly log: ProxyLog;
  readonly checker: HealthChecker;
  readonly clock: MonotonicClock;
  readonly timers: Timers;
  /** Called after an endpoint went up or down. */
  readonly onHealthChange: () => void;
}

const SWEEP_MS_MIN = 20;
const SWEEP_MS_MAX = 500;

/** The listeners and pools of one proxy: the data plane, without reports and administration. */
export class RegionalProxy {
  readonly pools: ReadonlyMap<string, HttpPool>;
  readonly listeners: readonly (HttpListener | TcpListener)[];
  readonly #model: ProxyModel;
  readonly #modules: ProxyModules;
  readonly #deadlines: Deadlines;
  #draining = false;

  constructor(model: ProxyModel, modules: ProxyModules) {
    this.#model = model;
    this.#modules = modules;
    this.#deadlines = new Deadlines({ periodMs: sweepPeriodMs(model) }, modules);
    this.pools = new Map(model.pools.map((pool) => [pool.name, this.#newPool(pool)]));
    this.listeners = model.listeners.map((listener) => this.#newListener(listener));
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Begins the checks; traffic may come before their first results: endpoints count as up until then. */
  startChecks(): void {
    for (const pool of this.pools.values()) pool.start(this.#modules.checker);
  }

  /** Opens every listener, or none: the failures of all that couldn't be opened. */
  async listen(): Promise<readonly ListenFailure[]> {
    const started = await Promise.all(
      this.listeners.map((listener, i) => listener.start(`listeners[${i}].listen`, this.#modules.log)),
    );
    const failures = started.filter((failure) => failure !== null);
    if (failures.length > 0) await this.close(0);
    return failures;
  }

  /** Stops accepting and lets requests in progress end, at most `drainMs`; then cuts what is left. */
  async close(drainMs: number): Promise<void> {
    this.#draining = true;
    const { timers } = this.#modules;
    const drained = Promise.all(this.listeners.map((listener) => listener.drain()));
    let timer: unknown;
    const late = new Promise<void>((resolve) => {
      timer = timers.set(resolve, drainMs);
    });
    await Promise.race([drained, late]);
    timers.clear(timer);
    for (const listener of this.listeners) listener.destroy();
    await drained;
    for (const pool of this.pools.values()) pool.close();
    this.#deadlines.close();
  }

  /** What the report tells about the pools. `cpu`: part of the time that this process is busy, 0 to 1. */
  services(cpu: number): readonly ServiceReport[] {
    const { limits } = this.#model;
    const clients = Math.max(...this.counters().map(({ active }) => active), 0) / limits.connections;
    return [...this.pools.values()].map((pool) => ({
      service: pool.name,
      endpoints: pool.endpoints.length,
      healthy: pool.healthy,
      load: serviceLoad(pool, limits.upstreamConnections, { client_connections: clients, cpu }),
    }));
  }

  counters(): readonly ListenerCounters[] {
    return this.listeners.map(({ counters }) => counters);
  }

  #newPool(model: ProxyModel['pools'][number]): HttpPool {
    return new UpstreamPool<UpstreamConnection>(model, this.#model.limits, (pool, endpoint, up, detail) => {
      const facts = { pool, endpoint, detail };
      if (up) this.#modules.log.info(facts, 'an endpoint is up');
      else this.#modules.log.warn(facts, 'an endpoint is down');
      this.#modules.onHealthChange();
    });
  }

  #newListener(model: ListenerModel): HttpListener | TcpListener {
    const { timeouts, limits } = this.#model;
    const modules = { timeouts, limits, deadlines: this.#deadlines, log: this.#modules.log };
    if (model.protocol === 'http') return new HttpListener(model, this.pools, modules);
    const pool = this.pools.get(model.pool);
    if (pool === undefined) throw new Error(`the configuration was not checked: no pool ${model.pool}`);
    return new TcpListener(model.listen, pool, modules);
  }
}

/** A quarter of the shortest timeout: late by little, without waking up for nothing. */
function sweepPeriodMs({ timeouts }: ProxyModel): number {
  const shortest = Math.min(...Object.values(timeouts));
  return Math.min(Math.max(shortest / 4, SWEEP_MS_MIN), SWEEP_MS_MAX);
}
