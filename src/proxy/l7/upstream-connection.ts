import type { ProxyTimeouts } from '../../core/balance/model.js';
import { BodyDecoder } from '../../core/http/framing.js';
import { Head } from '../../core/http/head.js';
import { ByteWindow } from '../../core/http/window.js';
import type { Connection, ConnectionError, ConnectionHandler, Network } from '../../io/network.js';
import { NO_SLOT } from '../../io/roster.js';
import type { Deadlines, Timed } from '../deadlines.js';
import { connectToAny } from '../racing-connection.js';
import type { UpstreamEndpoint } from '../upstream-endpoint.js';

export type HttpEndpoint = UpstreamEndpoint<UpstreamConnection>;

/** Who uses the connection now. */
export interface UpstreamOwner {
  onUpstreamOpen(): void;
  onUpstreamData(): void;
  onUpstreamDrain(): void;
  /** The endpoint will send no more; everything it sent was handed over. */
  onUpstreamEnd(): void;
  onUpstreamError(failure: UpstreamFailure): void;
}

export interface UpstreamFailure {
  readonly code: 'connect_timeout' | 'connect_failed' | 'broken';
  readonly message: string;
}

export interface UpstreamModules {
  readonly network: Network;
  readonly timeouts: ProxyTimeouts;
  readonly deadlines: Deadlines;
}

/** One HTTP connection to an endpoint: connecting, in use by one exchange, or idle. */
export class UpstreamConnection implements ConnectionHandler, Timed {
  deadlineSlot = NO_SLOT;
  deadlineMs: number;
  /** True once an earlier exchange used it: the endpoint may be closing it at this very moment. */
  reused = false;
  readonly endpoint: HttpEndpoint;
  readonly connection: Connection;
  readonly window: ByteWindow = new ByteWindow();
  /** Of the response at hand: its own, or one that is known and was not read again. */
  head: Head = new Head('response');
  readonly decoder: BodyDecoder = new BodyDecoder();
  readonly #modules: UpstreamModules;
  readonly #pool: { serve(): void };
  readonly #ownHead: Head = this.head;
  #owner: UpstreamOwner | null;
  #connected = false;

  constructor(
    endpoint: HttpEndpoint,
    owner: UpstreamOwner,
    modules: UpstreamModules,
    pool: { serve(): void },
  ) {
    this.#pool = pool;
    this.endpoint = endpoint;
    this.#owner = owner;
    this.#modules = modules;
    this.deadlineMs = modules.deadlines.nowMs + modules.timeouts.connectMs;
    endpoint.connections++;
    endpoint.connecting++;
    modules.deadlines.add(this);
    this.connection = connectToAny(modules.network, endpoint.addresses, endpoint.tls, this);
  }

  /** Gives an idle connection to its next user. */
  adopt(owner: UpstreamOwner): void {
    this.#owner = owner;
    this.reused = true;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.resetHead();
  }

  /** The next bytes are those of another head. */
  resetHead(): void {
    this.head = this.#ownHead;
    this.head.reset();
  }

  /** Gives a connection in use, or one that is being opened, to another user as it is. */
  passTo(owner: UpstreamOwner): void {
    this.#owner = owner;
  }

  /** Ends the use; keeps the connection for the next exchange if it is clean and there is room. */
  release(clean: boolean): void {
    this.#owner = null;
    // Bytes nobody asked for: the endpoint and we disagree about where its response ended.
    if (!clean || this.window.length > 0 || this.connection.destroyed || !this.endpoint.keepIdle(this)) {
      this.destroy();
      return;
    }
    this.deadlineMs = this.#modules.deadlines.nowMs + this.#modules.timeouts.upstreamIdleMs;
    this.connection.resume();
  }

  /** Hands the connection over to a tunnel, whose `onClose` then has to call `ended`. */
  detach(): Connection {
    this.#owner = null;
    this.#modules.deadlines.delete(this);
    return this.connection;
  }

  destroy(): void {
    this.#owner = null;
    this.connection.destroy();
  }

  /** The connection is closed: the endpoint's count ends with it. */
  ended(): void {
    this.endpoint.connections--;
    if (!this.#connected) this.endpoint.connecting--;
    this.#modules.deadlines.delete(this);
  }

  onDeadline(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    if (this.#connected) {
      this.endpoint.forgetIdle(this);
      this.destroy();
      return;
    }
    const { connectMs } = this.#modules.timeouts;
    this.#fail({ code: 'connect_timeout', message: `no connection after ${connectMs} ms` });
  }

  onOpen(): void {
    this.#connected = true;
    this.endpoint.connecting--;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#owner?.onUpstreamOpen();
  }

  onData(_connection: Connection, bytes: Uint8Array, start: number, end: number): void {
    if (this.#owner === null) {
      this.endpoint.forgetIdle(this);
      this.destroy();
      return;
    }
    this.window.append(bytes, start, end);
    this.#owner.onUpstreamData();
    this.window.settle();
  }

  onDrain(): void {
    this.#owner?.onUpstreamDrain();
  }

  onEnd(): void {
    const owner = this.#owner;
    if (owner !== null) {
      owner.onUpstreamEnd();
      return;
    }
    this.endpoint.forgetIdle(this);
    this.destroy();
  }

  onClose(_connection: Connection, error: ConnectionError | null): void {
    this.ended();
    const code = this.#connected ? 'broken' : 'connect_failed';
    this.#fail({ code, message: error?.message ?? 'the connection was closed' });
    // Not before: this connection could be given to one of those who wait.
    this.#pool.serve();
  }

  #fail(failure: UpstreamFailure): void {
    const owner = this.#owner;
    this.#owner = null;
    this.endpoint.forgetIdle(this);
    if (owner !== null && failure.code !== 'broken') this.endpoint.connectFailures++;
    this.connection.destroy();
    owner?.onUpstreamError(failure);
  }
}
