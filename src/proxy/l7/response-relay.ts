import type { AccessReason } from '../../core/access-log/entry.js';
import type { ContentCoding } from '../../core/http/accept-encoding.js';
import { copyBytes, copyText } from '../../core/http/ascii.js';
import type { FieldEdits } from '../../core/http/field-edits.js';
import type { OnData } from '../../core/http/framing.js';
import type { Head } from '../../core/http/head.js';
import type { ResponseFacts } from '../../core/http/hygiene.js';
import { writeResponseHead } from '../../core/http/rewrite.js';
import { writeChunk } from '../compression/chunk.js';
import { EncodedBody, type EncodedSink } from '../compression/encoded-body.js';
import type { CompressionPolicy } from '../compression/policy.js';
import { countStatus } from '../counters.js';
import { NOT_COMPRESSED, type RequestFailure } from '../request-failure.js';
import type { StaleCapture } from '../stale-cache.js';
import type { Attempts } from './attempts.js';
import type { HttpContext, HttpRoute } from './context.js';
import type { ExchangeClient } from './exchange-client.js';
import type { RequestRelay } from './request-relay.js';

/** The exchange whose response is passed on. */
export interface AnsweredExchange {
  /** Whoever has to move next gets its whole time. */
  touch(): void;
  /** The response was passed on whole. */
  finish(): void;
  fail(failure: RequestFailure): void;
  /** Likewise with 502. `what`: what an endpoint did. */
  failBad(what: string, reason: AccessReason): void;
}

const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const INTERIM_MAX = 16;

/**
 * The way of one response from an endpoint to the client: its head is rewritten, and waits to leave together with the first of the
 * body; the body passes, compressed or taken out of its chunks where that is wanted. Responses of a connection follow one another here.
 */
export class ResponseRelay implements EncodedSink {
  /** What the head said; null as long as it did not come. */
  facts: ResponseFacts | null = null;
  /** Interim responses that came. */
  interim = 0;
  /** When the head came; below the exchange's beginning: it did not. */
  answeredMs = -1;
  /** Of the body. */
  bytesPassed = 0;
  /** The client's connection ends with this response. */
  close = false;
  readonly #exchange: AnsweredExchange;
  readonly #client: ExchangeClient;
  readonly #context: HttpContext;
  readonly #request: RequestRelay;
  readonly #attempts: Attempts;
  /** Bytes of the head that wait in the scratch memory. */
  #headWaiting = 0;
  /** Changes of the head. */
  #edits: FieldEdits | null = null;
  #coding: ContentCoding | null = null;
  #decodeChunks = false;
  /** Null where the body passes as it is. */
  #encoded: EncodedBody | null = null;
  /** Of a response that is kept. */
  #capture: StaleCapture | null = null;
  /** The client took all that it got of the body. */
  #flowing = true;

  constructor(
    exchange: AnsweredExchange,
    client: ExchangeClient,
    context: HttpContext,
    { request, attempts }: { readonly request: RequestRelay; readonly attempts: Attempts },
  ) {
    this.#exchange = exchange;
    this.#client = client;
    this.#context = context;
    this.#request = request;
    this.#attempts = attempts;
  }

  /** `coding`: what the client takes, where the route compresses. */
  begin({ responseEdits }: HttpRoute, coding: ContentCoding | null): void {
    this.facts = null;
    this.interim = 0;
    this.answeredMs = -1;
    this.bytesPassed = 0;
    this.close = false;
    this.#headWaiting = 0;
    this.#edits = responseEdits;
    this.#coding = coding;
    this.#decodeChunks = false;
    this.#encoded = null;
    this.#capture = null;
  }

  /** Nothing more is awaited from the endpoint; compressed, some of it may still have to leave. */
  get allCame(): boolean {
    return this.#encoded?.ended === true;
  }

