import { NO_KEY } from '../core/balance/hash.js';
import { LatencyTable } from '../core/balance/latency-table.js';
import type { HashSource, PoolModel, ProxyLimits } from '../core/balance/model.js';
import { isGoodStatus } from '../core/balance/outlier.js';
import type { PickContext } from '../core/balance/picker.js';
import type { BreakerForce } from '../core/limit/breaker.js';
import { QueueOrder } from '../core/limit/queue-order.js';
import { PoolBounds } from './pool-bounds.js';
import type { PoolBreaker } from './pool-breaker.js';
import { PoolConcurrency } from './pool-concurrency.js';
import { type PoolChange, PoolHealth } from './pool-health.js';
import { PoolRetries } from './pool-retries.js';
import { PoolTally } from './pool-tally.js';
import { StaleCache } from './stale-cache.js';
import type { StickySessions } from './sticky.js';
import { type IdleConnection, UpstreamEndpoint } from './upstream-endpoint.js';
import { WaitQueue } from './wait-queue.js';

/** Why no endpoint could be picked. */
export type PickFailure = 'none_up' | 'all_tried' | 'no_room' | 'panic' | 'breaker_open' | 'maintenance';

/** Who waits for room at an endpoint. */
export interface PoolWaiter<C extends IdleConnection = IdleConnection> {
  /** As for `pick`. */
  readonly tried: readonly number[];
  readonly key: number;
  /** There is room. The waiter counts itself with `enter` before it returns. */
  onEndpoint(endpoint: UpstreamEndpoint<C>): void;
  /** The wait was too long. */
  onQueueTimeout(): void;
  /** There is nothing to wait for any more: `none_up`, `panic`, `breaker_open` or `maintenance`. */
  onUnavailable(why: PickFailure): void;
}

/** Waiters that are passed over, because they tried what has room, before serving stops. */
const PASSED_MAX = 64;
/** What clients are told of breakers that an operator opened: nobody knows for how long. */
const FORCED_OPEN_SECONDS = 60;
/** Turns stay small integers. */
const TURN_MASK = 0x3fffffff;

/**
 * The endpoints of one pool with their health, behind one `pick`. Everything it decides with is in this thread: no
 * clock (the caller's `tick` brings the time), no timers, no sockets.
 */
export class UpstreamPool<C extends IdleConnection = IdleConnection> {
  readonly model: PoolModel;
  readonly endpoints: readonly UpstreamEndpoint<C>[];
  readonly tally: PoolTally;
  /** What `pick` wants the key of; null: it takes none. */
  readonly keySource: HashSource | null;
  readonly retries: PoolRetries;
  /** Null where clients are not kept at an endpoint; its keys are below NO_KEY. */
  sticky: StickySessions | null = null;
  readonly #health: PoolHealth<C>;
  readonly #breaker: PoolBreaker | null;
  /** Null where the pool as a whole has no limits. */
  readonly #bounds: PoolBounds | null;
  /** Null without an adaptive limit. */
  readonly #concurrency: PoolConcurrency | null;
  readonly #active: Int32Array;
  readonly #context: PickContext;
  readonly #queue: WaitQueue<PoolWaiter<C>> | null;
  readonly #order: QueueOrder;
  /** Taken out of a full queue, to be told with the next tick: at once, one could make way for the next without an end. */
  readonly #displaced: Set<PoolWaiter<C>> = new Set();
  readonly #random: () => number;
  readonly #measures: boolean;
  #maintenance: boolean;
  #stale: StaleCache | null;
  #turn: number;
  #serving = false;

  constructor(
    model: PoolModel,
    limits: ProxyLimits,
    onChange: PoolChange = () => {},
    random: () => number = Math.random,
  ) {
    this.model = model;
    this.tally = new PoolTally(model.endpoints.length);
    this.endpoints = model.endpoints.map(
      (endpoint, i) => new UpstreamEndpoint<C>(i, endpoint, limits, model.limits),
    );
    this.keySource = keySourceOf(model);
    this.retries = new PoolRetries(model);
    this.#health = new PoolHealth(model, this.endpoints, onChange, random);
    this.#breaker = this.#health.breaker;
    this.#active = new Int32Array(this.endpoints.length);
    const { poolLimits } = model;
    this.#bounds = poolLimits === undefined ? null : new PoolBounds(poolLimits, this.endpoints, this.#active);
    this.#context = newContext(this.#active);
    this.#queue = model.queue === undefined ? null : new WaitQueue(model.queue);
    this.#order = new QueueOrder(model.queue?.standingMs ?? Number.POSITIVE_INFINITY);
    this.#concurrency = model.concurrency === undefined ? null : new PoolConcurrency(model.concurrency);
    this.#random = random;
    // Threads that start together would otherwise take the same turns at the same time.
    this.#turn = Math.floor(random() * TURN_MASK);
    this.#measures = model.balance === 'least_time';
    this.#maintenance = model.maintenance === true;
    const { stale } = model;
    this.#stale = stale === undefined ? null : new StaleCache(stale, stale.bytes);
  }

