import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { Socket } from 'node:net';
import type { PortableClientTls } from '../../io/portable/tls.js';
import { NO_SLOT } from '../../io/roster.js';
import type { Timed } from '../deadlines.js';
import { dial } from './dial.js';
import type { UpstreamModules } from './http1-upstream.js';
import type { CalledEndpoint, UpstreamFailure } from './upstream.js';

/** Streams on one session, also where the endpoint allows more: one connection should not carry everything. */
const STREAMS_MAX = 250;
const IDLE_MS = 60_000;
/** Silence with streams open: is the endpoint still there? */
const SILENCE_MS = 10_000;
const PONG_MS = 10_000;
/** gRPC servers close a connection that asks more often than every 5 minutes while nothing is sent. */
const ASK_AGAIN_MS = 310_000;
const STREAM_WINDOW = 256 * 1024;
const SESSION_WINDOW = 4 * 1024 * 1024;

/** Waits for a session to be usable. */
export interface SessionWaiter {
  onSession(session: ClientHttp2Session): void;
  onNoSession(failure: UpstreamFailure): void;
}

export interface SessionModules extends UpstreamModules {
  /** Streams that are assumed to be allowed until the endpoint says how many. */
  readonly capacity: number;
  readonly onCapacity: (capacity: number) => void;
  /** The session will take no more calls. */
  readonly onGone: (session: UpstreamSession) => void;
}

/** One HTTP/2 connection to an endpoint, from connecting to its last stream. */
export class UpstreamSession implements Timed {
  deadlineSlot = NO_SLOT;
  readonly endpoint: CalledEndpoint;
  deadlineMs: number;
  /** Calls that wait for it or use it. */
  calls = 0;
  readonly #modules: SessionModules;
  readonly #socket: Socket;
  readonly #waiters = new Set<SessionWaiter>();
  #session: ClientHttp2Session | null = null;
  #ready = false;
  #isSpare = false;
  #retired = false;
  #closed = false;
  #capacity: number;
  #lastBytes = 0;
  #lastMs: number;
  #pinged = false;
  #askAgainMs = 0;

