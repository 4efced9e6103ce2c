import type { AccessReason } from '../../core/access-log/entry.js';
import { NO_KEY } from '../../core/balance/hash.js';
import type { ResponseFacts } from '../../core/http/hygiene.js';
import { ENDPOINTS_TRIED_MAX, IDEMPOTENT, type RetryFailure } from '../../core/limit/retry.js';
import { noConnection, noEndpoint, noRoomInTime, type RequestFailure } from '../request-failure.js';
import type { PickFailure, PoolWaiter } from '../upstream-pool.js';
import type { HttpContext, HttpPool, HttpRoute } from './context.js';
import type { Hedged } from './hedge.js';
import type { RequestRelay } from './request-relay.js';
import { discard, type RetriedExchange, Retries } from './retries.js';
import { type HttpEndpoint, UpstreamConnection, type UpstreamOwner } from './upstream-connection.js';

/** The exchange whose request is sent to one endpoint or another. */
export interface TriedExchange extends UpstreamOwner {
  readonly ended: boolean;
  /** A head came of which the client may have seen something: nobody else can be asked. */
  readonly answered: boolean;
  /** Whoever has to move next gets its whole time. */
  touch(): void;
  fail(failure: RequestFailure): void;
  /** Likewise with 502. `what`: what an endpoint did. */
  failBad(what: string, reason: AccessReason): void;
}

type ConnectFailure = 'connect_timeout' | 'connect_failed';

const NO_TICKET = -1;

/**
 * Who is asked with one request: the endpoint at hand and the connection to it, who was tried before, and who is next. The requests of a
 * client connection follow one another here.
 *
 *     picked ──▶ connecting ──▶ open ──▶ answered
 *       │ ▲          └──fails──────┴──▶ given up, or tried again: at once, after a pause, or over the connection of a hedge
 *       ▼ │
 *     queued
 */
export class Attempts implements PoolWaiter<UpstreamConnection>, RetriedExchange {
  readonly request: RequestRelay;
  /** Endpoints that refused this request. */
  readonly tried: number[] = [];
  /** What the pool hashes by, if it does. */
  key = NO_KEY;
  route: HttpRoute | null = null;
  endpoint: HttpEndpoint | null = null;
  upstream: UpstreamConnection | null = null;
  /** The head was sent over it. */
  open = false;
  /** When the endpoint at hand got the request, or was first called. */
  askedMs = 0;
  /** Null where the route has none. */
  retries: Retries | null = null;
  /** The endpoint at hand has sent something. */
  responding = false;
  readonly #exchange: TriedExchange;
  readonly #context: HttpContext;
  #ticket = NO_TICKET;
  /** A kept connection was closed, and a new one took its place. */
  #renewed = false;
  #connectFailure: ConnectFailure | null = null;

  constructor(exchange: TriedExchange, request: RequestRelay, context: HttpContext) {
    this.#exchange = exchange;
    this.request = request;
    this.#context = context;
  }

  /** Only while an exchange is in progress. */
  get pool(): HttpPool {
    return this.route!.pool;
  }

  /** It waits for room in the pool. */
  get queued(): boolean {
    return this.#ticket !== NO_TICKET;
  }

