import { copyBytes } from '../../core/http/ascii.js';
import type { RequestFacts } from '../../core/http/hygiene.js';
import type { HttpContext, HttpRoute } from './context.js';
import type { ExchangeClient } from './exchange-client.js';
import type { MirrorCopy } from './mirror-copy.js';
import type { Retries } from './retries.js';
import type { UpstreamConnection } from './upstream-connection.js';

const NO_BYTES = new Uint8Array(0);
/** Nearly every head fits; it is used again for the next request of the connection. */
const HEAD_KEPT_BYTES = 1024;
const SPARE_HEADS_MAX = 1024;

/**
 * The way of one request from the client to an endpoint: its head is kept until the exchange ends, for whoever is asked next;
 * its body passes. Requests of a connection follow one another here.
 */
export class RequestRelay {
  /** Of the body. */
  bytesSent = 0;
  /** As it is sent; the first `headLength` bytes. */
  head: Uint8Array = NO_BYTES;
  headLength = 0;
  /** The head still stands in the scratch memory, where it was composed. */
  composed = false;
  readonly #client: ExchangeClient;
  readonly #context: HttpContext;
  #facts: RequestFacts | null = null;
  #responseMs = 0;
  /** A copy of the request for another pool, while it is not whole. */
  #copy: MirrorCopy | null = null;

  constructor(client: ExchangeClient, context: HttpContext) {
    this.#client = client;
    this.#context = context;
  }

  /** What the client asked for; only while an exchange is in progress. */
  get facts(): RequestFacts {
    return this.#facts!;
  }

  /** The whole request is sent. */
  get isSent(): boolean {
    return this.#client.requestBody.done;
  }

  /** Begins with the head that was composed in the first `length` bytes of the scratch memory. */
  begin(facts: RequestFacts, responseMs: number, length: number): void {
    this.#facts = facts;
    this.#responseMs = responseMs;
    this.bytesSent = 0;
    if (this.head.length < length) {
      const spare = length <= HEAD_KEPT_BYTES ? this.#context.spareHeads.pop() : undefined;
      this.head = spare ?? new Uint8Array(Math.max(length, HEAD_KEPT_BYTES));
    }
    copyBytes(this.head, 0, this.#context.network.scratch, 0, length);
    this.headLength = length;
  }

  /** Begins a copy, if the route wants one; the head has to be composed still. */
  mirror({ mirror }: HttpRoute): void {
    if (mirror === null) return;
    this.#copy = mirror.copyOf(this.facts, this.#context.network.scratch, this.headLength);
  }

  /** Sends the head, and what is here of the body, over an open connection; false if the body has a mistake. */
  open(upstream: UpstreamConnection, retries: Retries | null): boolean {
    const { scratch } = this.#context.network;
    const { window, requestBody } = this.#client;
    let length = this.headLength;
    if (!this.composed) copyBytes(scratch, 0, this.head, 0, length);
    if (retries !== null) length = retries.replay(scratch, length);
    if (!requestBody.done && window.length > 0) {
      const { bytes, start } = window;
      const end = requestBody.feed(bytes, start, Math.min(window.end, start + scratch.length - length));
      if (requestBody.error !== null) return false;
      length = copyBytes(scratch, length, bytes, start, end);
      if (retries !== null) retries.keep(bytes, start, end);
      this.bytesSent += end - start;
      if (this.#copy !== null && !this.#copy.add(bytes, start, end)) this.#copy = null;
      window.consume(end - start);
    }
    this.#regulate(upstream.connection.write(scratch, 0, length));
    return true;
  }

  /** Takes what the client sent of the body since; `send` has to follow. Its end in the window; -1 if it has a mistake. */
  take(retries: Retries | null): number {
    const { window, requestBody } = this.#client;
    const { bytes, start } = window;
    const end = requestBody.feed(bytes, start, window.end);
    if (requestBody.error !== null) return -1;
    this.bytesSent += end - start;
    if (retries !== null) retries.keep(bytes, start, end);
    return end;
  }

  /** Sends what was taken. */
  send(upstream: UpstreamConnection, end: number): void {
    const { window } = this.#client;
    const { bytes, start } = window;
    const flowing = upstream.connection.write(bytes, start, end);
    if (this.#copy !== null) {
      if (!this.#copy.add(bytes, start, end)) this.#copy = null;
      this.sendCopy();
    }
    window.consume(end - start);
    this.#regulate(flowing);
  }

  /** A copy goes after the request itself, once its body is whole. */
  sendCopy(): void {
    if (this.#copy === null || !this.isSent) return;
    this.#copy.send(this.#responseMs);
    this.#copy = null;
  }

  /** The exchange has ended. An idle connection needs no memory for a head. */
  end(): void {
    if (this.#copy !== null) this.#dropCopy();
    const { spareHeads } = this.#context;
    if (spareHeads.length < SPARE_HEADS_MAX && this.head.length === HEAD_KEPT_BYTES) {
      spareHeads.push(this.head);
    }
    this.head = NO_BYTES;
  }

  #dropCopy(): void {
    if (this.isSent) this.sendCopy();
    else this.#copy?.cut();
    this.#copy = null;
  }

  #regulate(flowing: boolean): void {
    const { inputEnded, requestBody, window } = this.#client;
    if (inputEnded && !requestBody.done && window.length === 0) this.#client.abort();
    else this.#client.setBodyBlocked(!flowing);
  }
}
