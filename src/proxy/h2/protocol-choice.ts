import type { Connection, ConnectionError } from '../../io/network.js';
import { takeSocket } from '../../io/portable/network.js';
import { NO_SLOT } from '../../io/roster.js';
import type { Deadlines, Timed } from '../deadlines.js';
import type { ClientFacts } from '../proxy-header.js';
import type { Serve, Session } from '../proxy-listener.js';
import type { AcceptedSession, Http2Front } from './front.js';

/** How a connection in the clear says that it speaks HTTP/2 (RFC 9113 §3.4). No request of HTTP/1.1 begins so. */
const PREFACE = new TextEncoder().encode('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export interface ChoiceModules {
  readonly front: Http2Front;
  readonly deadlines: Deadlines;
  /** For the first byte to come. */
  readonly headerMs: number;
  /** Whom a PROXY header named. */
  readonly facts: ClientFacts | null;
  /** Serves the connection as HTTP/1.1. */
  readonly http1: Serve;
}

/** A connection of a listener that speaks both versions of HTTP: its ALPN, or its first bytes, say which one. */
export class ProtocolChoice implements Session, Timed {
  deadlineSlot = NO_SLOT;
  sessionSlot = NO_SLOT;
  deadlineMs: number;
  readonly #connection: Connection;
  readonly #modules: ChoiceModules;
  readonly #onClosed: (session: Session) => void;
  #early: Uint8Array = new Uint8Array(0);
  #chosen: Session | AcceptedSession | null = null;
  #isHttp1 = false;
  #draining = false;

  constructor(connection: Connection, modules: ChoiceModules, onClosed: (session: Session) => void) {
    this.#connection = connection;
    this.#modules = modules;
    this.#onClosed = onClosed;
    this.deadlineMs = modules.deadlines.nowMs + modules.headerMs;
    modules.deadlines.add(this);
  }

  drain(): void {
    this.#draining = true;
    if (this.#chosen !== null) this.#chosen.drain();
    else if (this.#early.length === 0) this.#connection.destroy();
  }

  destroy(): void {
    if (this.#chosen !== null) this.#chosen.destroy();
    else this.#connection.destroy();
  }

  onDeadline(): void {
    this.#connection.destroy();
  }

  onData(connection: Connection, bytes: Uint8Array, start: number, end: number): void {
    const early = new Uint8Array(this.#early.length + end - start);
    early.set(this.#early);
    early.set(bytes.subarray(start, end), this.#early.length);
    this.#early = early;
    const alpn = connection.tls?.alpn ?? null;
    const isHttp2 = alpn === null ? beginsAsPreface(early) : alpn === 'h2';
    if (isHttp2 === null) return;
    this.#modules.deadlines.delete(this);
    if (isHttp2) this.#chooseHttp2(connection);
    else this.#chooseHttp1(connection);
  }

  onOpen(): void {}

  onDrain(): void {}

  /** Nobody began anything. */
  onEnd(connection: Connection): void {
    if (this.#chosen === null) connection.destroy();
  }

  onClose(_connection: Connection, _error: ConnectionError | null): void {
    this.#modules.deadlines.delete(this);
    if (!this.#isHttp1) this.#onClosed(this);
  }

  #chooseHttp1(connection: Connection): void {
    this.#isHttp1 = true;
    const { http1, facts } = this.#modules;
    const session = http1(connection, () => this.#onClosed(this), facts);
    this.#chosen = session;
    connection.handler = session;
    session.onData(connection, this.#early, 0, this.#early.length);
    if (this.#draining) session.drain();
  }

  #chooseHttp2(connection: Connection): void {
    const socket = takeSocket(connection);
    if (socket === null) {
      connection.destroy();
      return;
    }
    // Whoever reads the socket at this moment may have more to put back, which belongs behind the first bytes.
    queueMicrotask(() => {
      if (connection.destroyed) return;
      const { front, facts } = this.#modules;
      this.#chosen = front.accept(socket, this.#early, facts?.source.host);
      if (this.#draining) this.#chosen?.drain();
    });
  }
}

/** Null while the bytes may become the preface. */
function beginsAsPreface(bytes: Uint8Array): boolean | null {
  const length = Math.min(bytes.length, PREFACE.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== PREFACE[i]) return false;
  // "PRI" alone decides nothing: it could become a method of HTTP/1.1, which is refused there.
  return length === PREFACE.length ? true : null;
}
