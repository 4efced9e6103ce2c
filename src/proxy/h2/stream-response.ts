import type { AccessReason } from '../../core/access-log/entry.js';
import type { FieldEdits } from '../../core/http/field-edits.js';
import { grpcStatusIn } from '../../core/http/grpc.js';
import type { Head } from '../../core/http/head.js';
import { type FieldList, fieldsOf, fieldValue } from '../../core/http/http2-head.js';
import type { ResponseFacts } from '../../core/http/hygiene.js';
import { EncodedBody, type EncodedSink } from '../compression/encoded-body.js';
import type { CompressionPolicy } from '../compression/policy.js';
import { countStatus } from '../counters.js';
import { NOT_COMPRESSED } from '../request-failure.js';
import type { KeptRequest, StaleCapture } from '../stale-cache.js';
import type { ClientSide } from './client-side.js';
import type { StreamContext } from './context.js';
import type { StreamAttempts } from './stream-attempts.js';
import type { StreamFailure } from './stream-failure.js';
import type { StreamRequest } from './stream-request.js';

/** The exchange whose response is passed on. */
export interface AnsweredStream {
  readonly beganMs: number;
  /** Whoever has to move next gets its whole time. */
  touch(): void;
  fail(failure: StreamFailure): void;
  /** Likewise with 502. `what`: what an endpoint did. */
  failBad(what: string, reason: AccessReason): void;
  /** The response was passed on whole. */
  finish(trailers: FieldList): void;
}

const INTERIM_MAX = 16;

/** The way of one response from an endpoint to the client: its head is rewritten, its body passes, compressed where that is wanted. */
export class StreamResponse implements EncodedSink {
  /** Interim responses that came. */
  interim = 0;
  /** From the request's head to that of the response; below 0: there was none. */
  upstreamMs = -1;
  readonly #exchange: AnsweredStream;
  readonly #client: ClientSide;
  readonly #request: StreamRequest;
  readonly #attempts: StreamAttempts;
  readonly #context: StreamContext;
  /** Bytes of the body that are still to come; below 0: nobody knows. */
  #left = -1;
  /** Null where the body passes as it is. */
  #encoded: EncodedBody | null = null;
  #trailers: FieldList = [];
  /** Of a response that is kept. */
  #capture: StaleCapture | null = null;

  constructor(
    exchange: AnsweredStream,
    client: ClientSide,
    { request, attempts }: { readonly request: StreamRequest; readonly attempts: StreamAttempts },
    context: StreamContext,
  ) {
    this.#exchange = exchange;
    this.#client = client;
    this.#request = request;
    this.#attempts = attempts;
    this.#context = context;
  }

  /** The request as the pool's cache of responses knows it. */
  get kept(): KeptRequest {
    const { facts, head } = this.#request;
    return { facts, head, headLength: head.length };
  }

  /** A head, interim ones too. `ended`: nothing follows. */
  onHead(head: Head, facts: ResponseFacts, ended: boolean): void {
    const { route, endpoint, key, tried } = this.#attempts;
    const { scratch, via } = this.#context;
    const { pool, compression } = route;
    const spoken = pool.model.protocol ?? 'h1';
    const received = spoken === 'h1' ? {} : { received: '2.0' };
    const edits =
      compression === null || facts.status < 200 || this.#client.grpc || (ended && !this.#client.toHead)
        ? route.responseEdits
        : this.#compress(compression, head, facts);
    const reply = { via, close: false, http10: false, ...received };
    let length = route.writeResponse(scratch, head, facts, reply, edits);
    if (pool.stale !== null && facts.status === 200) this.#keepStale(head, facts);
    if (pool.sticky !== null && length >= 0 && facts.status >= 200 && endpoint !== null) {
      length = pool.sticky.settle(scratch, length, head, key, tried, endpoint.index);
    }
    if (length < 0) return this.#exchange.failBad('sent too large a head', 'malformed_response');
    const fields = fieldsOf(scratch.subarray(0, length));
    if (facts.status >= 200) this.#pass(facts, fields, ended);
    else if (++this.interim > INTERIM_MAX) {
      this.#exchange.failBad('sent too many interim responses', 'malformed_response');
    } else this.#client.interim(facts.status, fields);
  }

