/**
 * One request and its response: picks an endpoint, gets a connection to it, streams the request one way and the
 * response the other. Every way it can end is here:
 *
 * - the response was passed on whole                        → `exchangeDone`
 * - no endpoint, no connection, no valid response head      → `exchangeFailed` with a 502, 503 or 504
 * - the response broke after its head was passed on         → `abort`: a cut body never looks complete
 * - the client went away                                    → `cancel`
 */

import type { BodyDecoder } from '../../core/http/framing.js';
import { judgeResponse, type RequestFacts, type ResponseFacts } from '../../core/http/hygiene.js';
import { refuse } from '../../core/http/refusal.js';
import { writeResponseHead } from '../../core/http/rewrite.js';
import type { ByteWindow } from '../../core/http/window.js';
import { countStatus } from '../counters.js';
import type { HttpContext, HttpRoute } from './context.js';
import { noEndpointText } from './reply.js';
import {
  type HttpEndpoint,
  UpstreamConnection,
  type UpstreamFailure,
  type UpstreamOwner,
} from './upstream-connection.js';

/** The client's side, as an exchange sees it. */
export interface ExchangeClient {
  /** Bytes received from the client and not yet forwarded. */
  readonly window: ByteWindow;
  /** Follows the request's body. */
  readonly requestBody: BodyDecoder;
  /** True if the connection has to end after this exchange. */
  readonly closing: boolean;
  /** True if the client will send nothing beyond the window. */
  readonly inputEnded: boolean;
  /** False if the bytes wait in a full buffer; `onClientDrain` follows. */
  write(bytes: Uint8Array): boolean;
  cork(): void;
  uncork(): void;
  /** Starts or stops reading the request's body. */
  setBodyBlocked(blocked: boolean): void;
  exchangeDone(keepOpen: boolean): void;
  exchangeFailed(status: number, text: string, keepOpen: boolean): void;
  startTunnel(upstream: UpstreamConnection): void;
  abort(): void;
}

