import { copyBytes } from '../../core/http/ascii.js';
import type { Delayed } from '../retry-clock.js';
import type { HttpContext, HttpPool } from './context.js';
import type { RequestRelay } from './request-relay.js';
import type { Retries } from './retries.js';
import {
  type HttpEndpoint,
  UpstreamConnection,
  type UpstreamFailure,
  type UpstreamOwner,
} from './upstream-connection.js';

/** The exchange for which a second endpoint is asked. */
export interface HedgedExchange {
  /** What was sent is whole, and no byte of a response was passed on. */
  readonly mayHedge: boolean;
  readonly request: Pick<RequestRelay, 'facts' | 'head' | 'headLength'>;
  /** The second endpoint was the first to answer: from here on it is the only one. */
  takeHedge(): void;
}

/** A connection to an endpoint that an exchange takes over. */
export interface Hedged {
  readonly endpoint: HttpEndpoint;
  readonly upstream: UpstreamConnection;
  readonly open: boolean;
  readonly askedMs: number;
}

/**
 * One request that is sent to a second endpoint while the first one is silent; who answers first is taken:
 *
 *     armed ──hedge time──▶ asked ──head of a good response, or the first endpoint fails──▶ taken over
 *       └──answered──▶ done ◀──fails, or the first endpoint answers──┘
 */
export class Hedge implements Delayed, UpstreamOwner {
  dueMs = 0;
  readonly #exchange: HedgedExchange;
  readonly #retries: Retries;
  readonly #context: HttpContext;
  readonly #pool: HttpPool;
  #endpoint: HttpEndpoint | null = null;
  #upstream: UpstreamConnection | null = null;
  #open = false;
  #askedMs = 0;

  constructor(exchange: HedgedExchange, retries: Retries, context: HttpContext, pool: HttpPool) {
    this.#exchange = exchange;
    this.#retries = retries;
    this.#context = context;
    this.#pool = pool;
  }

  /** The first endpoint is asked now. */
  arm(afterMs: number): void {
    if (this.#upstream !== null) return;
    this.dueMs = this.#context.deadlines.nowMs + afterMs;
    this.#context.retryClock.add(this);
  }

  onDue(): void {
    if (!this.#exchange.mayHedge) return;
    const endpoint = this.#retries.takeHedge();
    if (endpoint === null) return;
    this.#pool.enter(endpoint);
    this.#endpoint = endpoint;
    this.#askedMs = this.#context.deadlines.nowMs;
    const idle = endpoint.takeIdle();
    this.#upstream = idle ?? new UpstreamConnection(endpoint, this, this.#context, this.#pool);
    if (idle === undefined) return;
    idle.adopt(this);
    this.onUpstreamOpen();
  }

  /** Gives what it has to the exchange; null if it has nothing. */
  handOver(): Hedged | null {
    const [endpoint, upstream] = [this.#endpoint, this.#upstream];
    if (endpoint === null || upstream === null) return null;
    this.#endpoint = null;
    this.#upstream = null;
    const open = this.#open;
    this.#open = false;
    return { endpoint, upstream, open, askedMs: this.#askedMs };
  }

  /** The first endpoint answered, or the request has ended. */
  cancel(): void {
    this.#context.retryClock.delete(this);
    this.#drop();
  }

  onUpstreamOpen(): void {
    const { scratch } = this.#context.network;
    const { head, headLength } = this.#exchange.request;
    this.#open = true;
    this.#upstream!.resetHead();
    copyBytes(scratch, 0, head, 0, headLength);
    this.#upstream!.connection.write(scratch, 0, this.#retries.replay(scratch, headLength));
  }

  onUpstreamData(): void {
    const { head, window } = this.#upstream!;
    if (head.parse(window.bytes, window.start, window.end) === 0) return;
    // A failure is worth less than what the first endpoint may still say.
    if (head.error !== null || this.#retries.isFailure(head.status)) this.#fail(head.status);
    else this.#exchange.takeHedge();
  }

  onUpstreamDrain(): void {}

  onUpstreamEnd(): void {
    this.#fail(0);
  }

  onUpstreamError(_failure: UpstreamFailure): void {
    this.#fail(0);
  }

  #fail(status: number): void {
    const endpoint = this.#endpoint;
    if (endpoint === null) return;
    this.#retries.hedgeFailed(endpoint);
    // A kept connection was most likely closed while it was idle.
    if (status > 0 || this.#upstream?.reused === false) {
      this.#pool.result(endpoint, status, this.#context.deadlines.nowMs - this.#askedMs);
    }
    this.#drop();
  }

  #drop(): void {
    const held = this.handOver();
    if (held === null) return;
    held.upstream.destroy();
    this.#pool.leave(held.endpoint);
    this.#pool.serve();
  }
}
