import type { AccessReason } from '../../core/access-log/entry.js';
import { NO_KEY } from '../../core/balance/hash.js';
import { grpcPushbackMs, LATER } from '../../core/http/grpc.js';
import type { Head } from '../../core/http/head.js';
import { retryAfterMs } from '../../core/limit/backoff.js';
import { ENDPOINTS_TRIED_MAX, IDEMPOTENT, type RetryFailure } from '../../core/limit/retry.js';
import { badAnswer } from '../request-failure.js';
import { type RetriedRequest, RetryTurns } from '../retry-turns.js';
import type { PickFailure } from '../upstream-pool.js';
import type { StreamContext, StreamPool, StreamRoute, StreamWaiter } from './context.js';
import type { ReplayBuffer } from './replay-buffer.js';
import {
  callFailed,
  nobodyToCall,
  retryFailureOf,
  type StreamFailure,
  waitedInVain,
} from './stream-failure.js';
import type { StreamRequest } from './stream-request.js';
import type { CalledEndpoint, UpstreamCall, UpstreamFailure, UpstreamListener } from './upstream.js';

/** The exchange whose request is sent to one endpoint or another. */
export interface TriedStream extends UpstreamListener {
  /** A head came of which the client may have seen something: nobody else can be asked. */
  readonly answered: boolean;
  /** Whoever has to move next gets its whole time. */
  touch(): void;
  /** The body waits for the next endpoint. */
  pauseBody(): void;
  fail(failure: StreamFailure): void;
}

const NO_TICKET = -1;
/** Times that an endpoint may say that it did nothing, before another one is asked. */
const REFUSALS_MAX = 2;

/** Who is asked with one request: the endpoint at hand and the call of it, who was tried before, and who is next. */
export class StreamAttempts implements StreamWaiter, RetriedRequest {
  readonly tried: number[] = [];
  key: number;
  route: StreamRoute;
  /** Endpoints that were asked, one counted again for each attempt. */
  count = 0;
  endpoint: CalledEndpoint | null = null;
  /** The endpoint of the last attempt. */
  last: CalledEndpoint | null = null;
  call: UpstreamCall | null = null;
  /** The head was sent. */
  open = false;
  /** The endpoint takes no more of the body for now. */
  full = false;
  /** When the endpoint at hand got the request, or was first called. */
  askedMs = 0;
  /** What the head said of the endpoint, as a status of HTTP: for gRPC, another one than that of HTTP, or LATER. */
  verdict = 0;
  /** Null where the route has none. */
  retries: RetryTurns<CalledEndpoint> | null;
  readonly #exchange: TriedStream;
  readonly #request: StreamRequest;
  readonly #replay: ReplayBuffer;
  readonly #context: StreamContext;
  readonly #triedMax: number;
  #ticket = NO_TICKET;
  #failure: UpstreamFailure | null = null;
  #renewed = false;
  #refusals = 0;
  /** When the head came that is passed on. */
  #settledMs = -1;

  constructor(exchange: TriedStream, request: StreamRequest, replay: ReplayBuffer, context: StreamContext) {
    this.#exchange = exchange;
    this.#request = request;
    this.#replay = replay;
    this.#context = context;
    this.key = request.key;
    this.route = request.route;
    const { retries: policy } = request.route;
    this.#triedMax =
      policy === null ? ENDPOINTS_TRIED_MAX : Math.max(ENDPOINTS_TRIED_MAX, policy.model.max + 1);
    this.retries = this.#newRetries();
  }

  get pool(): StreamPool {
    return this.route.pool;
  }

