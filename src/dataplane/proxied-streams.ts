import { COUNTER } from '../core/answer/counters.js';
import { isTrusted, type TrustedPrefix } from '../core/proxy-protocol/trusted.js';
import { createProxyHeader, PROXY_HEADER_MAX, readProxyHeader } from '../core/proxy-protocol/v2.js';
import type { StreamConnection, StreamHandler } from '../io/tier.js';

/** One connection of a proxy. */
interface Passage {
  readonly openedMs: number;
  /** The header as far as it came; empty once it is complete. */
  head: Uint8Array;
  /** What the service behind sees, once the header is complete. */
  client: StreamConnection | undefined;
}

export interface PassageLimits {
  /** Connections whose header has not come. */
  readonly maxConnections: number;
  /** Time for the header. */
  readonly idleTimeoutMs: number;
}

/**
 * Takes the PROXY header from connections of trusted sources; the service behind sees the client that the header
 * names. Connections of others pass as they are. The limits of the service hold for the client, so a proxy may have
 * as many connections as its clients.
 */
export class ProxiedStreams implements StreamHandler {
  readonly #service: StreamHandler;
  readonly #trusted: readonly TrustedPrefix[];
  readonly #limits: PassageLimits;
  readonly #counters: Float64Array;
  readonly #passages = new Map<StreamConnection, Passage>();
  readonly #header = createProxyHeader();
  #waiting = 0;
  #nowMs: number;

  constructor(
    service: StreamHandler,
    options: { readonly trusted: readonly TrustedPrefix[]; readonly limits: PassageLimits },
    counters: Float64Array,
    nowMs: number,
  ) {
    this.#service = service;
    this.#trusted = options.trusted;
    this.#limits = options.limits;
    this.#counters = counters;
    this.#nowMs = nowMs;
  }

  opened(connection: StreamConnection): boolean {
    if (!isTrusted(this.#trusted, connection.source, 0, connection.family)) {
      return this.#service.opened(connection);
    }
    if (this.#waiting >= this.#limits.maxConnections) {
      this.#count(COUNTER.TCP_REFUSED);
      return false;
    }
    this.#waiting++;
    this.#passages.set(connection, { openedMs: this.#nowMs, head: NOTHING, client: undefined });
    return true;
  }

  received(connection: StreamConnection, bytes: Uint8Array, length: number): void {
    const passage = this.#passages.get(connection);
    if (!passage) return this.#service.received(connection, bytes, length);
    if (passage.client) return this.#service.received(passage.client, bytes, length);
    const known = passage.head.length;
    // The header may end anywhere in these bytes: no more than can belong to it is copied.
    const taken = Math.min(length, PROXY_HEADER_MAX - known);
    const head = new Uint8Array(known + taken);
    head.set(passage.head);
    head.set(bytes.subarray(0, taken), known);
    const size = readProxyHeader(head, 0, head.length, this.#header);
    if (size < 0) {
      this.#count(COUNTER.PROXY_REFUSED);
      connection.destroy();
      return;
    }
    if (size === 0) {
      passage.head = head;
      return;
    }
    this.#pass(connection, passage);
    if (!passage.client) return;
    const from = size - known;
    if (length > from) this.#service.received(passage.client, bytes.subarray(from, length), length - from);
  }

  ended(connection: StreamConnection): void {
    const passage = this.#passages.get(connection);
    if (!passage) this.#service.ended(connection);
    else if (passage.client) this.#service.ended(passage.client);
    else connection.destroy();
  }

  closed(connection: StreamConnection): void {
    const passage = this.#passages.get(connection);
    if (!passage) return this.#service.closed(connection);
    this.#passages.delete(connection);
    if (passage.client) this.#service.closed(passage.client);
    else this.#waiting--;
  }

  /** Closes connections whose header does not come. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#waiting === 0) return;
    for (const [connection, { client, openedMs }] of this.#passages) {
      if (client || nowMs - openedMs < this.#limits.idleTimeoutMs) continue;
      this.#count(COUNTER.TCP_TIMEOUT);
      connection.destroy();
    }
  }

  /** The header is complete: the service gets to know the client, and may refuse it. */
  #pass(connection: StreamConnection, passage: Passage): void {
    const { family, source } = this.#header;
    const client =
      family === 0
        ? connection
        : new ProxiedConnection(connection, family, source.slice(0, family === 4 ? 4 : 16));
    passage.head = NOTHING;
    if (!this.#service.opened(client)) return connection.destroy();
    passage.client = client;
    this.#waiting--;
  }

  #count(counter: number): void {
    this.#counters[counter] = this.#counters[counter]! + 1;
  }
}

const NOTHING = new Uint8Array(0);

/** A proxy's connection with the client's address. */
class ProxiedConnection implements StreamConnection {
  attached: object | null = null;
  readonly family: 4 | 6;
  readonly source: Uint8Array;
  readonly #connection: StreamConnection;

  constructor(connection: StreamConnection, family: 4 | 6, source: Uint8Array) {
    this.#connection = connection;
    this.family = family;
    this.source = source;
  }

  write(bytes: Uint8Array, from: number, end: number): boolean {
    return this.#connection.write(bytes, from, end);
  }

  end(): void {
    this.#connection.end();
  }

  destroy(): void {
    this.#connection.destroy();
  }
}
