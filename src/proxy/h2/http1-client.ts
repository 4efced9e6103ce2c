import type { ContentCoding } from '../../core/http/accept-encoding.js';
import { copyBytes, latin1Bytes } from '../../core/http/ascii.js';
import { type FieldList, fieldValue, trailerFields } from '../../core/http/http2-head.js';
import type { RequestFacts } from '../../core/http/hygiene.js';
import { statusReason } from '../../core/http/reason.js';
import { refuse } from '../../core/http/refusal.js';
import { writeChunk } from '../compression/chunk.js';
import type { HttpRoute } from '../l7/context.js';
import type { ClientExchange, ExchangeClient } from '../l7/exchange-client.js';
import type { ClientSide, PassedHead } from './client-side.js';
import { type StreamContext, type StreamEnd, type StreamReply, streamRoute } from './context.js';
import { StreamExchange } from './stream-exchange.js';

export interface Http1ClientModules {
  readonly streams: StreamContext;
  /** The client speaks TLS. */
  readonly tls: boolean;
  /** Called once, right before the client hears of the end. */
  readonly onDone: () => void;
}

/** Head, body and last chunk of a short response leave together: so much waits for the end of a turn of the event loop. */
const HELD_BYTES_MAX = 32 * 1024;
/** For what stands around the bytes of a chunk. */
const CHUNK_ROOM = 16;
const NOTHING = new Uint8Array(0);

/**
 * One request of HTTP/1.1 for endpoints of HTTP/2: to its connection an exchange like any other, to a `StreamExchange` a client
 * like any stream. Chunks of the request become data and trailers, and those of the response chunks.
 */
