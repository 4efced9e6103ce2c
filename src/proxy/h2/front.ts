import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { countEvent } from '../listener-events.js';
import { ClientSession, type SessionEnd } from './client-session.js';
import type { StreamContext } from './context.js';
import { STREAM_WINDOW } from './flood-guard.js';

/** Streams of one connection at once: what nginx and HAProxy allow, too. */
const STREAMS_MAX = 100;
/** Above the limit for heads of HTTP/1.1, so that a head that is too large gets a 431 and not only a reset. */
const HEADER_LIST_MAX = 64 * 1024;
const HEADER_PAIRS_MAX = 256;
const SESSION_WINDOW = 1024 * 1024;

export interface AcceptedSession {
  /** Ends as soon as no stream is in progress. */
  drain(): void;
  destroy(): void;
}

/**
 * The HTTP/2 side of a listener. It doesn't listen: connections are handed in whose client speaks HTTP/2, by ALPN or
 * because it said so with the preface (RFC 9113 §3.3). Runs on node's event loop.
 */
export class Http2Front {
  /** Connections that were ended by force, by reason. */
  readonly ends: Record<SessionEnd, number> = {
    resets: 0,
    settings: 0,
    overhead: 0,
    slow_reader: 0,
    no_preface: 0,
    idle: 0,
  };
  readonly #context: StreamContext;
  readonly #server: Http2Server;
  readonly #sessions = new Map<Socket, ClientSession>();
  #accepting: { readonly socket: Socket; readonly clientAddress: string | undefined } | null = null;
  #draining = false;
  #onEmpty: (() => void) | null = null;

  constructor(context: StreamContext) {
    this.#context = context;
    this.#server = createServer({
      settings: {
        maxConcurrentStreams: STREAMS_MAX,
        maxHeaderListSize: HEADER_LIST_MAX,
        initialWindowSize: STREAM_WINDOW,
        // WebSocket over HTTP/2 (RFC 8441) is not offered.
        enableConnectProtocol: false,
      },
      maxHeaderListPairs: HEADER_PAIRS_MAX,
      maxSettings: 32,
      maxOutstandingPings: 4,
      // Both are limits before a connection is closed.
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
    });
    this.#server.on('session', (session) => this.#onSession(session));
    this.#server.on('sessionError', () => {});
  }

  /** Connections that are open. */
  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Takes over a connection: a TLSSocket whose handshake is done and chose `h2`, or a plain socket. `early`: bytes that
   * were read from it already; `clientAddress`: who speaks, if not the socket's peer. The caller counts connections and limits them; the session ends with the socket.
   */
  accept(
    socket: Socket,
    early: Uint8Array | null = null,
    clientAddress: string | undefined = socket.remoteAddress,
  ): AcceptedSession | null {
    socket.on('error', () => {});
    if (this.#draining) {
      socket.destroy();
      return null;
    }
    if (early !== null && early.length > 0) socket.unshift(early);
    socket.on('close', () => this.#closed(socket));
    this.#accepting = { socket, clientAddress };
    this.#server.emit('connection', socket);
    this.#accepting = null;
    return this.#sessions.get(socket) ?? null;
  }

  /** Says GOAWAY to everybody; resolves when the last connection is gone. */
  drain(): Promise<void> {
    this.#draining = true;
    for (const session of this.#sessions.values()) session.drain();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      if (this.#sessions.size === 0) resolve();
    });
  }

  /** Cuts what is left. */
  destroy(): void {
    for (const session of [...this.#sessions.values()]) session.destroy();
  }

  #onSession(session: ServerHttp2Session): void {
    if (this.#accepting === null) return session.destroy();
    const { socket, clientAddress } = this.#accepting;
    session.setLocalWindowSize(SESSION_WINDOW);
    const client = new ClientSession(session, { socket, clientAddress }, this.#context, (why) => {
      this.ends[why]++;
      if (why !== 'idle') countEvent(this.#context.counters.events, `http2_${why}`);
    });
    this.#sessions.set(socket, client);
  }

  #closed(socket: Socket): void {
    this.#sessions.delete(socket);
    if (this.#sessions.size === 0) this.#onEmpty?.();
  }
}
