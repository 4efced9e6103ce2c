import { copyBytes } from '../../core/http/ascii.js';
import type { ResponseFacts } from '../../core/http/hygiene.js';
import { retryAfterMs } from '../../core/limit/backoff.js';
import { type RetryFailure, RetryPolicy } from '../../core/limit/retry.js';
import { type RetriedRequest, RetryTurns } from '../retry-turns.js';
import type { HttpContext, HttpPool } from './context.js';
import { Hedge, type Hedged, type HedgedExchange } from './hedge.js';
import type { HttpEndpoint, UpstreamConnection } from './upstream-connection.js';

/** The exchange whose request is tried once more. */
export interface RetriedExchange extends HedgedExchange, RetriedRequest {
  readonly tried: number[];
  /** The endpoint at hand. */
  readonly endpoint: HttpEndpoint | null;
}

const NOTHING = new Uint8Array(0);
const KEPT_BYTES_MIN = 1024;

/** What the retries of one request of HTTP/1.1 need: their turns, what was sent of the body, a second endpoint. */
export class Retries {
  readonly #exchange: RetriedExchange;
  readonly #context: HttpContext;
  readonly #pool: HttpPool;
  readonly #turns: RetryTurns<HttpEndpoint>;
  /** For the body, beside the head, in the scratch memory. */
  readonly #room: number;
  /** What was sent of the body, as it came. */
  #kept: Uint8Array = NOTHING;
  #keptLength = 0;
  /** False once something of it is no longer there. */
  #complete = true;
  #hedge: Hedge | null = null;

  constructor(exchange: RetriedExchange, context: HttpContext, pool: HttpPool, policy: RetryPolicy) {
    const { facts, headLength } = exchange.request;
    this.#exchange = exchange;
    this.#context = context;
    this.#pool = pool;
    this.#turns = new RetryTurns(exchange, { pool, policy, method: facts.method }, context);
    this.#room = Math.min(policy.model.bodyBytes, context.network.scratch.length - headLength);
  }

  /** How long an endpoint has for the head of its response. */
  get tryMs(): number {
    return this.#turns.tryMs;
  }

  /** An endpoint is asked now. */
  asked(): void {
    const { hedgeMs } = this.#turns.policy.model;
    if (hedgeMs === null || !this.#turns.mayBeSentTwice) return;
    this.#hedge ??= new Hedge(this.#exchange, this, this.#context, this.#pool);
    this.#hedge.arm(hedgeMs);
  }

  /** A byte of a response is passed on: nobody else is asked from here on. */
  answered(): void {
    this.#hedge?.cancel();
  }

  /** What the second endpoint has; null if none is asked. */
  handOver(): Hedged | null {
    return this.#hedge === null ? null : this.#hedge.handOver();
  }

  /** A second endpoint beside the one at hand, if one may be asked. */
  takeHedge(): HttpEndpoint | null {
    const { tried, endpoint } = this.#exchange;
    if (endpoint === null) return null;
    tried.push(endpoint.index);
    const next = this.#turns.takeNow(this.#complete, tried);
    tried.pop();
    if (next !== null) this.#pool.tally.hedged();
    return next;
  }

  hedgeFailed(endpoint: HttpEndpoint): void {
    this.#exchange.tried.push(endpoint.index);
    this.#pool.tally.passedOver(endpoint.index);
  }

  /** True if another answer than one with this status is worth asking for. */
  isFailure(status: number): boolean {
    return this.#turns.isFailure(status);
  }

  /** `bytes[start, end)` of the body are sent. */
  keep(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#complete || end === start) return;
    const length = this.#keptLength + end - start;
    if (length > this.#room) {
      this.#complete = false;
      this.#kept = NOTHING;
      return;
    }
    if (length > this.#kept.length) {
      const grown = new Uint8Array(Math.min(this.#room, Math.max(KEPT_BYTES_MIN, 2 * length)));
      copyBytes(grown, 0, this.#kept, 0, this.#keptLength);
      this.#kept = grown;
    }
    copyBytes(this.#kept, this.#keptLength, bytes, start, end);
    this.#keptLength = length;
  }

  /** For a pool that tries nothing again: what keeps the body on the way there. */
  get bodyOnly(): RetryPolicy {
    return new RetryPolicy({ ...this.#turns.policy.model, max: 0, tryMs: null, hedgeMs: null });
  }

  /** Takes over what another pool was sent of the body; false if that is not whole, or too much. */
  takeBody(from: Retries | null): boolean {
    if (from === null || !from.#complete || from.#keptLength > this.#room) return false;
    this.#kept = from.#kept;
    this.#keptLength = from.#keptLength;
    return true;
  }

  /** Puts what was sent of the body to `out` from `at` on; returns where it ends. */
  replay(out: Uint8Array, at: number): number {
    return copyBytes(out, at, this.#kept, 0, this.#keptLength);
  }

  /** After a failure: true if `onRetry` will follow. */
  afterFailure(failure: RetryFailure): boolean {
    return this.#turns.afterFailure(failure, this.#complete);
  }

  /** After the head of a response: likewise; nothing of it may have been passed on. */
  afterStatus(upstream: UpstreamConnection, { status }: ResponseFacts): boolean {
    if (!this.#turns.isFailure(status)) return false;
    const askedMs = retryAfterMs(upstream.head.field('retry-after', ','), Date.now());
    return this.#turns.afterStatus(status, this.#complete, askedMs);
  }

  /** The request has ended. */
  end(): void {
    this.#hedge?.cancel();
    this.#turns.end();
  }
}

/**
 * Throws a response away whose head, `length` bytes, was read. Its connection is kept where all of it is here already. `sent`: the
 * whole request was.
 */
export function discard(
  upstream: UpstreamConnection,
  facts: ResponseFacts,
  length: number,
  sent: boolean,
): void {
  const { window, decoder } = upstream;
  window.consume(length);
  decoder.begin(facts.framing);
  const end = decoder.done ? window.start : decoder.feed(window.bytes, window.start, window.end);
  const isWhole = decoder.done && decoder.error === null;
  if (isWhole) window.consume(end - window.start);
  upstream.release(isWhole && sent && facts.keepAlive);
}