  get name(): string {
    return this.model.name;
  }

  /** Null where no responses are kept, and in maintenance: clients then get what was written for it. */
  get stale(): StaleCache | null {
    return this.#maintenance ? null : this.#stale;
  }

  set stale(cache: StaleCache | null) {
    this.#stale = cache;
  }

  /** True while no endpoint is asked, by the configuration or an order. */
  get maintenance(): boolean {
    return this.#maintenance;
  }

  /** Endpoints that are up, not ejected and not draining. */
  get healthy(): number {
    return this.#health.healthy;
  }

  /** True while endpoints are used although they aren't healthy, or refused although they are. */
  get panic(): boolean {
    return this.#health.panic;
  }

  /** Requests that wait for room. */
  get queued(): number {
    return this.#queue === null ? 0 : this.#queue.length;
  }

  /** Requests that gave way in its queue wait to be told. */
  get owesAnswers(): boolean {
    return this.#displaced.size > 0;
  }

  /** The queue has been standing for too long: the newest is served first. */
  get newestFirst(): boolean {
    return this.#order.newestFirst;
  }

  /** Requests that may be in progress by the adaptive limit; 0 without one. */
  get concurrencyLimit(): number {
    return this.#concurrency === null ? 0 : this.#concurrency.limit;
  }

  /** Exchanges and sessions in progress at an endpoint. */
  activeOf(index: number): number {
    return this.#active[index] ?? 0;
  }

