import { isDeepStrictEqual } from 'node:util';
import { withFallbacks } from '../core/balance/fallback-pools.js';
import { listenerName } from '../core/balance/listener-name.js';
import type { ListenerModel, ProxyModel } from '../core/balance/model.js';
import { diffProxyModels } from '../core/balance/model-difference.js';
import {
  limitsOfWorker,
  listenerOfWorker,
  poolOfWorker,
  type WorkerPlace,
} from '../core/balance/worker-share.js';
import { allPoolsOfRoute } from '../core/http/route.js';
import type { Network } from '../io/network.js';
import { NO_SLOT } from '../io/roster.js';
import { AbsentListener } from './absent-listener.js';
import type { AccessWriter } from './access-writer.js';
import type { Encoders } from './compression/encoder.js';
import type { ListenerCounters } from './counters.js';
import { Deadlines } from './deadlines.js';
import type { NameAddresses } from './endpoint-names.js';
import { isServed, type ServedKinds, speaksHttp2 } from './h2/http2-listener.js';
import { l4Listener } from './l4/listeners.js';
import { tcpListener } from './l4/tcp-listener.js';
import type { HttpPool } from './l7/context.js';
import { httpListener, type ListenerModules } from './l7/http-listener.js';
import type { UpstreamConnection } from './l7/upstream-connection.js';
import type { Protection } from './limit/protection.js';
import type { ListenFailure } from './listening.js';
import type { PoolChange } from './pool-health.js';
import type { ServedListener } from './proxy-listener.js';
import { type SharedRouting, sharingOf } from './shared-routing.js';
import type { StaleCache } from './stale-cache.js';
import { newStickyMemory, type StickyMemory, stickySessions } from './sticky.js';
import { NO_TLS, type PoolTlsOptions, type ProxyTls, WorkerTls } from './tls.js';
import { UpstreamPool } from './upstream-pool.js';

const ALONE: WorkerPlace = { index: 0, count: 1 };
/** How often pools see to what waits for the time: ejections, slow start, queues. */
const TICK_MS = 100;
const SWEEP_MS_MIN = 20;
const SWEEP_MS_MAX = 500;

export interface ProxyOptions {
  /** Which of the threads that share the listeners this is. */
  readonly place?: WorkerPlace;
  readonly tls?: ProxyTls;
  /** Which listeners this thread serves; the others are served elsewhere. */
  readonly serves?: ServedKinds;
  /** An endpoint can be used again, or can't. */
  readonly onChange?: PoolChange;
  /** Null where no requests are logged. */
  readonly access?: AccessWriter | null;
  /** Null where nothing can be compressed. */
  readonly encoders?: Encoders | null;
  /** Limits and lists; null while there are none. */
  readonly protection?: Protection | null;
  /** What routes share with other threads; of its own where it is absent. */
  readonly sharing?: SharedRouting;
  /** Shared by all threads of the proxy; its own where absent. */
  readonly sticky?: StickyMemory;
}

/** The listeners and pools of one thread of a proxy: the data plane. It is told who is up, and checks nobody itself. */
export class RegionalProxy {
  #model: ProxyModel;
  #pools: ReadonlyMap<string, HttpPool>;
  #listeners: readonly ServedListener[];
  #modules: Omit<ListenerModules, 'tls'>;
  readonly #network: Network;
  readonly #place: WorkerPlace;
  readonly #serves: ServedKinds;
  readonly #onChange: PoolChange;
  readonly #deadlines: Deadlines;
  readonly #tls: WorkerTls;
  #poolTls: ProxyTls['pools'];
  #sticky: StickyMemory | null;
  readonly #stopTicks: () => void;
  /** Addresses by the name of endpoints. */
  readonly #names = new Map<string, readonly string[]>();
  /** Responses that are kept, by pool: they outlive a reload. */
  readonly #stale = new Map<string, StaleCache>();
  /** Of a former configuration: what is in progress there goes on. */
  readonly #leavingListeners: Set<ServedListener> = new Set();
  readonly #leavingPools: Set<HttpPool> = new Set();