const INTERIM_MAX = 16;
const ENDPOINTS_TRIED_MAX = 3;
/** RFC 9110 §9.2.2; TRACE never gets here. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export class Exchange implements UpstreamOwner {
  deadlineMs = 0;
  readonly #client: ExchangeClient;
  readonly #request: RequestFacts;
  readonly #requestHead: Uint8Array;
  readonly #route: HttpRoute;
  readonly #context: HttpContext;
  readonly #tried: number[] = [];
  #endpoint: HttpEndpoint | null = null;
  #upstream: UpstreamConnection | null = null;
  #open = false;
  #retried = false;
  #connectFailure: UpstreamFailure | null = null;
  #bodyBytesSent = 0;
  #responseBegun = false;
  #response: ResponseFacts | null = null;
  #interim = 0;
  #close = false;
  #decodeChunks = false;
  #ended = false;

  constructor(
    client: ExchangeClient,
    request: { readonly facts: RequestFacts; readonly head: Uint8Array; readonly route: HttpRoute },
    context: HttpContext,
  ) {
    this.#client = client;
    this.#request = request.facts;
    this.#requestHead = request.head;
    this.#route = request.route;
    this.#context = context;
  }

  start(): void {
    this.#touch();
    this.#acquire({ fresh: false });
  }

  /** The client sent more of its body, or there may be room for more at the endpoint. */
  pumpRequest(): void {
    const upstream = this.#upstream;
    const { window, requestBody } = this.#client;
    if (!this.#open || upstream === null || requestBody.done || window.length === 0) return;
    if (upstream.socket.writableNeedDrain) {
      this.#client.setBodyBlocked(true);
      return;
    }
    const end = requestBody.feed(window.bytes, window.start, window.end);
    if (requestBody.error !== null) {
      this.#fail(400, refuse(requestBody.error).message);
      return;
    }
    const chunk = window.bytes.subarray(window.start, end);
    window.consume(chunk.length);
    this.#bodyBytesSent += chunk.length;
    this.#touch();
    const flowing = upstream.write(chunk);
    if (this.#client.inputEnded && !requestBody.done) this.#client.abort();
    else if (!flowing) this.#client.setBodyBlocked(true);
  }

  /** The client took what was waiting: the endpoint may send again. */
  onClientDrain(): void {
    this.#touch();
    this.#upstream?.socket.resume();
  }

  /** The client is gone. */
  cancel(): void {
    if (this.#end()) this.#upstream?.destroy();
  }

  onDeadline(): void {
    const waitsForClient = this.#open && !this.#client.requestBody.done && !this.#upstreamIsFull();
    if (waitsForClient) this.#fail(408, 'the request body did not arrive in time');
    else this.#fail(504, `an endpoint of pool ${this.#route.pool.name} did not answer in time`);
  }

  onUpstreamOpen(): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    this.#open = true;
    this.#touch();
    upstream.head.reset();
    upstream.socket.cork();
    upstream.write(this.#requestHead);
    this.pumpRequest();
    // pumpRequest may have ended the exchange; an uncork on a destroyed socket does nothing.
    upstream.socket.uncork();
  }

  onUpstreamDrain(): void {
    this.#client.setBodyBlocked(false);
    this.pumpRequest();
  }

  onUpstreamData(): void {
    this.#responseBegun = true;
    this.#touch();
    this.#client.cork();
    this.#readResponse();
    this.#client.uncork();
  }

  onUpstreamEnd(): void {
    if (this.#response?.framing.kind === 'close') this.#finish();
    else this.#broken('closed its connection');
  }

  onUpstreamError(failure: UpstreamFailure): void {
    if (failure.code === 'broken') this.#broken(`broke its connection (${failure.message})`);
    else this.#connectFailed(failure);
  }

  #acquire({ fresh }: { readonly fresh: boolean }): void {
    const { pool } = this.#route;
    const picked = fresh && this.#endpoint !== null ? this.#endpoint : pool.pick(this.#tried);
    if (typeof picked === 'string') {
      if (this.#connectFailure !== null) this.#failUnconnected(this.#connectFailure);
      else this.#fail(503, noEndpointText(picked, pool.name));
      return;
    }
    if (picked !== this.#endpoint) this.#use(picked);
    const idle = fresh ? undefined : picked.takeIdle();
    this.#open = false;
    this.#upstream = idle ?? new UpstreamConnection(picked, this, this.#context);
    if (idle === undefined) return;
    idle.adopt(this);
    this.onUpstreamOpen();
  }

  #use(endpoint: HttpEndpoint | null): void {
    if (this.#endpoint !== null) this.#route.pool.leave(this.#endpoint);
    if (endpoint !== null) this.#route.pool.enter(endpoint);
    this.#endpoint = endpoint;
  }

  /** Nothing was sent yet, so any request may go to the next endpoint. */
  #connectFailed(failure: UpstreamFailure): void {
    if (this.#ended || this.#endpoint === null) return;
    this.#connectFailure = failure;
    this.#tried.push(this.#endpoint.index);
    if (this.#tried.length < ENDPOINTS_TRIED_MAX) this.#acquire({ fresh: false });
    else this.#failUnconnected(failure);
  }

  /** The client is told no address of an endpoint. */
  #failUnconnected({ code }: UpstreamFailure): void {
    const text = `no connection to an endpoint of pool ${this.#route.pool.name}: ${code}`;
    this.#fail(code === 'connect_timeout' ? 504 : 502, text);
  }

  /**
   * The endpoint stopped before the response was whole. A kept connection that dies before its first byte was
   * most likely closed while idle: then, and only if nothing can have been done twice, a new one is tried.
   */
  #broken(what: string): void {
    if (this.#ended) return;
    const stale = this.#upstream?.reused === true && !this.#responseBegun && this.#bodyBytesSent === 0;
    if (stale && !this.#retried && IDEMPOTENT.has(this.#request.method)) {
      this.#retried = true;
      this.#upstream?.destroy();
      this.#acquire({ fresh: true });
      return;
    }
    this.#fail(502, `an endpoint of pool ${this.#route.pool.name} ${what}`);
  }

  #readResponse(): void {
    while (!this.#ended) {
      if (this.#response !== null) {
        this.#readBody(this.#response);
        return;
      }
      if (!this.#readHead()) return;
    }
  }

  /** True if there may be more to read. */
  #readHead(): boolean {
    const upstream = this.#upstream!;
    const { head, window } = upstream;
    const length = head.parse(window.bytes, window.start, window.end);
    if (length === 0) return false;
    const facts = length < 0 ? refuse(head.error ?? 'status_line') : judgeResponse(head, this.#request);
    if (!facts.ok) {
      this.#fail(
        502,
        `an endpoint of pool ${this.#route.pool.name} sent no valid response: ${facts.message}`,
      );
      return false;
    }
    if (facts.status === 101) this.#switchProtocols(facts, length);
    else if (facts.status < 200) return this.#passInterim(facts, length);
    else this.#passHead(facts, length);
    return true;
  }

  /** RFC 9110 §15.2: interim responses are passed on, but HTTP/1.0 knows none. */
  #passInterim(facts: ResponseFacts, length: number): boolean {
    const { head, window } = this.#upstream!;
    if (++this.#interim > INTERIM_MAX) {
      this.#fail(502, `an endpoint of pool ${this.#route.pool.name} sent too many interim responses`);
      return false;
    }
    if (!this.#request.http10) this.#client.write(this.#headBytes(facts));
    window.consume(length);
    head.reset();
    return window.length > 0;
  }

  #passHead(facts: ResponseFacts, length: number): void {
    const upstream = this.#upstream!;
    const { kind } = facts.framing;
    this.#decodeChunks = kind === 'chunked' && this.#request.http10;
    this.#close = !this.#request.keepAlive || this.#client.closing || kind === 'close' || this.#decodeChunks;
    this.#response = facts;
    this.#client.write(this.#headBytes(facts));
    upstream.window.consume(length);
    upstream.decoder.begin(facts.framing);
    countStatus(this.#route.classes, facts.status);
  }

  #switchProtocols(facts: ResponseFacts, length: number): void {
    const upstream = this.#upstream!;
    countStatus(this.#route.classes, facts.status);
    this.#client.write(this.#headBytes(facts));
    upstream.window.consume(length);
    // The tunnel outlives the exchange, but goes on counting as load of the endpoint.
    const endpoint = this.#endpoint!;
    this.#ended = true;
    upstream.socket.once('close', () => this.#route.pool.leave(endpoint));
    this.#client.startTunnel(upstream);
  }

  #readBody(response: ResponseFacts): void {
    const upstream = this.#upstream!;
    const { window, decoder } = upstream;
    let flowing = true;
    const write = (bytes: Uint8Array, start: number, end: number): void => {
      flowing = this.#client.write(bytes.subarray(start, end)) && flowing;
    };
    const { start } = window;
    const end = decoder.feed(window.bytes, start, window.end, this.#decodeChunks ? write : undefined);
    if (decoder.error !== null) {
      this.#fail(502, 'the response body is malformed');
      return;
    }
    if (!this.#decodeChunks && end > start) write(window.bytes, start, end);
    window.consume(end - start);
    if (decoder.done) this.#finish(response);
    else if (!flowing) upstream.socket.pause();
  }

  #headBytes(facts: ResponseFacts): Uint8Array {
    return writeResponseHead(this.#upstream!.head, facts, {
      via: this.#context.via,
      close: this.#close,
      http10: this.#request.http10,
    });
  }

  #finish(response: ResponseFacts | null = this.#response): void {
    if (!this.#end()) return;
    const sent = this.#client.requestBody.done;
    this.#upstream?.release(sent && response?.keepAlive === true);
    this.#client.exchangeDone(sent && !this.#close);
  }

  #fail(status: number, text: string): void {
    if (!this.#end()) return;
    this.#upstream?.destroy();
    if (this.#response !== null) {
      this.#context.counters.aborted++;
      this.#client.abort();
      return;
    }
    countStatus(this.#route.classes, status);
    const keepOpen = this.#client.requestBody.done && this.#request.keepAlive && !this.#client.closing;
    this.#client.exchangeFailed(status, text, keepOpen && status >= 500);
  }

  /** True the first time: an exchange ends once. */
  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#use(null);
    return true;
  }

  #upstreamIsFull(): boolean {
    return this.#upstream?.socket.writableNeedDrain === true;
  }

  /** A byte moved: whoever has to move next gets its whole time again. */
  #touch(): void {
    const { timeouts, deadlines } = this.#context;
    const forMs = this.#client.requestBody.done ? timeouts.responseMs : timeouts.clientIdleMs;
    this.deadlineMs = deadlines.nowMs + forMs;
  }
}
