import { connect, type Socket } from 'node:net';
import type { ProxyTimeouts } from '../../core/balance/model.js';
import { BodyDecoder } from '../../core/http/framing.js';
import { Head } from '../../core/http/head.js';
import { ByteWindow } from '../../core/http/window.js';
import type { Deadlines, Timed } from '../deadlines.js';
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

/** One HTTP connection to an endpoint: connecting, in use by one exchange, or idle. */
export class UpstreamConnection implements Timed {
  deadlineMs: number;
  /** True once an earlier exchange used it: the endpoint may be closing it at this very moment. */
  reused = false;
  readonly endpoint: HttpEndpoint;
  readonly socket: Socket;
  readonly window: ByteWindow = new ByteWindow();
  readonly head: Head = new Head('response');
  readonly decoder: BodyDecoder = new BodyDecoder();
  readonly #timeouts: ProxyTimeouts;
  readonly #deadlines: Deadlines;
  #owner: UpstreamOwner | null;
  #connected = false;
  #closed = false;

  constructor(
    endpoint: HttpEndpoint,
    owner: UpstreamOwner,
    modules: { readonly timeouts: ProxyTimeouts; readonly deadlines: Deadlines },
  ) {
    this.endpoint = endpoint;
    this.#owner = owner;
    this.#timeouts = modules.timeouts;
    this.#deadlines = modules.deadlines;
    this.deadlineMs = this.#deadlines.nowMs + this.#timeouts.connectMs;
    endpoint.connections++;
    this.#deadlines.add(this);
    this.socket = connect({ ...endpoint.address, allowHalfOpen: true, noDelay: true });
    this.socket.on('connect', this.#onConnect);
    this.socket.on('data', this.#onData);
    this.socket.on('drain', this.#onDrain);
    this.socket.on('end', this.#onEnd);
    this.socket.on('error', this.#onError);
    this.socket.on('close', this.#onClose);
  }

  /** Gives an idle connection to its next user. */
  adopt(owner: UpstreamOwner): void {
    this.#owner = owner;
    this.reused = true;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.head.reset();
  }

  write(bytes: Uint8Array): boolean {
    return this.socket.write(bytes);
  }

  /** Ends the use; keeps the connection for the next exchange if it is clean and there is room. */
  release(clean: boolean): void {
    this.#owner = null;
    // Bytes nobody asked for: the endpoint and we disagree about where its response ended.
    if (!clean || this.window.length > 0 || this.socket.destroyed || !this.endpoint.keepIdle(this)) {
      this.destroy();
      return;
    }
    this.deadlineMs = this.#deadlines.nowMs + this.#timeouts.upstreamIdleMs;
    this.socket.resume();
  }

  /** Hands the socket over to a tunnel. The endpoint's connection count then ends with the socket. */
  detach(): Socket {
    this.#owner = null;
    this.#deadlines.delete(this);
    this.socket.off('data', this.#onData);
    this.socket.off('drain', this.#onDrain);
    this.socket.off('end', this.#onEnd);
    return this.socket;
  }

  destroy(): void {
    this.#owner = null;
    this.socket.destroy();
  }

  onDeadline(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    if (this.#connected) {
      this.endpoint.forgetIdle(this);
      this.destroy();
      return;
    }
    this.#fail({ code: 'connect_timeout', message: `no connection after ${this.#timeouts.connectMs} ms` });
  }

  readonly #onConnect = (): void => {
    this.#connected = true;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#owner?.onUpstreamOpen();
  };

  readonly #onData = (chunk: Buffer): void => {
    if (this.#owner === null) {
      this.endpoint.forgetIdle(this);
      this.destroy();
      return;
    }
    this.window.append(chunk);
    this.#owner.onUpstreamData();
  };

  readonly #onDrain = (): void => this.#owner?.onUpstreamDrain();

  readonly #onEnd = (): void => {
    const owner = this.#owner;
    if (owner !== null) {
      owner.onUpstreamEnd();
      return;
    }
    this.endpoint.forgetIdle(this);
    this.destroy();
  };

  readonly #onError = (error: Error): void => {
    const code = this.#connected ? 'broken' : 'connect_failed';
    this.#fail({ code, message: error.message });
  };

  readonly #onClose = (): void => {
    if (!this.#closed) {
      this.#closed = true;
      this.endpoint.connections--;
    }
    this.#deadlines.delete(this);
    this.#fail({ code: 'broken', message: 'the connection was closed' });
  };

  #fail(failure: UpstreamFailure): void {
    const owner = this.#owner;
    this.#owner = null;
    this.endpoint.forgetIdle(this);
    if (failure.code !== 'broken') this.endpoint.connectFailures++;
    this.socket.destroy();
    owner?.onUpstreamError(failure);
  }
}