  onData(bytes: Uint8Array): void {
    this.#exchange.touch();
    const { length } = bytes;
    if (this.#left >= 0) {
      this.#left -= length;
      if (this.#left < 0) return this.#exchange.failBad('sent more than it said', 'malformed_response');
    }
    this.#capture?.add(bytes, 0, length);
    this.#attempts.judge(200);
    const flowing =
      this.#encoded === null ? this.#client.write(bytes) : this.#encoded.write(bytes, 0, length);
    if (flowing) return;
    this.#attempts.call?.pause();
    // From here on the client has to move.
    this.#exchange.touch();
  }

  onEnd(trailers: FieldList): void {
    if (this.#left > 0) return this.#exchange.failBad('sent less than it said', 'malformed_response');
    this.#capture?.done();
    if (this.#encoded === null) return this.#exchange.finish(trailers);
    // The endpoint is done; what it sent still has to leave.
    this.#attempts.call = null;
    this.#trailers = trailers;
    this.#encoded.end();
  }

  /** The client took what was waiting: the endpoint may send again. */
  onClientDrain(): void {
    if (this.#encoded === null) this.#attempts.call?.resume();
    else this.#encoded.resume();
  }

  /** The exchange has ended, however far the response was. */
  end(): void {
    this.#encoded?.cancel();
    this.#capture?.drop();
    this.#capture = null;
  }

  /** A part of the compressed body. */
  encoded(bytes: Uint8Array): boolean {
    const flowing = this.#client.write(bytes);
    this.#exchange.touch();
    return flowing;
  }

  encodedRoom(): void {
    this.#exchange.touch();
    this.#attempts.call?.resume();
  }

  encodedEnd(): void {
    this.#exchange.finish(this.#trailers);
  }

  encodedFailure(): void {
    this.#exchange.fail(NOT_COMPRESSED);
  }

  #pass(facts: ResponseFacts, fields: FieldList, ended: boolean): void {
    const { framing, status } = facts;
    const client = this.#client;
    const bodiless = ended || client.toHead || status === 204 || status === 304;
    this.#left = bodiless ? -1 : framing.kind === 'length' ? framing.length : -1;
    const trailing = framing.kind !== 'length' || client.grpc;
    client.grpcStatus = grpcStatusIn(fieldValue(fields, 'grpc-status')) ?? client.grpcStatus;
    this.upstreamMs = this.#context.deadlines.nowMs - this.#exchange.beganMs;
    this.#attempts.settled();
    if (client.respond(status, fields, { ended: bodiless, trailing })) {
      countStatus(this.#attempts.route.classes, status);
      this.#exchange.touch();
    } else this.#exchange.failBad('sent a field that HTTP/2 does not allow', 'malformed_response');
  }

  /** Has the body compressed, if client, response and configuration agree; the changes of the head for that. */
  #compress(policy: CompressionPolicy, head: Head, facts: ResponseFacts): FieldEdits | null {
    const { coding } = this.#request;
    const { responseEdits } = this.#attempts.route;
    const body = new EncodedBody(this, policy);
    const bodiless = this.#client.toHead;
    const response = { head, facts, coding, edits: responseEdits, bodiless, chunks: false };
    const { edits, encoder } = policy.plan(response, body);
    if (encoder === null) return edits;
    body.begin(encoder);
    this.#encoded = body;
    return edits;
  }

  #keepStale(head: Head, facts: ResponseFacts): void {
    const { route } = this.#attempts;
    // Whether a body that ends with the connection is whole, nobody knows; a stream has an end of its own.
    const untilClose = facts.framing.kind === 'close' && (route.pool.model.protocol ?? 'h1') === 'h1';
    if (this.#client.grpc || untilClose) return;
    const reply = { via: this.#context.via, close: false, http10: false };
    const kept = route.pool.stale?.begin(this.kept, head, this.#context.deadlines.nowMs, (out) =>
      route.writeResponse(out, head, facts, reply),
    );
    this.#capture = kept ?? null;
  }
}