  constructor(endpoint: CalledEndpoint, tls: PortableClientTls | null, modules: SessionModules) {
    this.endpoint = endpoint;
    this.#modules = modules;
    this.#capacity = modules.capacity;
    this.#lastMs = modules.deadlines.nowMs;
    this.deadlineMs = this.#lastMs + modules.timeouts.connectMs;
    endpoint.connections++;
    endpoint.connecting++;
    modules.deadlines.add(this);
    this.#socket = dial(endpoint.address, tls, 'h2', {
      onOpen: (socket) => this.#begin(socket),
      onFail: (message) => this.#gone({ code: 'connect_failed', message }),
    });
  }

  get hasRoom(): boolean {
    return !this.#retired && this.calls < this.#capacity;
  }

  /** Calls back once streams can be opened: at once if they can be now, but never before this returns. */
  wait(waiter: SessionWaiter): void {
    this.calls++;
    this.#account();
    this.#waiters.add(waiter);
    if (this.#ready) queueMicrotask(() => this.#serve());
  }

  /** A call is over; `waiter` if it still waited. */
  leave(waiter: SessionWaiter): void {
    this.#waiters.delete(waiter);
    this.calls--;
    this.#account();
    if (this.calls > 0) return;
    if (this.#retired) this.#session?.close();
    else if (this.#ready) this.deadlineMs = this.#modules.deadlines.nowMs + IDLE_MS;
  }

  /** Takes no new calls; ends with the last one. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#account();
    this.#modules.onGone(this);
    if (this.calls > 0) return;
    if (this.#session === null) this.#gone(null);
    else this.#session.close();
  }

  destroy(): void {
    this.#gone({ code: 'broken', message: 'the proxy ends' });
  }

  onDeadline(): void {
    const { nowMs } = this.#modules.deadlines;
    if (!this.#ready) {
      this.#gone({ code: 'connect_timeout', message: 'it took too long' });
    } else if (this.calls === 0) {
      this.retire();
      // A second time, should it not end.
      this.deadlineMs = nowMs + PONG_MS;
      if (this.#closed) this.#modules.deadlines.delete(this);
    } else {
      this.#checkAlive(nowMs);
    }
  }

  #checkAlive(nowMs: number): void {
    const { bytesRead } = this.#socket;
    if (bytesRead !== this.#lastBytes) {
      this.#lastBytes = bytesRead;
      this.#lastMs = nowMs;
      this.#pinged = false;
      this.deadlineMs = nowMs + SILENCE_MS;
    } else if (this.#pinged) {
      this.#gone({ code: 'broken', message: 'it did not answer a PING' });
    } else if (nowMs >= this.#askAgainMs && nowMs - this.#lastMs >= SILENCE_MS) {
      this.#pinged = this.#session?.ping(() => {}) ?? false;
      this.#askAgainMs = nowMs + ASK_AGAIN_MS;
      this.deadlineMs = nowMs + PONG_MS;
    } else {
      this.deadlineMs = nowMs + SILENCE_MS;
    }
  }

  #begin(socket: Socket): void {
    const session = connect('http://endpoint.invalid', {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW, maxHeaderListSize: 64 * 1024 },
      maxHeaderListPairs: 200,
      maxOutstandingPings: 4,
    });
    this.#session = session;
    session.on('error', () => {});
    session.on('connect', () => session.setLocalWindowSize(SESSION_WINDOW));
    session.on('remoteSettings', ({ maxConcurrentStreams }) => {
      this.#capacity = Math.min(maxConcurrentStreams ?? STREAMS_MAX, STREAMS_MAX);
      this.#account();
      this.#modules.onCapacity(this.#capacity);
      if (!this.#ready) this.#opened();
    });
    session.on('goaway', () => this.retire());
    // The socket may be half open, and node:http2 then waits for somebody else to close it.
    socket.on('end', () => {
      this.retire();
      socket.destroy();
    });
    session.on('close', () => {
      const code = this.#ready ? 'broken' : 'connect_failed';
      this.#gone({ code, message: 'the HTTP/2 connection ended' });
    });
  }

  #opened(): void {
    this.#ready = true;
    this.endpoint.connecting--;
    this.deadlineMs = this.#modules.deadlines.nowMs + SILENCE_MS;
    this.#serve();
  }

  /** Lets waiters in as far as the endpoint allows; those beyond it have to go elsewhere. */
  #serve(): void {
    let open = this.calls - this.#waiters.size;
    for (const waiter of [...this.#waiters]) {
      this.#waiters.delete(waiter);
      const session = this.#session;
      if (session === null || session.closed || session.destroyed || open >= this.#capacity) {
        waiter.onNoSession({ code: 'refused', message: 'it takes no more streams on this connection' });
      } else {
        open++;
        if (this.deadlineMs - this.#modules.deadlines.nowMs > SILENCE_MS) {
          this.deadlineMs = this.#modules.deadlines.nowMs + SILENCE_MS;
        }
        waiter.onSession(session);
      }
    }
  }

  /** Whether the endpoint counts this connection as one with room. */
  #account(): void {
    if (this.hasRoom === this.#isSpare) return;
    this.#isSpare = !this.#isSpare;
    this.endpoint.spare += this.#isSpare ? 1 : -1;
  }

  /** The end; null if nobody has to be told why. */
  #gone(failure: UpstreamFailure | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.endpoint.connections--;
    if (!this.#ready) this.endpoint.connecting--;
    this.#modules.deadlines.delete(this);
    if (!this.#retired) {
      this.#retired = true;
      this.#account();
      this.#modules.onGone(this);
    }
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    if (failure?.code.startsWith('connect_')) this.endpoint.connectFailures++;
    this.#session?.destroy(undefined, constants.NGHTTP2_NO_ERROR);
    this.#socket.destroy();
    for (const waiter of waiters) {
      waiter.onNoSession(failure ?? { code: 'connect_failed', message: 'the connection was closed' });
    }
  }
}