  /** `fresh`: on a new connection to the same endpoint. */
  acquire(fresh: boolean): void {
    let noRoom = false;
    while (this.tried.length < this.#triedMax) {
      const picked = fresh && this.endpoint !== null ? this.endpoint : this.pool.pick(this.tried, this.key);
      if (typeof picked === 'string') return this.#nobody(noRoom ? 'no_room' : picked);
      if (this.#ask(picked, fresh)) return;
      noRoom = true;
    }
    this.#nobody(noRoom ? 'no_room' : 'all_tried');
  }

  /** There is room at last. */
  onEndpoint(endpoint: CalledEndpoint): void {
    this.#ticket = NO_TICKET;
    this.#exchange.touch();
    if (!this.#ask(endpoint, false)) this.acquire(false);
  }

  onQueueTimeout(): void {
    this.#ticket = NO_TICKET;
    this.#exchange.fail(waitedInVain(this.pool));
  }

  onUnavailable(why: PickFailure): void {
    this.#ticket = NO_TICKET;
    this.#nobody(why);
  }

  /** The call at hand failed. */
  failed(failure: UpstreamFailure): void {
    if (!this.#retry(failure)) this.#exchange.fail(callFailed(failure, this.pool));
  }

  /** The pause before the retry is over. */
  onRetry(): void {
    this.#exchange.touch();
    // More of the body came in the pause than is kept.
    if (this.#replay.complete) this.acquire(false);
    else this.#exchange.fail(badAnswer('failed', this.pool, 'upstream_closed'));
  }

  /** True if another endpoint will be asked, since the verdict on the one at hand is a failure, of which nothing is passed on. */
  againAfter(retries: RetryTurns<CalledEndpoint>, head: Head, grpc: boolean): boolean {
    const { endpoint, verdict: status } = this;
    if (endpoint === null || this.#exchange.answered || !retries.isFailure(status)) return false;
    this.tried.push(endpoint.index);
    const pushbackMs = grpc ? grpcPushbackMs(head.field('grpc-retry-pushback-ms', ',')) : null;
    const askedMs = pushbackMs ?? retryAfterMs(head.field('retry-after', ','), Date.now());
    if (!retries.afterStatus(status, this.#replay.complete, askedMs)) {
      this.tried.pop();
      return false;
    }
    this.result(status);
    this.pool.tally.passedOver(endpoint.index);
    this.#pause();
    return true;
  }

  /** Likewise, since its time is over. */
  againLate(retries: RetryTurns<CalledEndpoint>): boolean {
    if (this.#exchange.answered || !this.#turnsTo(retries, 'timeout')) return false;
    this.result(0);
    this.#pause();
    return true;
  }

  /** A response is passed on: nobody else is asked. */
  settled(): void {
    this.#replay.forget();
    this.#settledMs = this.#context.deadlines.nowMs;
    if (this.verdict !== LATER) this.result(this.verdict);
  }

  /** A message or the trailers said what the head may not have said. The time is that to the head. */
  judge(status: number): void {
    if (this.verdict !== LATER) return;
    this.verdict = status;
    if (this.endpoint === null) return;
    this.pool.result(this.endpoint, status, Math.max(0, this.#settledMs - this.askedMs));
  }

  /** For passive health and for latencies: a final status, 0 for none. */
  result(status: number): void {
    if (this.endpoint === null) return;
    this.pool.result(this.endpoint, status, this.#context.deadlines.nowMs - this.askedMs);
  }

  /** To another pool, since this one failed with `reason`; `acquire` has to follow. False if what was sent of a body is lost. */
  moveTo(route: StreamRoute, reason: AccessReason): boolean {
    if (!this.#replay.complete) return false;
    const { tally } = this.pool;
    tally.degraded('pool');
    tally.failed(reason);
    this.#leave();
    this.call = null;
    this.open = false;
    this.#failure = null;
    this.tried.length = 0;
    this.key = NO_KEY;
    this.route = route;
    this.retries?.end();
    this.retries = this.#newRetries();
    route.pool.tally.issued();
    return true;
  }

  /** The exchange has ended; the call that was in progress, if any. */
  end(): UpstreamCall | null {
    const { call } = this;
    this.call = null;
    this.retries?.end();
    this.#replay.forget();
    this.#leave();
    return call;
  }

  /** False if the endpoint has no room after all; it then counts as tried. */
  #ask(endpoint: CalledEndpoint, fresh: boolean): boolean {
    const { head, facts, hasBody, sensitive } = this.#request;
    const { pool } = this;
    this.open = false;
    this.full = false;
    this.#use(endpoint);
    this.last = endpoint;
    this.askedMs = this.#context.deadlines.nowMs;
    const request = { head, facts, hasBody, sensitive, onRoom: () => pool.serve() };
    this.call = this.#context.upstreams.call(pool, endpoint, request, this.#exchange, fresh);
    if (this.call === null) this.tried.push(endpoint.index);
    else this.count++;
    return this.call !== null;
  }

  #nobody(why: PickFailure): void {
    if (why === 'no_room') {
      // Whoever waits holds nothing.
      this.#use(null);
      this.#ticket = this.pool.enqueue(this);
      if (this.#ticket !== NO_TICKET) return;
    }
    const failure = this.#failure;
    this.#exchange.fail(failure === null ? nobodyToCall(why, this.pool) : callFailed(failure, this.pool));
  }

  /** Tries again where nothing can have been done twice. */
  #retry(failure: UpstreamFailure): boolean {
    const { retries, endpoint } = this;
    if (this.#exchange.answered || !this.#replay.complete || endpoint === null) return false;
    const { code } = failure;
    if (code === 'stale') {
      const safe = IDEMPOTENT.has(this.#request.facts.method) && this.#replay.chunks.length === 0;
      if (!safe || this.#renewed) return retries !== null && this.#again(retries, failure);
      this.#renewed = true;
      this.#onceMore(true);
      return true;
    }
    if (retries !== null && code !== 'refused') return this.#again(retries, failure);
    if (code !== 'refused' && code !== 'connect_failed' && code !== 'connect_timeout') return false;
    if (this.tried.length >= ENDPOINTS_TRIED_MAX) return false;
    if (code !== 'refused' || ++this.#refusals > REFUSALS_MAX) this.tried.push(endpoint.index);
    if (this.tried.length >= ENDPOINTS_TRIED_MAX) return false;
    this.#failure = failure;
    this.#onceMore(false);
    return true;
  }

  #onceMore(fresh: boolean): void {
    this.pool.tally.retried();
    this.#exchange.pauseBody();
    this.acquire(fresh);
  }

  /** True if another endpoint will be asked after a pause. */
  #again(retries: RetryTurns<CalledEndpoint>, failure: UpstreamFailure): boolean {
    const kind = retryFailureOf(failure);
    if (kind === null || !this.#turnsTo(retries, kind)) return false;
    if (kind === 'connect') this.#failure = failure;
    this.#pause();
    return true;
  }

  /** True if there is a turn for somebody else than the endpoint at hand. */
  #turnsTo(retries: RetryTurns<CalledEndpoint>, kind: RetryFailure): boolean {
    if (this.endpoint === null) return false;
    this.tried.push(this.endpoint.index);
    if (retries.afterFailure(kind, this.#replay.complete)) return true;
    this.tried.pop();
    return false;
  }

  /** Holds nothing until `onRetry`. */
  #pause(): void {
    const { call } = this;
    this.call = null;
    this.open = false;
    this.#renewed = false;
    call?.cancel();
    this.#exchange.pauseBody();
    this.#use(null);
    this.#exchange.touch();
  }

  #leave(): void {
    if (this.#ticket !== NO_TICKET) this.pool.cancel(this.#ticket, this);
    this.#ticket = NO_TICKET;
    this.#use(null);
  }

  #use(endpoint: CalledEndpoint | null): void {
    const { pool } = this;
    const before = this.endpoint;
    if (before === endpoint) return;
    this.endpoint = endpoint;
    if (endpoint !== null) pool.enter(endpoint);
    if (before === null) return;
    pool.leave(before);
    pool.serve();
  }

  #newRetries(): RetryTurns<CalledEndpoint> | null {
    const { pool, retries: policy } = this.route;
    if (policy === null) return null;
    return new RetryTurns(this, { pool, policy, method: this.#request.facts.method }, this.#context);
  }
}
