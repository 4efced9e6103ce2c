/**
 * One request of an HTTP/2 client, or one for endpoints of HTTP/2: picks an endpoint, calls it, and passes both bodies on. Every way it can end:
 *
 * - the response was passed on whole                  → `endResponse`, with its trailers
 * - no endpoint, no valid response head               → `reply` with a 502, 503 or 504, or a gRPC status
 * - likewise, where a pool has something instead      → `replyWith`
 * - the response broke after its head was passed on   → `breakOff`: a cut body never looks complete
 * - the client went away                              → the call is cancelled
 *
 * Its parts: `StreamAttempts` knows whom to ask, `StreamResponse` is the way back.
 */

import { constants } from 'node:http2';
import type { AccessReason } from '../../core/access-log/entry.js';
import { grpcStatusIn, grpcTimeoutMs, httpStatusOfGrpc, verdictOfGrpcHead } from '../../core/http/grpc.js';
import type { Head } from '../../core/http/head.js';
import { type FieldList, fieldValue } from '../../core/http/http2-head.js';
import type { ResponseFacts } from '../../core/http/hygiene.js';
import { countStatus } from '../counters.js';
import { isOfPool, isStaleStatus, isUnseen } from '../l7/degradation.js';
import { badAnswer, noAnswerInTime, SLOW_BODY } from '../request-failure.js';
import type { RetryTurns } from '../retry-turns.js';
import type { ClientSide, StreamOwner } from './client-side.js';
import type { StreamContext, StreamReply, StreamRoute } from './context.js';
import { ReplayBuffer } from './replay-buffer.js';
import { StreamAttempts, type TriedStream } from './stream-attempts.js';
import { type StreamCopy, streamCopy } from './stream-copy.js';
import type { StreamFailure } from './stream-failure.js';
import type { StreamRequest } from './stream-request.js';
import { type AnsweredStream, StreamResponse } from './stream-response.js';
import type { CalledEndpoint, UpstreamCall, UpstreamFailure } from './upstream.js';

export class StreamExchange implements StreamOwner, TriedStream, AnsweredStream {
  /** Why the response is not what an endpoint sent, or is not whole. */
  reason: AccessReason = 'none';
  readonly beganMs: number;
  readonly #client: ClientSide;
  readonly #request: StreamRequest;
  readonly #attempts: StreamAttempts;
  readonly #response: StreamResponse;
  readonly #context: StreamContext;
  readonly #onClosed: () => void;
  readonly #grpcDeadlineMs: number;
  readonly #replay: ReplayBuffer;
  /** Until when the request may take, where single endpoints have less time. */
  #patienceMs = 0;
  #bodyDone: boolean;
  /** Bytes of the body that are still to come; below 0: nobody knows. */
  #bodyLeft: number;
  #trailers: FieldList = [];
  #ended = false;
  /** For another pool, until the body of the request is whole. */
  #copy: StreamCopy | null = null;

  constructor(client: ClientSide, request: StreamRequest, context: StreamContext, onClosed: () => void) {
    this.#client = client;
    this.#context = context;
    this.#onClosed = onClosed;
    this.beganMs = context.deadlines.nowMs;
    this.#request = request;
    this.#bodyDone = !request.hasBody;
    this.#replay = new ReplayBuffer(request.route.retries?.model.bodyBytes);
    this.#attempts = new StreamAttempts(this, request, this.#replay, context);
    this.#response = new StreamResponse(this, client, { request, attempts: this.#attempts }, context);
    const { kind, length } = request.facts.framing;
    this.#bodyLeft = kind === 'length' ? length : -1;
    const timeoutMs = client.grpc ? grpcTimeoutMs(request.grpcTimeout) : null;
    this.#grpcDeadlineMs = timeoutMs === null ? Number.POSITIVE_INFINITY : this.beganMs + timeoutMs;
  }

  get pool(): string {
    return this.#attempts.pool.name;
  }

  /** `127.0.0.1:9000`, of the last attempt. */
  get endpoint(): string | null {
    return this.#attempts.last?.name ?? null;
  }

  /** Endpoints that were asked, one counted again for each attempt. */
  get attempts(): number {
    return this.#attempts.count;
  }

  /** From the request's head to that of the response; below 0: there was none. */
  get upstreamMs(): number {
    return this.#response.upstreamMs;
  }

  get answered(): boolean {
    return this.#client.answered || this.#response.interim > 0;
  }