  constructor(model: ProxyModel, network: Network, options: ProxyOptions = {}) {
    const { place = ALONE, tls = NO_TLS, serves = 'all', onChange = () => {} } = options;
    const { access = null, protection = null, encoders = null, sharing } = options;
    const deadlines = new Deadlines(sweepPeriodMs(model), network);
    this.#sticky = options.sticky ?? null;
    this.#model = model;
    // Another process may take over from this one, or this one from it.
    const shared = place.count > 1 || (network.name === 'batched' && place.overlaps === true);
    this.#network = network;
    this.#place = place;
    this.#onChange = onChange;
    this.#deadlines = deadlines;
    this.#serves = serves;
    this.#poolTls = tls.pools;
    const poolTls = (pool: string): PoolTlsOptions | null => this.#poolTls[pool] ?? null;
    this.#modules = {
      ...{ network, deadlines, poolTls, shared, protection },
      ...(access && { access }),
      ...(encoders && { encoders }),
      sharing: sharingOf(sharing),
      timeouts: model.timeouts,
      limits: limitsOfWorker(model.limits, place),
    };
    this.#pools = this.#poolsOf(model, new Set());
    this.#tick();
    this.#stopTicks = network.every(TICK_MS, () => this.#tick());
    this.#tls = new WorkerTls(model, tls, network);
    this.#tls.equip(this.#pools.values(), tls);
    this.#listeners = model.listeners.map((listener) =>
      this.#newListener(listener, this.#pools, this.#modules),
    );
  }

  get pools(): ReadonlyMap<string, HttpPool> {
    return this.#pools;
  }

  get listeners(): readonly ServedListener[] {
    return this.#listeners;
  }

  /** Opens every listener, or none: the failures of all that couldn't be opened. */
  async listen(): Promise<readonly ListenFailure[]> {
    const failures: ListenFailure[] = [];
    for (const [i, listener] of this.listeners.entries()) {
      const failure = await listener.start(`listeners[${i}].listen`);
      if (failure !== null) failures.push(failure);
    }
    if (failures.length > 0) this.destroy();
    return failures;
  }

  /**
   * Takes another configuration. Listeners that stay keep their connections, whose next request sees it; what is gone
   * takes nobody new and has `timeouts.drain` to end. Where a listener can't be opened all stays as it was.
   *
   * @param prepare is called with the new pools before anything goes to them.
   */
  async apply(
    model: ProxyModel,
    tls: ProxyTls,
    prepare: (pools: ReadonlyMap<string, HttpPool>) => void = () => {},
  ): Promise<readonly ListenFailure[]> {
    const difference = diffProxyModels(this.#model, model);
    const kept = difference.settings.includes('limits') ? [] : difference.pools.kept;
    const modules = {
      ...this.#modules,
      timeouts: model.timeouts,
      limits: limitsOfWorker(model.limits, this.#place),
    };
    const pools = this.#poolsOf(model, new Set(kept));
    prepare(pools);
    this.#poolTls = tls.pools;
    this.#tls.use(model, tls);
    this.#tls.equip(pools.values(), tls);
    const plan = {
      pools,
      models: model.pools,
      modules,
      kept: new Set(difference.listeners.kept),
      poolsKept: new Set(kept),
    };
    const opened = await this.#open(model, plan);
    if ('failures' in opened) return opened.failures;
    const [oldListeners, oldPools] = [this.#listeners, this.#pools];
    this.#model = model;
    this.#modules = modules;
    this.#pools = pools;
    this.#listeners = opened;
    this.#deadlines.pace(sweepPeriodMs(model));
    for (const listener of oldListeners) if (!opened.includes(listener)) this.#retire(listener);
    const now = new Set(pools.values());
    for (const pool of oldPools.values()) if (!now.has(pool)) this.#leavingPools.add(pool);
    this.#tick();
    return [];
  }

  /** For the listeners of the next configuration. */
  protect(protection: Protection): void {
    this.#modules = { ...this.#modules, protection };
  }

  /** What the checks say of an endpoint. Unknown ones are ignored: the configuration may just have changed. */
  judge(pool: string, endpoint: number, up: boolean, detail: string): void {
    this.pools.get(pool)?.judge(endpoint, up, detail);
  }

  /** An active check was good, which ends an ejection. */
  passed(pool: string, endpoint: number): void {
    this.pools.get(pool)?.passed(endpoint);
  }

  /** Where endpoints with this name are now, for the next connections to them. */
  useAddresses(found: NameAddresses): void {
    this.#names.set(found.host, found.addresses);
    for (const pool of this.pools.values()) this.#locate(pool);
  }

  /** Certificates and ticket keys for the next handshakes. */
  useTls(tls: ProxyTls): void {
    this.#poolTls = tls.pools;
    this.#tls.replace(tls);
    this.#tls.equip(this.pools.values(), tls);
  }

  /** Stops accepting and lets what is in progress end; calls back when the last connection is gone. */
  drain(onDrained: () => void): void {
    const listeners = [...this.#listeners, ...this.#leavingListeners];
    let open = listeners.length;
    if (open === 0) onDrained();
    for (const listener of listeners) {
      listener.drain(() => {
        if (--open === 0) onDrained();
      });
    }
  }

  /** Cuts everything that is open. */
  destroy(): void {
    for (const listener of [...this.#listeners, ...this.#leavingListeners]) listener.destroy();
    for (const pool of [...this.#pools.values(), ...this.#leavingPools]) pool.close();
    this.#deadlines.close();
    this.#stopTicks();
    this.#tls.close();
  }

  get counters(): readonly ListenerCounters[] {
    return this.listeners.map(({ counters }) => counters);
  }

  /** Gives endpoints that have names the addresses that these have now. */
  #locate(pool: HttpPool): HttpPool {
    for (const endpoint of pool.endpoints) {
      const { host, port } = endpoint.address;
      const found = this.#names.get(host);
      if (found !== undefined) endpoint.addresses = found.map((address) => ({ host: address, port }));
    }
    return pool;
  }

  #tick(): void {
    const { nowMs } = this.#network;
    for (const pool of this.#pools.values()) pool.tick(nowMs);
    for (const pool of this.#leavingPools) {
      pool.tick(nowMs);
      const isIdle =
        pool.queued === 0 &&
        !pool.owesAnswers &&
        pool.endpoints.every(({ index }) => pool.activeOf(index) === 0);
      if (!isIdle) continue;
      pool.close();
      this.#leavingPools.delete(pool);
    }
  }

  /** A pool that changed goes on with what was learned of its endpoints. */
  #inherit(pool: HttpPool): HttpPool {
    const before = this.#pools?.get(pool.name);
    if (before !== undefined) pool.adopt(before);
    return pool;
  }

  /** The pools of a model; those named in `kept` are the ones of now. */
  #poolsOf(model: ProxyModel, kept: ReadonlySet<string>): ReadonlyMap<string, HttpPool> {
    const limits = limitsOfWorker(model.limits, this.#place);
    return new Map(
      model.pools.map((pool) => {
        const known = kept.has(pool.name) ? this.#pools.get(pool.name) : undefined;
        const made = () =>
          new UpstreamPool<UpstreamConnection>(poolOfWorker(pool, this.#place), limits, this.#onChange);
        return [pool.name, known ?? this.#inherit(this.#locate(this.#stick(made())))];
      }),
    );
  }

  /** Gives a new pool what the one before it knew. */
  #stick(pool: HttpPool): HttpPool {
    const { sticky, stale } = pool.model;
    const known = this.#stale.get(pool.name);
    const isSame = known !== undefined && pool.stale !== null && isDeepStrictEqual(known.model, stale);
    if (isSame) pool.stale = known;
    if (pool.stale === null) this.#stale.delete(pool.name);
    else this.#stale.set(pool.name, pool.stale);
    if (sticky === undefined) return pool;
    this.#sticky ??= newStickyMemory();
    pool.sticky = stickySessions(sticky, pool, this.#sticky);
    return pool;
  }

  /** The listeners of a model: those of now, renewed, and new ones, which are open. */
  async #open(
    model: ProxyModel,
    plan: ApplyPlan,
  ): Promise<readonly ServedListener[] | { readonly failures: readonly ListenFailure[] }> {
    const known = new Map(
      this.#model.listeners.map((listener, i) => [listenerName(listener), this.#listeners[i]!] as const),
    );
    const failures: ListenFailure[] = [];
    const opened: ServedListener[] = [];
    const renewals: (() => void)[] = [];
    const listeners: ServedListener[] = [];
    for (const [i, listener] of model.listeners.entries()) {
      const old = known.get(listenerName(listener));
      if (old !== undefined && this.#goesOn(listener, plan)) {
        const modules = { ...plan.modules, tls: this.#tls.server(listenerName(listener)) };
        const own = listenerOfWorker(listener, this.#place);
        renewals.push(() => void old.renew?.(own, plan.pools, modules));
        listeners.push(old);
        continue;
      }
      // Alone on its address, it has to make room first.
      if (old !== undefined && !this.#modules.shared) this.#retire(old);
      const made = this.#newListener(listener, plan.pools, plan.modules);
      const failure = await made.start(`listeners[${i}].listen`);
      if (failure === null) opened.push(made);
      else failures.push(failure);
      listeners.push(made);
    }
    if (failures.length > 0) {
      for (const listener of opened) listener.destroy();
      return { failures };
    }
    for (const renew of renewals) renew();
    return listeners;
  }

  /** Whether a listener that is open can take its new settings without being opened anew. */
  #goesOn(listener: ListenerModel, { kept, poolsKept, models }: ApplyPlan): boolean {
    const name = listenerName(listener);
    const before = this.#model.listeners.find((other) => listenerName(other) === name);
    if (before === undefined || before.protocol !== listener.protocol) return false;
    const isPlain = listener.protocol === 'tcp' || (listener.protocol === 'http' && !speaksHttp2(listener));
    if (isPlain) return !speaksHttp2(before) && hasTls(before) === hasTls(listener);
    return kept.has(name) && withFallbacks(poolNames(listener), models).every((pool) => poolsKept.has(pool));
  }

  /** Takes nobody new there, and cuts what is left after `timeouts.drain`. */
  #retire(listener: ServedListener): void {
    if (this.#leavingListeners.has(listener)) return;
    this.#leavingListeners.add(listener);
    const late = {
      deadlineSlot: NO_SLOT,
      deadlineMs: this.#deadlines.nowMs + this.#modules.timeouts.drainMs,
      onDeadline: () => {
        this.#deadlines.delete(late);
        listener.destroy();
      },
    };
    this.#deadlines.add(late);
    listener.drain(() => {
      this.#deadlines.delete(late);
      this.#leavingListeners.delete(listener);
    });
  }

  #newListener(
    written: ListenerModel,
    pools: ReadonlyMap<string, HttpPool>,
    shared: Omit<ListenerModules, 'tls'>,
  ): ServedListener {
    const model = listenerOfWorker(written, this.#place);
    if (!isServed(this.#serves, model)) return new AbsentListener(model.listen);
    const modules = { ...shared, tls: this.#tls.server(listenerName(model)) };
    if (model.protocol === 'http') return httpListener(model, pools, modules);
    if (model.protocol !== 'tcp') return l4Listener(model, pools, modules, this.#place.count);
    const pool = pools.get(model.pool);
    if (pool === undefined) throw new Error(`the configuration was not checked: no pool ${model.pool}`);
    return tcpListener(model, pool, modules);
  }
}

/** What a new configuration makes of the one in use. */
interface ApplyPlan {
  readonly pools: ReadonlyMap<string, HttpPool>;
  readonly models: ProxyModel['pools'];
  readonly modules: Omit<ListenerModules, 'tls'>;
  /** Listeners and pools that are the same in both. */
  readonly kept: ReadonlySet<string>;
  readonly poolsKept: ReadonlySet<string>;
}

function hasTls(listener: ListenerModel): boolean {
  return 'tls' in listener && listener.tls !== undefined;
}

function poolNames(listener: ListenerModel): readonly string[] {
  if (listener.protocol === 'udp' || listener.protocol === 'tcp') return [listener.pool];
  if (listener.protocol === 'http') return listener.routes.flatMap(allPoolsOfRoute);
  const routed = listener.routes.flatMap((route) => ('pool' in route ? [route.pool] : []));
  const { fallback } = listener;
  return fallback === null ? routed : [...routed, fallback];
}

/** A quarter of the shortest timeout: late by little, without waking up for nothing. */
function sweepPeriodMs({ timeouts, pools, listeners }: ProxyModel): number {
  const routes = listeners.flatMap((listener) => (listener.protocol === 'http' ? listener.routes : []));
  const tries = [...pools, ...routes].flatMap((one) =>
    'retries' in one ? [one.retries?.tryMs ?? null] : [],
  );
  const shortest = [...Object.values(timeouts), ...tries.filter((ms) => ms !== null)].reduce(
    (least: number, ms) => Math.min(least, ms),
    SWEEP_MS_MAX * 4,
  );
  return Math.min(Math.max(shortest / 4, SWEEP_MS_MIN), SWEEP_MS_MAX);
}
