/**
 * One request and its response: picks an endpoint, gets a connection to it, streams the request one way and the
 * response the other. Every way it can end is here:
 *
 * - the response was passed on whole                        → `exchangeDone`
 * - no endpoint, no connection, no valid response head      → `exchangeFailed` with a 502, 503 or 504
 * - likewise, where a pool has something instead            → `exchangeReplied`
 * - the response broke after its head was passed on         → `abort`: a cut body never looks complete
 * - the client went away                                    → `cancel`
 *
 * Its parts: `RequestRelay` is the way there, `Attempts` knows whom to ask, `ResponseRelay` is the way back.
 */

import type { AccessReason } from '../../core/access-log/entry.js';
import type { ContentCoding } from '../../core/http/accept-encoding.js';
import type { FixedReply } from '../../core/http/fixed-reply.js';
import { judgeResponse, type RequestFacts, type ResponseFacts } from '../../core/http/hygiene.js';
import { refuse } from '../../core/http/refusal.js';
import type { ResponseMemo } from '../../core/http/response-memo.js';
import { countStatus } from '../counters.js';
import { badAnswer, noAnswerInTime, type RequestFailure, SLOW_BODY } from '../request-failure.js';
import { Attempts, type TriedExchange } from './attempts.js';
import type { HttpContext, HttpRoute } from './context.js';
import { type Degradation, isOfPool, isStaleStatus, isUnseen } from './degradation.js';
import type { ClientExchange, ExchangeClient } from './exchange-client.js';
import { account, type EndedExchange } from './exchange-log.js';
import { RequestRelay } from './request-relay.js';
import { type AnsweredExchange, ResponseRelay } from './response-relay.js';
import { discard, type Retries } from './retries.js';
import type { UpstreamFailure } from './upstream-connection.js';

/** One after another, the exchanges of a client connection. */
export class Exchange implements ClientExchange, TriedExchange, AnsweredExchange, EndedExchange {
  deadlineMs = 0;
  ended = true;
  beganMs = 0;
  /** What came before in response to the same request; to be set before `begin`, null for nothing. */
  responses: ResponseMemo | null = null;
  readonly request: RequestRelay;
  readonly attempts: Attempts;
  readonly response: ResponseRelay;
  readonly #client: ExchangeClient;
  readonly #context: HttpContext;
  /** Until when the request may take, where single endpoints have less time. */
  #patienceMs = 0;

  constructor(client: ExchangeClient, context: HttpContext) {
    this.#client = client;
    this.#context = context;
    this.request = new RequestRelay(client, context);
    this.attempts = new Attempts(this, this.request, context);
    this.response = new ResponseRelay(this, client, context, this);
  }

  get clientAddress(): string {
    return this.#client.address;
  }

  get answered(): boolean {
    return this.response.facts !== null || this.response.interim > 0;
  }

  begin(
    facts: RequestFacts,
    route: HttpRoute,
    length: number,
    key: number,
    coding: ContentCoding | null,
  ): void {
    const { request, attempts } = this;
    this.beganMs = this.#context.deadlines.nowMs;
    this.ended = false;
    this.#context.counters.inFlight++;
    request.begin(facts, route.responseMs, length);
    this.response.begin(route, coding);
    attempts.begin(route, key);
    this.touch();
    request.mirror(route);
    request.composed = true;
    attempts.acquire(false);
    request.composed = false;
    request.sendCopy();
  }

  pumpRequest(): void {
    const { upstream, open, retries } = this.attempts;
    const { window, requestBody } = this.#client;
    if (!open || upstream === null || requestBody.done || window.length === 0) return;
    if (upstream.connection.queued > 0) {
      this.#client.setBodyBlocked(true);
      return;
    }
    const end = this.request.take(retries);
    if (end < 0) return this.#failMalformed();
    // A client that is slow to send makes no endpoint slow.
    if (requestBody.done && this.response.facts === null)
      this.attempts.askedMs = this.#context.deadlines.nowMs;
    this.touch();
    this.request.send(upstream, end);
  }

  onClientDrain(): void {
    if (this.ended) return;
    this.touch();
    this.response.onClientDrain();
  }