  start(): void {
    this.#client.owner = this;
    this.#attempts.pool.tally.issued();
    this.#context.counters.inFlight++;
    this.touch();
    const { mirror } = this.#request.route;
    if (mirror !== null) this.#copy = streamCopy(mirror, this.#request, this.#context);
    if (this.#copy !== null && this.#bodyDone) this.#sendCopy();
    this.#attempts.acquire(false);
  }

  onBody(bytes: Uint8Array): void {
    this.touch();
    if (this.#bodyLeft >= 0) {
      this.#bodyLeft -= bytes.length;
      if (this.#bodyLeft < 0) return this.#malformed();
    }
    this.#replay.add(bytes);
    if (this.#copy !== null && !this.#copy.add(bytes)) this.#copy = null;
    if (this.#attempts.call?.write(bytes) !== false) return;
    this.#attempts.full = true;
    this.#client.pauseBody();
  }

  onBodyEnd(trailers: FieldList): void {
    if (this.#bodyLeft > 0) return this.#malformed();
    this.#bodyDone = true;
    this.#trailers = trailers;
    // A client that is slow to send makes no endpoint slow.
    this.#attempts.askedMs = this.#context.deadlines.nowMs;
    this.touch();
    if (this.#copy !== null) this.#sendCopy();
    this.#attempts.call?.end(trailers);
  }

  #sendCopy(): void {
    this.#copy?.send(this.#attempts.route.responseMs);
    this.#copy = null;
  }

  pauseBody(): void {
    this.#client.pauseBody();
  }

  onClientDrain(): void {
    this.touch();
    this.#response.onClientDrain();
  }

  onClosed(): void {
    this.#stop('client_closed')?.cancel();
    this.#onClosed();
  }

  onDeadline(): void {
    const { retries, open, full, pool } = this.#attempts;
    if (retries !== null && this.#tryIsLate(retries)) return;
    if (this.#context.deadlines.nowMs >= this.#grpcDeadlineMs) {
      this.fail({ ...noAnswerInTime(pool), text: 'the deadline of the call is over' });
    } else if (open && !this.#bodyDone && !full && !this.#client.answered) this.fail(SLOW_BODY);
    else this.fail(noAnswerInTime(pool));
  }

  onOpen(): void {
    const attempts = this.#attempts;
    attempts.open = true;
    this.touch();
    for (const chunk of this.#replay.chunks) attempts.full = attempts.call?.write(chunk) === false;
    if (this.#bodyDone) {
      if (this.#request.hasBody) attempts.call?.end(this.#trailers);
    } else if (!attempts.full) this.#client.readBody();
  }

  onDrain(): void {
    this.#attempts.full = false;
    if (!this.#bodyDone) this.#client.readBody();
  }

  onHead(head: Head, facts: ResponseFacts, ended: boolean): void {
    const { grpc } = this.#client;
    const attempts = this.#attempts;
    attempts.verdict = grpc
      ? verdictOfGrpcHead(facts.status, head.field('grpc-status', ','), ended)
      : facts.status;
    if (attempts.retries !== null && attempts.againAfter(attempts.retries, head, grpc)) return;
    this.touch();
    if (isStaleStatus(facts.status) && this.#serveStale('none', facts.status)) return;
    this.#response.onHead(head, facts, ended);
  }

  onData(bytes: Uint8Array): void {
    if (!this.#ended) this.#response.onData(bytes);
  }

  onEnd(trailers: FieldList): void {
    this.#response.onEnd(trailers);
  }

  onFailure(failure: UpstreamFailure): void {
    const attempts = this.#attempts;
    attempts.call = null;
    if (this.#ended) return;
    const { code } = failure;
    if (!this.#client.answered && code !== 'stale' && code !== 'refused') attempts.result(0);
    attempts.failed(failure);
  }

  /** A byte moved: whoever has to move next gets its whole time again. */
  touch(): void {
    if (this.#ended) return;
    const { timeouts, deadlines } = this.#context;
    const { retries, route } = this.#attempts;
    const client = this.#client;
    // A gRPC stream may rest for long, with a deadline of its own or without one.
    const rests = client.grpc && (client.answered || !this.#bodyDone);
    const answerMs = this.#bodyDone ? route.responseMs : this.#bodyPatienceMs();
    const forMs = rests ? timeouts.tunnelIdleMs : answerMs;
    const waitMs = client.blocked ? timeouts.clientIdleMs : forMs;
    client.deadlineMs = Math.min(deadlines.nowMs + waitMs, this.#grpcDeadlineMs);
    if (retries === null || client.answered) return;
    // One endpoint has less time than the request.
    this.#patienceMs = client.deadlineMs;
    client.deadlineMs = Math.min(client.deadlineMs, deadlines.nowMs + retries.tryMs);
  }

  /** How long the client may take with the next part of the body. */
  #bodyPatienceMs(): number {
    const { timeouts, deadlines } = this.#context;
    const { bodyMs, clientIdleMs } = timeouts;
    return bodyMs === undefined
      ? clientIdleMs
      : Math.min(clientIdleMs, this.beganMs + bodyMs - deadlines.nowMs);
  }

  finish(trailers: FieldList): void {
    const status = grpcStatusIn(fieldValue(trailers, 'grpc-status'));
    if (status !== null) this.#client.grpcStatus = status;
    this.#attempts.judge(status === null ? 200 : httpStatusOfGrpc(status));
    this.#stop('none');
    this.#client.endResponse(trailers);
  }

  failBad(what: string, reason: AccessReason): void {
    this.fail(badAnswer(what, this.#attempts.pool, reason));
  }

  fail({ status, text, reason, grpcStatus, errorCode, retryAfter }: StreamFailure): void {
    if (this.#ended) return;
    if (reason === 'response_timeout' && !this.#client.answered) this.#attempts.result(0);
    if (isOfPool(reason) && this.#serveStale(reason)) return;
    const { instead } = this.#attempts.route;
    if (instead !== null && this.#degrade(instead, reason)) return;
    this.#stop(reason)?.cancel();
    if (this.#client.answered) {
      this.#context.counters.aborted++;
      this.#client.breakOff(errorCode ?? null, text, grpcStatus);
      return;
    }
    countStatus(this.#attempts.route.classes, status);
    this.#client.reply(status, text, grpcStatus, retryAfter);
  }

  #malformed(): void {
    this.#stop('malformed_request')?.cancel();
    this.#client.abort(constants.NGHTTP2_PROTOCOL_ERROR);
  }

  /** True if it was the time of one endpoint that is over, and the request goes on. */
  #tryIsLate(retries: RetryTurns<CalledEndpoint>): boolean {
    const { nowMs } = this.#context.deadlines;
    if (nowMs >= this.#patienceMs || this.#client.answered) return false;
    if (this.#attempts.call !== null && this.#bodyDone) return this.#attempts.againLate(retries);
    this.#client.deadlineMs = Math.min(this.#patienceMs, nowMs + retries.tryMs);
    return true;
  }

  /** False if no response was kept that fits. `status`: what the endpoint answered, 0 for nothing. */
  #serveStale(reason: AccessReason, status = 0): boolean {
    const { pool, endpoint } = this.#attempts;
    if (pool.stale === null || this.#client.answered || this.#client.grpc) return false;
    const { nowMs } = this.#context.deadlines;
    const kept = pool.stale.find(this.#response.kept, nowMs);
    if (kept === null) return false;
    pool.tally.degraded('stale');
    if (status > 0 && endpoint !== null) {
      this.#attempts.result(status);
      pool.tally.answered(endpoint.index, status, nowMs - this.beganMs);
    }
    this.#replyInstead(kept, reason);
    return true;
  }

  /** False if there is nothing to give instead of an error. A gRPC client could not read a page. */
  #degrade(instead: StreamRoute | StreamReply, reason: AccessReason): boolean {
    if (this.answered) return false;
    if ('status' in instead) {
      if (this.#client.grpc || !isOfPool(reason)) return false;
      this.#attempts.pool.tally.degraded('page');
      this.#replyInstead(instead, reason);
      return true;
    }
    if (!isUnseen(reason) || !this.#attempts.moveTo(instead, reason)) return false;
    this.touch();
    this.#attempts.acquire(false);
    return true;
  }

  #replyInstead(reply: StreamReply, reason: AccessReason): void {
    this.#stop(reason)?.cancel();
    countStatus(this.#attempts.route.classes, reply.status);
    this.#client.replyWith(reply);
  }

  /** Ends the exchange, once; the call that was in progress, if any. */
  #stop(reason: AccessReason): UpstreamCall | null {
    if (!this.#ended) {
      this.#context.counters.inFlight--;
      this.#account(reason);
    }
    this.#ended = true;
    this.#response.end();
    this.#copy?.cut();
    this.#copy = null;
    // Its client left, or it broke off after its head.
    this.#attempts.judge(reason === 'client_closed' ? 200 : 0);
    return this.#attempts.end();
  }

  #account(reason: AccessReason): void {
    const { pool, endpoint } = this.#attempts;
    const { answered, status, grpcStatus } = this.#client;
    this.reason = reason;
    if (answered && endpoint !== null) {
      // A gRPC call that failed is one, whatever HTTP says.
      const said = grpcStatus === null ? 200 : httpStatusOfGrpc(grpcStatus);
      const counted = Math.max(status ?? 0, said >= 500 ? said : 0);
      pool.tally.answered(endpoint.index, counted, this.#context.deadlines.nowMs - this.beganMs);
    } else pool.tally.failed(reason);
  }
}
