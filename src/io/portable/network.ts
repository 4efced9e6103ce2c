import { connect, createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { listenError } from '../free-port.js';
import type {
  ClientTls,
  ClientTlsOptions,
  Connection,
  ConnectionError,
  ConnectionErrorCode,
  ConnectionHandler,
  Listening,
  ListenOptions,
  Network,
  ServerTls,
  ServerTlsOptions,
} from '../network.js';
import { READ_BYTES, SCRATCH_BYTES } from '../network.js';
import { Roster } from '../roster.js';
import { LISTEN_BACKLOG, type SocketAddress } from '../tier.js';
import { PrefaceWaits } from './preface-waits.js';
import { PortableClientTls, PortableServerTls } from './tls.js';
import { PortableTlsConnection, type SocketFacts } from './tls-connection.js';

/** TCP on node:net: for machines without FFI, and for threads that have an event loop anyway. */
export class PortableNetwork implements Network {
  readonly name = 'portable';
  readonly scratch: Uint8Array = new Uint8Array(SCRATCH_BYTES);
  readonly #clock: () => number;
  readonly #servers = new Set<Server>();
  readonly #connections = new Roster<Connection>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #prefaces = new PrefaceWaits();
  #utilization = performance.eventLoopUtilization();

  constructor(modules: { clock: () => number }) {
    this.#clock = modules.clock;
  }

  get nowMs(): number {
    return this.#clock();
  }

  busy(): number {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    return utilization;
  }

  async listen(
    address: SocketAddress,
    options: ListenOptions,
    accept: (connection: Connection) => ConnectionHandler | null,
  ): Promise<Listening> {
    const { tls } = options;
    if (tls !== null && !(tls instanceof PortableServerTls)) throw new Error(FOREIGN_TLS);
    const begin = (socket: Socket): void => {
      const secure =
        tls === null ? null : new PortableTlsConnection(socket, SOCKET.remoteOf(socket), NOBODY, SOCKET);
      const connection = secure === null ? this.#adopt(socket, NOBODY, false) : this.#keep(secure, socket);
      const handler = accept(connection);
      if (handler === null) connection.destroy();
      else connection.handler = handler;
      if (secure !== null && !secure.destroyed) tls?.start(socket, secure);
    };
    const { preface } = options;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (tls !== null && preface?.expected(SOCKET.remoteOf(socket)))
        this.#prefaces.add(socket, preface, begin);
      else begin(socket);
    });
    const { port } = await opened(server, address, options.shared);
    this.#servers.add(server);
    const close = (): void => {
      if (this.#servers.delete(server)) server.close();
    };
    const retire = (onClosed: () => void): void => {
      close();
      queueMicrotask(onClosed);
    };
    return { address: { host: address.host, port }, close, retire };
  }

  connect(
    address: SocketAddress,
    tls: ClientTls | null,
    handler: ConnectionHandler,
    preface?: Uint8Array,
  ): Connection {
    if (tls !== null) {
      if (!(tls instanceof PortableClientTls)) throw new Error(FOREIGN_TLS);
      const { socket, raw } = tls.connect(address, preface);
      const connection = new PortableTlsConnection(raw, address, handler, SOCKET);
      connection.follow(socket);
      return this.#keep(connection, raw);
    }
    return this.#adopt(connect({ ...address, allowHalfOpen: true, noDelay: true }), handler, true);
  }

  serverTls(options: ServerTlsOptions): ServerTls {
    return new PortableServerTls(options);
  }

  clientTls(options: ClientTlsOptions): ClientTls {
    return new PortableClientTls(options);
  }

  every(periodMs: number, callback: () => void): () => void {
    const timer = setInterval(callback, periodMs);
    this.#timers.add(timer);
    return () => {
      clearInterval(timer);
      this.#timers.delete(timer);
    };
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
    for (const server of this.#servers) server.close();
    this.#servers.clear();
    for (const connection of this.#connections) connection.destroy();
    this.#prefaces.close();
  }

  #adopt(socket: Socket, handler: ConnectionHandler, connecting: boolean): Connection {
    return this.#keep(new PortableConnection(socket, handler, connecting), socket);
  }

  #keep(connection: Connection, socket: Socket): Connection {
    const slot = this.#connections.add(connection);
    socket.on('close', () => this.#connections.remove(slot, connection));
    return connection;
  }
}

/**
 * The socket of a connection of this tier, for who speaks a protocol with node's own libraries; null for others. The
 * connection tells of no more data from here on, only of its end.
 */
export function takeSocket(connection: Connection): Socket | null {
  const known = connection instanceof PortableConnection || connection instanceof PortableTlsConnection;
  return known ? connection.takeSocket() : null;
}

/** A socket of node:net as a Connection. */
class PortableConnection implements Connection {
  handler: ConnectionHandler;
  readonly tls = null;
  readonly #socket: Socket;
  readonly #remote: SocketAddress | null;
  #error: ConnectionError | null = null;
  #paused = false;

  constructor(socket: Socket, handler: ConnectionHandler, connecting: boolean) {
    this.#socket = socket;
    this.handler = handler;
    this.#remote = connecting
      ? null
      : { host: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 };
    if (connecting) socket.on('connect', () => this.handler.onOpen(this));
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('drain', () => this.handler.onDrain(this));
    socket.on('end', () => this.handler.onEnd(this));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error ??= { code: codeOf(error.code), message: error.message };
    });
    socket.on('close', () => this.handler.onClose(this, this.#error));
  }

  get remote(): SocketAddress {
    if (this.#remote !== null) return this.#remote;
    return { host: plainAddress(this.#socket.remoteAddress), port: this.#socket.remotePort ?? 0 };
  }

  get local(): SocketAddress {
    return { host: plainAddress(this.#socket.localAddress), port: this.#socket.localPort ?? 0 };
  }

  get queued(): number {
    // What node:net accepts without a word is on its way: no `drain` would follow.
    return this.#socket.writableNeedDrain ? this.#socket.writableLength : 0;
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#socket.destroyed || this.#socket.writableEnded) return false;
    return this.#socket.write(Buffer.copyBytesFrom(bytes, start, end - start));
  }

  takeSocket(): Socket {
    this.pause();
    this.#socket.removeAllListeners('data');
    return this.#socket;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  get peerEnded(): boolean {
    return false;
  }

  expectNothing(): void {}

  endsNext(): void {}

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#error = null;
    this.#socket.destroy();
  }

  reset(): void {
    this.#error = null;
    this.#socket.resetAndDestroy();
  }

  #received(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#socket.destroyed; at += READ_BYTES) {
      const end = Math.min(at + READ_BYTES, chunk.length);
      if (this.#paused && at > 0) {
        // Paused in the middle of a chunk: the rest comes again first.
        this.#socket.unshift(chunk.subarray(at));
        return;
      }
      this.handler.onData(this, chunk, at, end);
    }
  }
}

const NOBODY: ConnectionHandler = {
  onOpen() {},
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};

function opened(server: Server, address: SocketAddress, shared: boolean): Promise<{ port: number }> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address)));
    const options = { ...address, ipv6Only: true, exclusive: true, backlog: LISTEN_BACKLOG };
    server.listen(shared ? { ...options, reusePort: true } : options, () => {
      server.removeAllListeners('error');
      // EMFILE and the like: the connection is lost, the server goes on.
      server.on('error', () => {});
      const bound = server.address();
      resolve({ port: typeof bound === 'object' && bound !== null ? bound.port : 0 });
    });
  });
}

const FOREIGN_TLS = 'the TLS settings were made by another network';

const SOCKET: SocketFacts = {
  errorOf: (error) => ({ code: codeOf(error.code), message: error.message }),
  remoteOf: (socket) => ({ host: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 }),
  localOf: (socket) => ({ host: plainAddress(socket.localAddress), port: socket.localPort ?? 0 }),
};

function plainAddress(address: string | undefined): string {
  if (address === undefined) return '0.0.0.0';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

function codeOf(code: string | undefined): ConnectionErrorCode {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return 'unreachable';
    case 'ETIMEDOUT':
      return 'timeout';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'reset';
    default:
      return 'other';
  }
}