  cancel(): void {
    if (this.ended) return;
    account(this, this.#context, 0, 'client_closed');
    this.#end();
    this.attempts.upstream?.destroy();
  }

  onDeadline(): void {
    const { retries, queued, open, upstream, pool } = this.attempts;
    if (retries !== null && this.#tryIsLate(retries)) return;
    if (queued) {
      this.attempts.failQueued();
      return;
    }
    const upstreamIsFull = upstream !== null && upstream.connection.queued > 0;
    if (open && !this.request.isSent && !upstreamIsFull) {
      this.fail(SLOW_BODY);
      return;
    }
    // Later than the head, it may as well be the client that does not read.
    if (this.response.facts === null) this.attempts.result(0);
    this.fail(noAnswerInTime(pool));
  }

  onUpstreamOpen(): void {
    const { upstream, retries } = this.attempts;
    if (upstream === null) return;
    this.attempts.open = true;
    upstream.resetHead();
    if (!this.request.open(upstream, retries)) return this.#failMalformed();
    // Not before: where that was all of the body, the endpoint has to move next.
    this.touch();
    this.pumpRequest();
  }

  onUpstreamDrain(): void {
    this.#client.setBodyBlocked(false);
    this.pumpRequest();
  }

  onUpstreamData(): void {
    if (this.response.allCame) {
      // More than its response: what is in the window keeps the connection from being used again.
      this.attempts.upstream?.connection.pause();
      return;
    }
    this.attempts.responding = true;
    this.touch();
    this.#readResponse();
    if (!this.ended) this.response.flush();
  }

  onUpstreamEnd(): void {
    const { allCame, facts } = this.response;
    // All of the body came, but has not left yet: nobody may get this connection after that.
    if (allCame) this.attempts.upstream?.destroy();
    else if (facts?.framing.kind === 'close') this.response.bodyCame();
    else this.attempts.broken('closed its connection');
  }

  onUpstreamError({ code, message }: UpstreamFailure): void {
    if (this.response.allCame) return;
    if (code === 'broken') this.attempts.broken(`broke its connection (${message})`);
    else this.attempts.connectFailed(code);
  }

  /** A byte moved: whoever has to move next gets its whole time again. */
  touch(): void {
    if (this.ended) return;
    const { nowMs } = this.#context.deadlines;
    const { retries, route } = this.attempts;
    const forMs = this.request.isSent ? route!.responseMs : this.#bodyPatienceMs();
    this.deadlineMs = nowMs + forMs;
    if (retries !== null && this.response.facts === null) {
      // One endpoint has less time than the request.
      this.#patienceMs = this.deadlineMs;
      if (retries.tryMs < forMs) this.deadlineMs = nowMs + retries.tryMs;
    }
    // The client's connection looks here before it gives up, but not earlier by itself.
    if (this.deadlineMs < this.#client.deadlineMs) this.#client.deadlineMs = this.deadlineMs;
  }

  /** How long the client may take with the next part of the body. */
  #bodyPatienceMs(): number {
    const { timeouts, deadlines } = this.#context;
    const { bodyMs, clientIdleMs } = timeouts;
    return bodyMs === undefined
      ? clientIdleMs
      : Math.min(clientIdleMs, this.beganMs + bodyMs - deadlines.nowMs);
  }

  finish(): void {
    if (this.ended) return;
    const { attempts, response } = this;
    const { facts } = response;
    response.done();
    account(this, this.#context, facts === null ? 0 : facts.status, 'none');
    if (facts !== null) attempts.result(facts.status, response.answeredMs);
    this.#end();
    const sent = this.request.isSent;
    attempts.upstream?.release(sent && facts?.keepAlive === true);
    attempts.pool.serve();
    this.#client.exchangeDone(sent && !response.close);
  }

  /** The endpoint answered with what can't be passed on, or stopped in the middle. */
  failBad(what: string, reason: AccessReason): void {
    this.attempts.result(0);
    this.fail(badAnswer(what, this.attempts.pool, reason));
  }

  fail({ status, text, reason, retryAfter }: RequestFailure): void {
    if (this.ended || this.#degrade(reason)) return;
    const { facts } = this.response;
    account(this, this.#context, facts === null ? status : 0, reason);
    this.#end();
    this.attempts.upstream?.destroy();
    if (facts !== null) {
      this.#context.counters.aborted++;
      this.#client.abort();
      return;
    }
    countStatus(this.attempts.route!.classes, status);
    this.#client.exchangeFailed(status, text, this.#keepsOpen && status >= 500, retryAfter);
  }

  /** Where the next request starts is known, and the client wants there to be one. */
  get #keepsOpen(): boolean {
    return this.request.isSent && this.request.facts.keepAlive && !this.#client.closing;
  }

  #failMalformed(): void {
    const { error } = this.#client.requestBody;
    if (error !== null) this.fail({ status: 400, text: refuse(error).message, reason: 'malformed_request' });
  }

  /** True if it was the time of one endpoint that is over, and the request goes on. */
  #tryIsLate(retries: Retries): boolean {
    const { nowMs } = this.#context.deadlines;
    if (nowMs >= this.#patienceMs || this.response.facts !== null) return false;
    if (this.attempts.upstream !== null && this.request.isSent) {
      return this.attempts.again(retries, 'timeout');
    }
    this.deadlineMs = Math.min(this.#patienceMs, nowMs + retries.tryMs);
    return true;
  }

  #readResponse(): void {
    while (!this.ended) {
      if (this.response.facts !== null) {
        this.response.readBody();
        return;
      }
      if (!this.#readHead()) return;
    }
  }

  /** True if there may be more to read. */
  #readHead(): boolean {
    const { upstream } = this.attempts;
    const { head, window } = upstream!;
    const { responses } = this;
    if (responses !== null) {
      const known = responses.find(window.bytes, window.start, window.end);
      if (known !== null) {
        upstream!.head = known.head;
        return this.#takeHead(known.facts, known.length, known.usual);
      }
    }
    const length = head.parse(window.bytes, window.start, window.end);
    if (length === 0) return false;
    const facts = length < 0 ? refuse(head.error ?? 'status_line') : judgeResponse(head, this.request.facts);
    if (!facts.ok) {
      this.failBad(`sent no valid response: ${facts.message}`, 'malformed_response');
      return false;
    }
    if (responses?.wants(window.bytes, window.start, length, facts)) {
      responses.learn(head, length, facts, this.response.usual(head, facts));
    }
    return this.#takeHead(facts, length, null);
  }

  /** True if there may be more to read. `usual`: what most clients get of this head, if it is known. */
  #takeHead(facts: ResponseFacts, length: number, usual: Uint8Array | null): boolean {
    const { retries, pool } = this.attempts;
    if (facts.status === 101) this.#switchProtocols(facts, length);
    else if (facts.status < 200) return this.response.passInterim(facts, length);
    else if (retries !== null && this.attempts.againAfter(retries, facts, length)) return false;
    else if (pool.stale !== null && this.#staleAfter(facts, length)) return false;
    else this.response.passHead(facts, length, usual);
    return true;
  }

  #switchProtocols(facts: ResponseFacts, length: number): void {
    const { response, attempts } = this;
    if (!response.passSwitch(facts, length)) return;
    account(this, this.#context, 101, 'none');
    this.ended = true;
    this.#context.counters.inFlight--;
    attempts.endRetries();
    attempts.result(facts.status);
    // The tunnel outlives the exchange, but goes on counting as load of the endpoint.
    const { pool, endpoint, upstream } = attempts;
    this.#client.startTunnel(upstream!, () => {
      pool.leave(endpoint!);
      pool.serve();
    });
  }

  /** False if there is nothing to give instead of an error: a kept response, a page, or what another pool says. */
  #degrade(reason: AccessReason): boolean {
    const { pool, route } = this.attempts;
    if (this.response.facts !== null || !isOfPool(reason)) return false;
    const kept = pool.stale === null ? null : this.#findStale();
    if (kept !== null) {
      pool.tally.degraded('stale');
      this.#replyInstead(kept, reason);
      return true;
    }
    const instead = route!.degradation;
    return instead ? this.#degradeTo(instead, reason) : false;
  }