  /** How often somebody was asked once more. */
  get repeats(): number {
    return this.tried.length + (this.#renewed ? 1 : 0);
  }

  begin(route: HttpRoute, key: number): void {
    this.route = route;
    this.key = key;
    if (this.tried.length > 0) this.tried.length = 0;
    this.endpoint = null;
    this.upstream = null;
    this.open = false;
    this.responding = false;
    this.#ticket = NO_TICKET;
    this.#renewed = false;
    this.#connectFailure = null;
    route.pool.tally.issued();
    this.retries = route.retries === null ? null : this.#newRetries(route);
  }

  /** `fresh`: on a new connection to the same endpoint. */
  acquire(fresh: boolean): void {
    const { pool } = this;
    const picked = fresh && this.endpoint !== null ? this.endpoint : pool.pick(this.tried, this.key);
    if (typeof picked !== 'string') return this.#connect(picked, fresh);
    if (picked === 'no_room') {
      this.#use(null);
      this.#ticket = pool.enqueue(this);
      if (this.#ticket !== NO_TICKET) return;
    }
    this.#failUnpicked(picked);
  }

  /** There is room at last. */
  onEndpoint(endpoint: HttpEndpoint): void {
    this.#ticket = NO_TICKET;
    this.#exchange.touch();
    this.#connect(endpoint, false);
  }

  onQueueTimeout(): void {
    this.#ticket = NO_TICKET;
    this.failQueued();
  }

  onUnavailable(why: PickFailure): void {
    this.#ticket = NO_TICKET;
    this.#failUnpicked(why);
  }

  failQueued(): void {
    this.#exchange.fail(noRoomInTime(this.pool));
  }

  /** Nothing was sent yet, so any request may go to the next endpoint. */
  connectFailed(code: ConnectFailure): void {
    if (this.#exchange.ended || this.endpoint === null) return;
    this.#connectFailure = code;
    if (this.retries !== null && this.again(this.retries, 'connect')) return;
    this.result(0);
    if (this.retries === null && this.tried.push(this.endpoint.index) < ENDPOINTS_TRIED_MAX) {
      this.pool.tally.retried();
      this.acquire(false);
    } else this.#exchange.fail(noConnection(code, this.pool));
  }

  /**
   * The endpoint stopped before the response was whole. A kept connection that dies before its first byte was
   * most likely closed while idle: then, and only if nothing can have been done twice, a new one is tried.
   */
  broken(what: string): void {
    if (this.#exchange.ended) return;
    const stale = this.upstream?.reused === true && !this.responding && this.request.bytesSent === 0;
    if (stale && !this.#renewed && IDEMPOTENT.has(this.request.facts.method)) {
      this.#renewed = true;
      this.pool.tally.retried();
      this.upstream?.destroy();
      this.acquire(true);
      return;
    }
    if (this.retries !== null && this.again(this.retries, 'reset')) return;
    this.#exchange.failBad(what, 'upstream_closed');
  }

  /** The pause before the retry is over. */
  onRetry(): void {
    this.#exchange.touch();
    this.acquire(false);
  }

  /** True if the request will go to another endpoint, since the one at hand gave no answer. */
  again(retries: Retries, failure: RetryFailure): boolean {
    const { endpoint } = this;
    if (this.#exchange.ended || endpoint === null || this.#exchange.answered) return false;
    this.tried.push(endpoint.index);
    const second = retries.handOver();
    if (second === null && !retries.afterFailure(failure)) {
      this.tried.pop();
      return false;
    }
    this.result(0);
    if (second !== null) this.#change(second);
    else {
      this.upstream?.destroy();
      this.#pause();
    }
    return true;
  }

  /** Likewise, since it answered with a failure, whose head of `length` bytes is not passed on. */
  againAfter(retries: Retries, facts: ResponseFacts, length: number): boolean {
    const endpoint = this.endpoint!;
    const upstream = this.upstream!;
    if (this.#exchange.answered) return false;
    this.tried.push(endpoint.index);
    const second = retries.isFailure(facts.status) ? retries.handOver() : null;
    if (second === null && !retries.afterStatus(upstream, facts)) {
      this.tried.pop();
      return false;
    }
    this.result(facts.status);
    this.pool.tally.passedOver(endpoint.index);
    if (second !== null) this.#change(second);
    else {
      discard(upstream, facts, length, this.request.isSent);
      this.#pause();
    }
    return true;
  }

  get mayHedge(): boolean {
    return this.open && this.request.isSent && !this.#exchange.ended && !this.#exchange.answered;
  }

  takeHedge(): void {
    const second = this.retries?.handOver() ?? null;
    if (second === null || this.endpoint === null) return;
    this.tried.push(this.endpoint.index);
    this.#change(second);
    this.#exchange.onUpstreamData();
  }

  /** To another pool, since this one failed with `reason`; `acquire` has to follow. False if what was sent of a body is lost. */
  moveTo(route: HttpRoute, reason: AccessReason): boolean {
    const sent = this.request.bytesSent > 0;
    // What was sent of a body has to be sent once more.
    const policy = route.retries ?? (sent && this.retries !== null ? this.retries.bodyOnly : null);
    const retries = this.#newRetries(route, policy);
    if (sent && retries?.takeBody(this.retries) !== true) return false;
    const { tally } = this.pool;
    tally.degraded('pool');
    tally.failed(reason);
    this.#leave();
    this.upstream = null;
    this.open = false;
    this.#connectFailure = null;
    this.tried.length = 0;
    this.key = NO_KEY;
    this.route = route;
    route.pool.tally.issued();
    this.retries?.end();
    this.retries = retries;
    return true;
  }

  /** What came of the endpoint at hand: a status, 0 for nothing that is good for anything; `nowMs`: when. */
  result(status: number, nowMs: number = this.#context.deadlines.nowMs): void {
    if (this.endpoint !== null) this.pool.result(this.endpoint, status, nowMs - this.askedMs);
  }

  /** An idle connection keeps nothing of a body. */
  endRetries(): void {
    this.retries?.end();
    this.retries = null;
  }

  /** The exchange has ended. Whoever ended it gives the connection back, or destroys it. */
  end(): void {
    if (this.retries !== null) this.endRetries();
    this.#leave();
  }

  #connect(endpoint: HttpEndpoint, fresh: boolean): void {
    if (endpoint !== this.endpoint) this.#use(endpoint);
    if (this.retries !== null) this.retries.asked();
    const idle = fresh ? undefined : endpoint.takeIdle();
    this.open = false;
    this.askedMs = this.#context.deadlines.nowMs;
    this.upstream = idle ?? new UpstreamConnection(endpoint, this.#exchange, this.#context, this.pool);
    if (idle === undefined) return;
    idle.adopt(this.#exchange);
    this.#exchange.onUpstreamOpen();
  }

  #failUnpicked(why: PickFailure): void {
    const code = this.#connectFailure;
    this.#exchange.fail(code === null ? noEndpoint(why, this.pool) : noConnection(code, this.pool));
  }

  /** Goes on with the second endpoint; the one at hand is given up. */
  #change({ endpoint, upstream, open, askedMs }: Hedged): void {
    this.upstream?.destroy();
    if (this.endpoint !== null) this.pool.leave(this.endpoint);
    // Whoever asked it has counted it.
    this.endpoint = endpoint;
    this.upstream = upstream;
    this.open = open;
    this.askedMs = askedMs;
    this.responding = false;
    upstream.passTo(this.#exchange);
    // What came of a head is still in the window.
    upstream.resetHead();
    this.pool.serve();
    this.#exchange.touch();
  }

  /** Holds nothing until `onRetry`. */
  #pause(): void {
    this.upstream = null;
    this.open = false;
    this.#renewed = false;
    this.responding = false;
    this.#use(null);
    this.pool.serve();
    this.#exchange.touch();
  }

  #leave(): void {
    if (this.#ticket !== NO_TICKET) this.pool.cancel(this.#ticket, this);
    this.#ticket = NO_TICKET;
    this.#use(null);
  }

  #use(endpoint: HttpEndpoint | null): void {
    if (this.endpoint !== null) this.pool.leave(this.endpoint);
    if (endpoint !== null) this.pool.enter(endpoint);
    this.endpoint = endpoint;
  }

  #newRetries({ pool, retries }: HttpRoute, policy = retries): Retries | null {
    return policy === null ? null : new Retries(this, this.#context, pool, policy);
  }
}
