import { parseIPv4, parseIPv6 } from '../core/dns/rdata/address.js';
import { ANY_HEADER_MAX, destinationOf, readAnyHeader, sourceOf } from '../core/proxy-protocol/header.js';
import { isTrusted, type TrustedPrefix } from '../core/proxy-protocol/trusted.js';
import { createProxyHeader, type ProxyHeader } from '../core/proxy-protocol/v2.js';
import type { Connection, ConnectionHandler, Preface } from '../io/network.js';
import { NO_SLOT } from '../io/roster.js';
import type { SocketAddress } from '../io/tier.js';
import type { Deadlines, Timed } from './deadlines.js';
import { countEvent } from './listener-events.js';

/** Who speaks on a connection, and to whom, as a PROXY header said. */
export interface ClientFacts {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
}

export interface HeaderOptions {
  /** Who has to send a header. Others' connections pass as they are. */
  readonly trusted: readonly TrustedPrefix[];
  /** Time for the header. */
  readonly timeoutMs: number;
  readonly deadlines: Deadlines;
}

export interface HeaderModules {
  /** Of the listener, by LISTENER_EVENT. */
  readonly events: Float64Array;
  /** The header was read; null: it names nobody (LOCAL, UNKNOWN). The handler takes over; null closes the connection. */
  readonly take: (facts: ClientFacts | null) => ConnectionHandler;
  /** The connection ended without a header. */
  readonly onGone: (wait: HeaderWait) => void;
}

/** Whether a connection has to begin with a PROXY header. */
export function expectsHeader({ trusted }: HeaderOptions, { host }: SocketAddress): boolean {
  if (trusted.length === 0) return false;
  const bytes = parseIPv4(host) ?? parseIPv6(host.split('%', 1)[0]!);
  return bytes !== undefined && isTrusted(trusted, bytes, 0, bytes.length === 4 ? 4 : 6);
}

/** The headers in front of TLS: `take` is told whom a header named, right before its connection is accepted. */
export function headerPreface(
  options: HeaderOptions,
  events: Float64Array,
  take: (facts: ClientFacts | null) => void,
): Preface {
  return {
    timeoutMs: options.timeoutMs,
    expected: (remote) => expectsHeader(options, remote),
    read(bytes, start, end) {
      const size = readAnyHeader(bytes, start, end, header);
      if (size < 0) countEvent(events, 'proxy_header_malformed');
      if (size > 0) take(factsOf(header));
      return size;
    },
    late: () => countEvent(events, 'proxy_header_late'),
  };
}

/**
 * A connection of a trusted source until its PROXY header, of either version, is there. Without a proper one it is
 * closed: to guess would let clients choose who they are.
 */
export class HeaderWait implements ConnectionHandler, Timed {
  deadlineSlot = NO_SLOT;
  sessionSlot = NO_SLOT;
  readonly deadlineMs: number;
  readonly #connection: Connection;
  readonly #deadlines: Deadlines;
  readonly #modules: HeaderModules;
  #head: Uint8Array = NOTHING;
  #over = false;

  constructor(connection: Connection, options: HeaderOptions, modules: HeaderModules) {
    this.#connection = connection;
    this.#deadlines = options.deadlines;
    this.#modules = modules;
    this.deadlineMs = options.deadlines.nowMs + options.timeoutMs;
    options.deadlines.add(this);
  }

  /** Nothing is in progress yet. */
  drain(): void {
    this.destroy();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  onOpen(): void {}

  onDrain(): void {}

  onData(connection: Connection, bytes: Uint8Array, start: number, end: number): void {
    if (this.#over) return;
    const known = this.#head.length;
    // Most headers come in one piece. Otherwise no more than can belong to one is kept.
    if (known > 0) this.#keep(bytes, start, end);
    const size =
      known > 0
        ? readAnyHeader(this.#head, 0, this.#head.length, header)
        : readAnyHeader(bytes, start, end, header);
    if (size < 0) this.#refuse('proxy_header_malformed');
    else if (size > 0) this.#pass(connection, bytes, start + size - known, end);
    else if (known === 0) this.#keep(bytes, start, end);
  }

  onEnd(): void {
    if (!this.#over) this.#refuse('proxy_header_malformed');
  }

  onClose(): void {
    this.#stop();
    this.#modules.onGone(this);
  }

  onDeadline(): void {
    this.#refuse('proxy_header_late');
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const known = this.#head.length;
    const length = Math.min(end - start, ANY_HEADER_MAX - known);
    const head = new Uint8Array(known + length);
    head.set(this.#head);
    head.set(bytes.subarray(start, start + length), known);
    this.#head = head;
  }

  #pass(connection: Connection, bytes: Uint8Array, from: number, end: number): void {
    this.#stop();
    const next = this.#modules.take(factsOf(header));
    // A session that connects to an endpoint first has made itself the handler already, and waits.
    connection.handler = next;
    if (from < end && !connection.destroyed) next.onData(connection, bytes, from, end);
  }

  #refuse(why: 'proxy_header_malformed' | 'proxy_header_late'): void {
    countEvent(this.#modules.events, why);
    this.#stop();
    this.#connection.destroy();
  }

  #stop(): void {
    this.#over = true;
    this.#head = NOTHING;
    this.#deadlines.delete(this);
  }
}

function factsOf(header: ProxyHeader): ClientFacts | null {
  const [source, destination] = [sourceOf(header), destinationOf(header)];
  return source === null || destination === null ? null : { source, destination };
}

const NOTHING = new Uint8Array(0);
/** Filled and read at once: one serves all. */
const header = createProxyHeader();