  /** RFC 9110 §15.2: interim responses are passed on, but HTTP/1.0 knows none. True if there may be more to read. */
  passInterim(facts: ResponseFacts, length: number): boolean {
    const upstream = this.#attempts.upstream!;
    const { window } = upstream;
    if (++this.interim > INTERIM_MAX) {
      this.#exchange.failBad('sent too many interim responses', 'malformed_response');
      return false;
    }
    if (this.#attempts.retries !== null) this.#attempts.retries.answered();
    if (!this.#request.facts.http10 && !this.#composeHead(facts)) return false;
    this.flush();
    window.consume(length);
    upstream.resetHead();
    return window.length > 0;
  }

  /** The head of `length` bytes is the last one; nothing happens to a tunnel's body. */
  passSwitch(facts: ResponseFacts, length: number): boolean {
    if (!this.#composeHead(facts)) return false;
    countStatus(this.#attempts.route!.classes, facts.status);
    this.flush();
    this.#attempts.upstream!.window.consume(length);
    this.facts = facts;
    this.answeredMs = this.#context.deadlines.nowMs;
    return true;
  }

  /** What `passHead` makes of a head where the client's connection goes on and the route changes nothing; null if it does not fit. */
  usual(head: Head, facts: ResponseFacts): Uint8Array | null {
    const { network, via } = this.#context;
    const reply = { via, close: false, http10: this.#request.facts.http10 };
    const length = writeResponseHead(network.scratch, head, facts, reply);
    return length < 0 ? null : network.scratch.slice(0, length);
  }

  /** The head of a final response; it leaves with the body, or by `flush`. `usual`: what `usual` made of it before, if it is known. */
  passHead(facts: ResponseFacts, length: number, usual: Uint8Array | null): void {
    const { upstream, route, retries } = this.#attempts;
    const { keepAlive, http10 } = this.#request.facts;
    const { kind } = facts.framing;
    this.#decodeChunks = kind === 'chunked' && http10;
    this.close = !keepAlive || this.#client.closing || kind === 'close' || this.#decodeChunks;
    const { compression, pool, classes } = route!;
    if (compression !== null) this.#compress(compression, facts);
    if (!this.#composeHead(facts, usual)) return;
    if (pool.stale !== null) this.#keepStale(facts);
    this.facts = facts;
    if (retries !== null) retries.answered();
    this.answeredMs = this.#context.deadlines.nowMs;
    upstream!.window.consume(length);
    upstream!.decoder.begin(facts.framing);
    countStatus(classes, facts.status);
  }

  /** Passes on what came of the body. */
  readBody(): void {
    const upstream = this.#attempts.upstream!;
    const { window, decoder } = upstream;
    const { bytes, start } = window;
    const asItIs = !this.#decodeChunks && this.#encoded === null;
    const payload = asItIs && this.#capture === null ? undefined : this.#payload();
    this.#flowing = true;
    const end = decoder.feed(bytes, start, window.end, payload);
    if (decoder.error !== null) {
      this.#exchange.failBad('sent a malformed body', 'malformed_response');
      return;
    }
    if (asItIs && end > start) {
      if (decoder.done && this.close) this.#client.endsNext();
      this.#flowing = this.#sendBody(bytes, start, end);
    }
    window.consume(end - start);
    if (decoder.done) this.bodyCame();
    else if (!this.#flowing) upstream.connection.pause();
  }

  /** All of the body came; compressed, some of it may still have to leave. */
  bodyCame(): void {
    if (this.#encoded === null) this.#exchange.finish();
    else this.#encoded.end();
  }

  /** The client took what was waiting: the endpoint may send again. */
  onClientDrain(): void {
    if (this.#encoded === null) this.#attempts.upstream?.connection.resume();
    else this.#encoded.resume();
  }

  /** Sends a head that still waits. */
  flush(): void {
    const length = this.#headWaiting;
    if (length === 0) return;
    this.#headWaiting = 0;
    this.#client.write(this.#context.network.scratch, 0, length);
  }

  /** The response was passed on whole: it may be kept. */
  done(): void {
    this.flush();
    this.#capture?.done();
  }

  /** The exchange has ended, however far the response was. */
  end(): void {
    this.#encoded?.cancel();
    this.#capture?.drop();
    this.#capture = null;
  }

  /** A part of the compressed body. */
  encoded(bytes: Uint8Array): boolean {
    const { scratch } = this.#context.network;
    this.#exchange.touch();
    this.bytesPassed += bytes.length;
    return this.#client.write(scratch, 0, writeChunk(scratch, bytes));
  }

  encodedRoom(): void {
    this.#exchange.touch();
    this.#attempts.upstream?.connection.resume();
  }

  encodedEnd(): void {
    this.#client.write(LAST_CHUNK, 0, LAST_CHUNK.length);
    this.#exchange.finish();
  }

  encodedFailure(): void {
    this.#exchange.fail(NOT_COMPRESSED);
  }

  /** Has the body compressed, if client, response and configuration agree; the head says what came of it. */
  #compress(policy: CompressionPolicy, facts: ResponseFacts): void {
    const { method, http10, keepAlive } = this.#request.facts;
    const body = new EncodedBody(this, policy);
    const { edits, encoder } = policy.plan(
      {
        head: this.#attempts.upstream!.head,
        facts,
        coding: http10 ? null : this.#coding,
        edits: this.#edits,
        bodiless: method === 'HEAD',
        chunks: true,
      },
      body,
    );
    this.#edits = edits;
    if (encoder === null) return;
    body.begin(encoder);
    this.#encoded = body;
    // Chunks of our own say where it ends.
    this.close = !keepAlive || this.#client.closing;
  }

  /** Composes a head in the scratch memory; false if it is too large, which ends the exchange. */
  #composeHead(facts: ResponseFacts, usual: Uint8Array | null = null): boolean {
    const { network, via } = this.#context;
    const { upstream, endpoint, pool, key, tried } = this.#attempts;
    const { head } = upstream!;
    const reply = { via, close: this.close, http10: this.#request.facts.http10 };
    const isUsual = usual !== null && !this.close && this.#edits === null;
    let length = isUsual
      ? copyText(network.scratch, 0, usual)
      : writeResponseHead(network.scratch, head, facts, reply, this.#edits);
    if (length < 0) {
      this.#exchange.failBad('sent too large a head', 'malformed_response');
      return false;
    }
    // Interim responses but 101 are not what a session ends with.
    if (pool.sticky !== null && endpoint !== null && (facts.status >= 200 || facts.status === 101)) {
      length = pool.sticky.settle(network.scratch, length, head, key, tried, endpoint.index);
    }
    this.#headWaiting = length;
    return true;
  }

  #keepStale(facts: ResponseFacts): void {
    // Whether a body that ends with the connection is whole, nobody knows.
    if (facts.framing.kind === 'close') return;
    const { pool, responseEdits } = this.#attempts.route!;
    const { head } = this.#attempts.upstream!;
    const reply = { via: this.#context.via, close: false, http10: false };
    this.#capture =
      pool.stale?.begin(this.#request, head, this.#context.deadlines.nowMs, (out) =>
        writeResponseHead(out, head, facts, reply, responseEdits),
      ) ?? null;
  }

  /** Takes the body out of its chunks. */
  #payload(): OnData {
    return (bytes, start, end) => {
      this.#capture?.add(bytes, start, end);
      if (this.#encoded !== null) this.#flowing = this.#encoded.write(bytes, start, end) && this.#flowing;
      else if (this.#decodeChunks) this.#flowing = this.#sendBody(bytes, start, end) && this.#flowing;
    };
  }

  #sendBody(bytes: Uint8Array, start: number, end: number): boolean {
    this.bytesPassed += end - start;
    const head = this.#headWaiting;
    if (head === 0) return this.#client.write(bytes, start, end);
    const { scratch } = this.#context.network;
    if (head + end - start > scratch.length) {
      this.flush();
      return this.#client.write(bytes, start, end);
    }
    this.#headWaiting = 0;
    return this.#client.write(scratch, 0, copyBytes(scratch, head, bytes, start, end));
  }
}