  #degradeTo({ route, page }: Degradation, reason: AccessReason): boolean {
    if (page !== null) {
      this.attempts.pool.tally.degraded('page');
      this.#replyInstead(page, reason);
      return true;
    }
    if (route === null || !isUnseen(reason) || !this.attempts.moveTo(route, reason)) return false;
    this.touch();
    this.attempts.acquire(false);
    return true;
  }

  /** A response that was kept and fits, or null. */
  #findStale(): FixedReply | null {
    return this.attempts.pool.stale?.find(this.request, this.#context.deadlines.nowMs) ?? null;
  }

  /** A kept response instead of a failure, whose head of `length` bytes is not passed on; false if none fits. */
  #staleAfter(facts: ResponseFacts, length: number): boolean {
    const kept = isStaleStatus(facts.status) ? this.#findStale() : null;
    if (kept === null) return false;
    const { attempts } = this;
    const { pool, endpoint, upstream } = attempts;
    attempts.result(facts.status);
    pool.tally.degraded('stale');
    pool.tally.answered(endpoint!.index, facts.status, this.#context.deadlines.nowMs - this.beganMs);
    discard(upstream!, facts, length, this.request.isSent);
    attempts.upstream = null;
    this.#replyInstead(kept, 'none');
    return true;
  }

  #replyInstead(reply: FixedReply, reason: AccessReason): void {
    const { attempts } = this;
    account(this, this.#context, reply.status, reason);
    this.#end();
    attempts.upstream?.destroy();
    countStatus(attempts.route!.classes, reply.status);
    attempts.pool.serve();
    this.#client.exchangeReplied(reply, this.#keepsOpen);
  }

  /** Only once for an exchange; nothing is held from here on but the connection to the endpoint. */
  #end(): void {
    this.ended = true;
    this.#context.counters.inFlight--;
    this.response.end();
    this.request.end();
    this.attempts.end();
  }
}
