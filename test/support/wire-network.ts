import {
  type Connection,
  type ConnectionHandler,
  type Listening,
  type ListenOptions,
  type Network,
  SCRATCH_BYTES,
} from '../../src/io/network.js';
import type { SocketAddress } from '../../src/io/tier.js';

/** What happened on a connection, in order, as text of one character for each byte. */
export type Heard = (connection: WireConnection, text: string) => void;

/** One connection without a socket: what it is given is told to `heard`, and what it says comes by `says`. */
export class WireConnection implements Connection {
  handler: ConnectionHandler;
  destroyed = false;
  readonly remote: SocketAddress;
  readonly local: SocketAddress = { host: '127.0.0.1', port: 1 };
  readonly tls = null;
  readonly queued = 0;
  readonly peerEnded = false;
  /** Its number among those of its network. */
  readonly number: number;
  readonly #network: WireNetwork;

  constructor(network: WireNetwork, number: number, remote: SocketAddress, handler: ConnectionHandler) {
    this.#network = network;
    this.number = number;
    this.remote = remote;
    this.handler = handler;
  }

  /** The peer sends this. */
  says(text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    this.#network.soon(() => {
      if (!this.destroyed) this.handler.onData(this, bytes, 0, bytes.length);
    });
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.destroyed) return false;
    this.#network.heard(this, Buffer.from(bytes.subarray(start, end)).toString('latin1'));
    return true;
  }

  pause(): void {}
  resume(): void {}
  expectNothing(): void {}
  endsNext(): void {}

  end(): void {
    this.#network.heard(this, '<end>');
    this.destroy();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#network.heard(this, '<closed>');
    this.#network.soon(() => this.handler.onClose(this, null));
  }

  reset(): void {
    this.#network.heard(this, '<reset>');
    this.destroy();
  }
}

/** A network without sockets and without time: all that happens, happens in `run`. */
export class WireNetwork implements Network {
  readonly name = 'portable';
  readonly nowMs = 1_000;
  readonly scratch: Uint8Array = new Uint8Array(SCRATCH_BYTES);
  readonly heard: Heard;
  readonly #accepting = new Map<number, (connection: Connection) => ConnectionHandler | null>();
  readonly #tasks: (() => void)[] = [];
  #connections = 0;

  constructor(heard: Heard) {
    this.heard = heard;
  }

  soon(task: () => void): void {
    this.#tasks.push(task);
  }

  /** Until nothing more happens by itself. */
  run(): void {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task();
  }

  /** A client connects to the listener at this port. */
  client(port: number, host: string): WireConnection {
    const connection = new WireConnection(this, this.#connections++, { host, port: 2 }, NOBODY);
    const handler = this.#accepting.get(port)?.(connection) ?? null;
    if (handler === null) connection.destroy();
    else connection.handler = handler;
    return connection;
  }

  busy(): number {
    return 0;
  }

  listen(
    address: SocketAddress,
    _: ListenOptions,
    accept: (connection: Connection) => ConnectionHandler | null,
  ): Promise<Listening> {
    this.#accepting.set(address.port, accept);
    const close = (): void => void this.#accepting.delete(address.port);
    return Promise.resolve({ address, close, retire: close });
  }

  connect(address: SocketAddress, _: null, handler: ConnectionHandler): WireConnection {
    const connection = new WireConnection(this, this.#connections++, address, handler);
    this.soon(() => {
      if (!connection.destroyed) handler.onOpen(connection);
    });
    return connection;
  }

  serverTls(): never {
    throw new Error('there is no TLS here');
  }

  clientTls(): never {
    throw new Error('there is no TLS here');
  }

  every(): () => void {
    return () => {};
  }

  close(): void {}
}

const NOBODY: ConnectionHandler = { onOpen() {}, onData() {}, onDrain() {}, onEnd() {}, onClose() {} };