export class Http1Client implements ClientExchange, ClientSide {
  /** A gRPC client would not come by HTTP/1.1: errors are told by their status. */
  readonly grpc = false;
  owner!: StreamExchange;
  status: number | null = null;
  grpcStatus: number | null = null;
  blocked = false;
  readonly #client: ExchangeClient;
  readonly #modules: Http1ClientModules;
  #facts!: RequestFacts;
  #deadlineMs = 0;
  /** The exchange takes the body. */
  #reading = false;
  #chunked = false;
  #trailing = false;
  /** The client's connection ends with this response. */
  #close = false;
  /** The head says that no body follows. */
  #bodiless = false;
  #end: StreamEnd = 'cancelled';
  /** What the client will get next. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #flushing: NodeJS.Immediate | null = null;
  #closed = false;
  /** Of the bodies. */
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(client: ExchangeClient, modules: Http1ClientModules) {
    this.#client = client;
    this.#modules = modules;
  }

  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  set deadlineMs(atMs: number) {
    this.#deadlineMs = atMs;
    // The client's connection looks here before it gives up, but not earlier by itself.
    if (atMs < this.#client.deadlineMs) this.#client.deadlineMs = atMs;
  }

  get toHead(): boolean {
    return this.#facts.method === 'HEAD';
  }

  get answered(): boolean {
    return this.status !== null;
  }

  begin(
    facts: RequestFacts,
    route: HttpRoute,
    length: number,
    key: number,
    coding: ContentCoding | null,
  ): void {
    const { streams } = this.#modules;
    const { requestBody } = this.#client;
    this.#facts = facts;
    requestBody.keepTrailers = true;
    const request = {
      ...{ facts, key, sensitive: [], grpcTimeout: null, route: streamRoute(route) },
      head: streams.scratch.slice(0, length),
      hasBody: !requestBody.done,
      // What is compressed has no length: HTTP/1.0 would have to end its connection.
      coding: facts.http10 ? null : coding,
    };
    this.owner = new StreamExchange(this, request, streams, () => this.#record());
    this.owner.start();
  }

  pumpRequest(): void {
    const { window, requestBody, inputEnded } = this.#client;
    if (!this.#reading || this.#closed || requestBody.done) return;
    const { bytes, start, end } = window;
    const payload = this.#take(bytes, start, end);
    if (requestBody.error !== null) return this.#failMalformed();
    if (payload.length > 0) this.owner.onBody(payload);
    if (this.#closed) return;
    if (requestBody.done) this.owner.onBodyEnd(trailerFields(requestBody.trailers));
    else if (inputEnded) this.abort();
  }

  onClientDrain(): void {
    this.blocked = false;
    this.owner.onClientDrain();
  }

  onDeadline(): void {
    // The client doesn't take what was sent.
    if (this.blocked) this.abort();
    else this.owner.onDeadline();
  }

  cancel(): void {
    this.#over('cancelled');
  }

  readBody(): void {
    this.#reading = true;
    this.#client.setBodyBlocked(false);
    this.pumpRequest();
  }

  pauseBody(): void {
    this.#reading = false;
    this.#client.setBodyBlocked(true);
  }

  interim(status: number, fields: FieldList): void {
    // HTTP/1.0 knows none.
    if (this.#closed || this.answered || this.#facts.http10) return;
    this.#send(headBytes(status, fields, ''));
    this.#flush();
  }

  respond(status: number, fields: FieldList, { ended, trailing }: PassedHead): boolean {
    if (this.#closed) return true;
    const { http10, keepAlive } = this.#facts;
    const sized = fieldValue(fields, 'content-length') !== null;
    this.status = status;
    this.#bodiless = ended;
    this.#chunked = !ended && !sized && !http10;
    this.#trailing = this.#chunked && trailing;
    const untilClose = !ended && !sized && http10;
    this.#close = !keepAlive || this.#client.closing || untilClose;
    let own = '';
    if (this.#chunked) own = 'transfer-encoding: chunked\r\n';
    else if (ended && !sized && mayHaveBody(status, this.toHead)) own = 'content-length: 0\r\n';
    if (this.#close) own += 'connection: close\r\n';
    else if (http10) own += 'connection: keep-alive\r\n';
    this.#send(headBytes(status, fields, own));
    return true;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#bodiless) return true;
    this.#bytesOut += bytes.length;
    // Whoever handed in the bytes may write to them after this.
    if (!this.#chunked) return this.#send(bytes.length > HELD_BYTES_MAX ? bytes : bytes.slice());
    const chunk = new Uint8Array(bytes.length + CHUNK_ROOM);
    return this.#send(chunk.subarray(0, writeChunk(chunk, bytes)));
  }

  endResponse(trailers: FieldList): void {
    if (this.#closed) return;
    if (this.#chunked) this.#send(latin1Bytes(`0\r\n${linesOf(this.#trailing ? trailers : [])}\r\n`));
    this.#flush();
    const keepOpen = this.#client.requestBody.done && !this.#close;
    if (this.#over('complete')) this.#client.exchangeDone(keepOpen);
  }

  reply(status: number, text: string, _grpcStatus?: number, retryAfter?: number): void {
    this.status = status;
    const keepOpen = this.#keepsOpen && status >= 500;
    if (this.#over('answered')) this.#client.exchangeFailed(status, text, keepOpen, retryAfter);
  }

  replyWith(reply: StreamReply): void {
    this.status = reply.status;
    const keepOpen = this.#keepsOpen;
    if (this.#over('answered')) this.#client.exchangeReplied(reply, keepOpen);
  }

  breakOff(): void {
    // It has all of its response already.
    if (this.#bodiless) this.endResponse([]);
    else this.abort();
  }

  abort(): void {
    if (this.#over('aborted')) this.#client.abort();
  }

  /** Where the next request starts is known, and the client wants there to be one. */
  get #keepsOpen(): boolean {
    return this.#client.requestBody.done && this.#facts.keepAlive && !this.#client.closing;
  }

  /** What is in the window of the body, without its framing: a copy, which node:http2 may keep. */
  #take(bytes: Uint8Array, start: number, end: number): Uint8Array {
    if (end === start) return NOTHING;
    const { window, requestBody } = this.#client;
    const payload = new Uint8Array(end - start);
    let length = 0;
    const taken = requestBody.feed(bytes, start, end, (from, first, last) => {
      length = copyBytes(payload, length, from, first, last);
    });
    window.consume(taken - start);
    this.#bytesIn += length;
    return payload.subarray(0, length);
  }

  #failMalformed(): void {
    const { error } = this.#client.requestBody;
    if (error === null) return;
    this.owner.fail({ status: 400, text: refuse(error).message, reason: 'malformed_request' });
  }

  /** False if the bytes wait for the client. */
  #send(bytes: Uint8Array): boolean {
    if (this.#heldBytes + bytes.length > HELD_BYTES_MAX) this.#flush();
    if (bytes.length > HELD_BYTES_MAX) this.#pass(bytes, bytes.length);
    else {
      this.#held.push(bytes);
      this.#heldBytes += bytes.length;
      this.#flushing ??= setImmediate(() => this.#flush());
    }
    return !this.blocked;
  }

  #flush(): void {
    const held = this.#held;
    this.#forget();
    if (held.length === 1) return this.#pass(held[0]!, held[0]!.length);
    const { scratch } = this.#modules.streams;
    let length = 0;
    for (const bytes of held) length = copyBytes(scratch, length, bytes, 0, bytes.length);
    if (length > 0) this.#pass(scratch, length);
  }

  #forget(): void {
    if (this.#flushing !== null) clearImmediate(this.#flushing);
    this.#flushing = null;
    this.#held = [];
    this.#heldBytes = 0;
  }

  #pass(bytes: Uint8Array, length: number): void {
    this.blocked = !this.#client.write(bytes, 0, length);
  }

  /** Ends the exchange, once; true if its client is to be told now. */
  #over(end: StreamEnd): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.#end = end;
    this.#forget();
    this.#client.requestBody.keepTrailers = false;
    this.owner.onClosed();
    this.#modules.onDone();
    return true;
  }

  #record(): void {
    const { streams, tls } = this.#modules;
    const { method, host, target, http10 } = this.#facts;
    const { owner } = this;
    streams.onStream({
      protocol: http10 ? 'HTTP/1.0' : 'HTTP/1.1',
      client: this.#client.address,
      tls,
      method,
      host,
      path: target.path,
      status: this.status,
      grpcStatus: this.grpcStatus,
      pool: owner.pool,
      endpoint: owner.endpoint,
      attempts: owner.attempts,
      durationMs: streams.deadlines.nowMs - owner.beganMs,
      upstreamMs: owner.upstreamMs,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      end: this.#end,
      reason: owner.reason,
    });
  }
}

/** Fields that a response to HTTP/1.1 carries; `own` are those of the connection, as lines. */
function headBytes(status: number, fields: FieldList, own: string): Uint8Array {
  return latin1Bytes(`HTTP/1.1 ${status} ${statusReason(status)}\r\n${linesOf(fields)}${own}\r\n`);
}

function linesOf(fields: FieldList): string {
  let lines = '';
  for (let i = 0; i + 1 < fields.length; i += 2) lines += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return lines;
}

function mayHaveBody(status: number, toHead: boolean): boolean {
  return !toHead && status !== 204 && status !== 304;
}