  /**
   * The next endpoint that may be used, has room and isn't among `tried` (indexes). `key` is for pools with a
   * `keySource`. The caller counts the endpoint with `enter` and `leave` for as long as it uses it.
   */
  pick(tried: readonly number[], key: number = NO_KEY): UpstreamEndpoint<C> | PickFailure {
    if (this.#maintenance) return 'maintenance';
    // Nobody overtakes those who wait already, but where the newest is first; with nobody up, there is nothing to wait for.
    const waits = this.#queue !== null && this.#queue.length > 0 && !this.#order.newestFirst;
    if (waits && this.healthy > 0) return 'no_room';
    if (this.#breaker !== null && this.#breaker.admitted < 1 && tried.length === 0) {
      if (this.#random() >= this.#breaker.admitted && this.healthy > 0) return 'breaker_open';
    }
    const picked = this.#choose(tried, key);
    if (picked === 'no_room') this.#countNoRoom();
    return picked;
  }

  enter(endpoint: UpstreamEndpoint<C>): void {
    this.#active[endpoint.index]!++;
    if (this.#concurrency !== null) this.#concurrency.inFlight++;
    if (this.#breaker !== null) this.#breaker.enter(endpoint, this.#context.nowMs);
  }

  leave(endpoint: UpstreamEndpoint<C>): void {
    this.#active[endpoint.index]!--;
    if (this.#concurrency !== null) this.#concurrency.inFlight--;
  }

  /**
   * Waits for room, after `pick` answered `no_room`: `onEndpoint`, `onQueueTimeout` or `onUnavailable` follows, never
   * before this returns. The ticket is for `cancel`; -1 if the pool has no queue or it is full.
   */
  enqueue(waiter: PoolWaiter<C>): number {
    const queue = this.#queue;
    if (queue === null) return -1;
    if (queue.isFull && this.#order.newestFirst) this.#displaceOldest(queue);
    const ticket = queue.add(waiter, this.#health.nowMs);
    this.#order.observe(queue.length, this.#health.nowMs);
    return ticket;
  }

  /** The waiter waits no longer, for instance because its client is gone. */
  cancel(ticket: number, waiter: PoolWaiter<C>): void {
    if (this.#queue?.remove(ticket, waiter) === false) this.#displaced.delete(waiter);
  }

  /**
   * Gives room that became free to those who wait: the oldest first, or the newest in a standing queue; turns them away where nobody is
   * left to wait for, such as when all breakers have opened. To be called after a connection was given
   * back or closed and an exchange left; costs nothing while nobody waits.
   */
  serve(): void {
    const queue = this.#queue;
    if (queue === null || queue.length === 0 || this.#serving) return;
    this.#serving = true;
    let passed = 0;
    for (let place = this.#nextOf(queue); place >= 0 && passed < PASSED_MAX; ) {
      const waiter = queue.at(place);
      if (waiter === null) break;
      const endpoint = this.#maintenance ? 'maintenance' : this.#choose(waiter.tried, waiter.key);
      const isFutile = typeof endpoint === 'string' && endpoint !== 'no_room' && endpoint !== 'all_tried';
      if (typeof endpoint !== 'string' || isFutile) {
        queue.remove(place, waiter);
        if (typeof endpoint === 'string') waiter.onUnavailable(endpoint);
        else waiter.onEndpoint(endpoint);
        // It may have changed the queue.
        place = this.#nextOf(queue);
        continue;
      }
      if (waiter.tried.length === 0) break;
      passed++;
      place = this.#order.newestFirst ? queue.before(place) : queue.after(place);
    }
    this.#serving = false;
    this.#order.observe(queue.length, this.#health.nowMs);
  }

  /**
   * What came of one use of an endpoint: the final status of its response, 200 for a session that was connected, 0
   * for no answer (no connection, too late, broken off). `latencyMs`: until the head of the response.
   */
  result(endpoint: UpstreamEndpoint<C>, status: number, latencyMs: number): void {
    if (!this.#measures && !this.#health.passive && this.#concurrency === null) return;
    const good = isGoodStatus(status);
    const { latency, nowMs } = this.#context;
    if (this.#concurrency !== null) this.#concurrency.result(good, latencyMs, nowMs);
    if (this.#measures) latency.observe(endpoint.index, latencyMs, good, nowMs);
    if (this.#health.passive) this.#health.record(endpoint, good, latencyMs);
  }

  /** Takes in the time, in milliseconds that never go back, a few times a second: all that waits for it is done here. */
  tick(nowMs: number): void {
    this.#context.nowMs = nowMs;
    this.#health.tick(nowMs);
    this.sticky?.tick();
    if (this.#concurrency !== null) this.#concurrency.tick(nowMs, this.#random());
    if (this.#displaced.size > 0) this.#tellDisplaced();
    if (this.#queue === null) return;
    this.#order.observe(this.#queue.length, nowMs);
    if (this.#queue.length === 0) return;
    this.serve();
    for (let late = this.#queue.takeExpired(nowMs); late !== null; late = this.#queue.takeExpired(nowMs)) {
      late.onQueueTimeout();
    }
    this.#order.observe(this.#queue.length, nowMs);
  }

  /** The verdict of the active checks on the endpoint with this index. */
  judge(index: number, up: boolean, detail: string): void {
    const endpoint = this.endpoints[index];
    if (endpoint === undefined) return;
    this.#health.judge(endpoint, up, detail);
    this.serve();
  }

  /** An active check was good, which ends an ejection. */
  passed(index: number): void {
    const endpoint = this.endpoints[index];
    if (endpoint !== undefined) this.#health.passed(endpoint);
  }

  /**
   * On: no new requests; what is in progress goes on, and sessions stay for a while after `sinceMs` (milliseconds since 1970). Off:
   * back in use.
   */
  drain(index: number, on: boolean, sinceMs = 0): void {
    const endpoint = this.endpoints[index];
    if (endpoint === undefined) return;
    endpoint.drainingSinceMs = sinceMs;
    this.#health.drain(endpoint, on);
  }

  /** 0 to 1000, from the next request on. */
  setWeight(index: number, weight: number): void {
    const endpoint = this.endpoints[index];
    if (endpoint !== undefined) this.#health.setWeight(endpoint, weight);
  }

  /** On: no endpoint is asked, and requests get the fallback; what is in progress goes on. Off: the endpoints again. */
  maintain(on: boolean): void {
    this.#maintenance = on;
    this.serve();
  }

  /** Keeps a circuit breaker open or closed, or lets it decide again. False if the pool has none. */
  forceBreaker(index: number, wanted: BreakerForce): boolean {
    const endpoint = this.endpoints[index];
    if (this.#breaker === null || endpoint === undefined) return false;
    this.#breaker.force(endpoint, wanted, this.#context.nowMs);
    return true;
  }

  /** After `breaker_open`: seconds after which it may be worth to ask again, 1 or more. */
  get retryAfterSeconds(): number {
    const ms = this.#breaker?.retryAfterMs(this.#context.nowMs) ?? 0;
    return Number.isFinite(ms) ? Math.max(1, Math.ceil(ms / 1_000)) : FORCED_OPEN_SECONDS;
  }

  /** Takes over what a pool of the same name in a former configuration learned: breakers, and the budget of retries. */
  adopt(from: UpstreamPool<C>): void {
    this.tick(from.#context.nowMs);
    this.retries.adopt(from.retries);
    if (this.#concurrency !== null && from.#concurrency !== null) this.#concurrency.adopt(from.#concurrency);
    if (this.#breaker !== null && from.#breaker !== null) this.#breaker.adopt(from.#breaker);
  }

  close(): void {
    for (const endpoint of this.endpoints) endpoint.closeIdle();
  }

  #choose(tried: readonly number[], key: number): UpstreamEndpoint<C> | PickFailure {
    if (this.#concurrency !== null && !this.#concurrency.hasRoom) return 'no_room';
    if (this.#bounds !== null && !this.#bounds.measure()) return 'no_room';
    const context = this.#context;
    const { excluded } = context;
    this.#turn = (this.#turn + 1) & TURN_MASK;
    context.turn = this.#turn;
    context.draw = this.#random();
    if (key < NO_KEY && this.sticky !== null) {
      const kept = this.endpoints[this.sticky.endpointOf(key)];
      if (kept !== undefined && !tried.includes(kept.index) && this.#hasRoom(kept)) return kept;
      context.key = this.sticky.placeOf(key);
    } else context.key = this.keySource === null ? NO_KEY : key;
    for (let i = 0; i < tried.length; i++) excluded[tried[i]!] = 1;
    context.exclusions = tried.length;
    const endpoint = this.endpoints[this.#health.picker.pick(context)];
    if (endpoint === undefined || this.#hasRoom(endpoint)) {
      for (let i = 0; i < tried.length; i++) excluded[tried[i]!] = 0;
      return endpoint ?? this.#failure(tried);
    }
    return this.#chooseWithRoom(context);
  }

  /** Who waits and is served next. */
  #nextOf(queue: WaitQueue<PoolWaiter<C>>): number {
    return this.#order.newestFirst ? queue.last : queue.first;
  }

  #displaceOldest(queue: WaitQueue<PoolWaiter<C>>): void {
    const oldest = queue.at(queue.first);
    if (oldest === null) return;
    queue.remove(queue.first, oldest);
    this.#displaced.add(oldest);
    this.tally.displaced();
  }

  #tellDisplaced(): void {
    const displaced = [...this.#displaced];
    // One that is told may make another one leave.
    for (const waiter of displaced) if (this.#displaced.delete(waiter)) waiter.onQueueTimeout();
  }

  #countNoRoom(): void {
    if (this.#concurrency !== null && !this.#concurrency.hasRoom) this.tally.overLimit();
    else if (this.#bounds?.denied === true) this.tally.bounded();
  }

  /** The algorithm's choice is full: looks again among all that aren't. */
  #chooseWithRoom(context: PickContext): UpstreamEndpoint<C> | PickFailure {
    const { excluded } = context;
    for (const endpoint of this.endpoints) {
      if (excluded[endpoint.index] === 1 || this.#hasRoom(endpoint)) continue;
      excluded[endpoint.index] = 1;
      context.exclusions++;
    }
    const index = this.#health.picker.pick(context);
    excluded.fill(0);
    return this.endpoints[index] ?? 'no_room';
  }

  #failure(tried: readonly number[]): PickFailure {
    if (this.healthy === 0) return this.#isBroken() ? 'breaker_open' : 'none_up';
    if (this.panic && this.model.panic?.mode === 'secure') return 'panic';
    return tried.length > 0 ? 'all_tried' : 'none_up';
  }

  #hasRoom(endpoint: UpstreamEndpoint<C>): boolean {
    if (!endpoint.hasRoom || this.#active[endpoint.index]! >= endpoint.requestsMax) return false;
    return this.#bounds === null || this.#bounds.admits(endpoint);
  }

  /** True if breakers keep out what else could be used. */
  #isBroken(): boolean {
    return this.#breaker !== null && this.#breaker.retryAfterMs(this.#context.nowMs) !== null;
  }
}

function newContext(active: Int32Array): PickContext {
  return {
    turn: 0,
    draw: 0.5,
    nowMs: 0.5,
    key: NO_KEY,
    active,
    latency: new LatencyTable(active.length),
    excluded: new Uint8Array(active.length),
    exclusions: 0,
  };
}

function keySourceOf({ balance, hash }: PoolModel): HashSource | null {
  if (balance === 'ip_hash') return { key: 'address' };
  return balance === 'maglev' ? (hash?.source ?? { key: 'address' }) : null;
}
