import type { DescriptorSet } from '../descriptor-set.js';
import type {
  ClientTls,
  ClientTlsOptions,
  Connection,
  ConnectionHandler,
  Listening,
  ListenOptions,
  Network,
  Preface,
  ServerTls,
  ServerTlsOptions,
} from '../network.js';
import { Roster } from '../roster.js';
import type { SocketAddress } from '../tier.js';
import { HANDSHAKE_MS_MAX } from '../tls-settings.js';
import { BatchedConnection, ConnectionMemory, type ConnectionModules } from './connection.js';
import { Joints } from './joints.js';
import { AF, EINPROGRESS, EPOLL, type Linux, type NativeMemory, SOCK } from './linux.js';
import { Loop } from './loop.js';
import { loadOpenSsl, type OpenSsl } from './openssl.js';
import { PrefaceWaits } from './preface-waits.js';
import { addressAt, encodeAddress, openSocket, setNoDelay } from './socket.js';
import { SynFilter } from './syn-filter.js';
import { type SessionMaker, TlsConnection, type TlsModules } from './tls-connection.js';
import { BatchedClientTls, BatchedServerTls } from './tls-context.js';

/** Connections accepted at one wake-up before others get their turn. */
const ACCEPTS = 64;
/** A handshake that has begun is over by then: a round trip, and then the time that a client is kept waiting. */
const RETIRE_MS = 400;
/** A client that waits for its answer for so long is watched: it may leave. */
const WATCH_LATER_MS = 50;
const ADDRESS_LENGTH_AT = 32;
/** How often handshakes that take too long are looked for. */
const HANDSHAKES_CHECK_MS = 1_000;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

interface OpenListener extends Listening {
  readonly fd: number;
}

/** TCP on one epoll loop that blocks its thread; other threads reach it by `wakeFd`. */
export class BatchedNetwork implements Network {
  readonly name = 'batched';
  readonly loop: Loop;
  readonly memory: ConnectionMemory;
  readonly wakeFd: number;
  readonly #linux: Linux;
  readonly #address: NativeMemory;
  readonly #addressBytes: Uint8Array;
  readonly #connections = new Roster<BatchedConnection | TlsConnection>();
  readonly #listeners = new Set<OpenListener>();
  readonly #modules: ConnectionModules & Pick<TlsModules, 'onClosed'>;
  #tlsModules: TlsModules | null = null;
  readonly #joints: Joints;
  readonly #synFilter: SynFilter;
  readonly #prefaces: PrefaceWaits;
  /** Endpoints' addresses, as `connect` takes them. */
  readonly #encoded = new WeakMap<SocketAddress, Uint8Array>();
  #watching = false;
  readonly #unwatched: BatchedConnection[] = [];
  #busyAt = { nowMs: 0, waitedMs: 0 };

  constructor(modules: { linux: Linux; clock: () => number; woken: () => void }) {
    const { linux } = modules;
    this.#linux = linux;
    this.loop = new Loop(linux, modules.clock);
    this.#busyAt = { nowMs: this.loop.nowMs, waitedMs: 0 };
    this.memory = new ConnectionMemory(linux);
    this.#joints = new Joints(this.loop);
    this.#synFilter = new SynFilter(linux);
    this.#prefaces = new PrefaceWaits(this.loop, this.memory);
    this.#address = linux.allocate(64);
    this.#addressBytes = new Uint8Array(this.#address.buffer);
    this.#modules = {
      loop: this.loop,
      memory: this.memory,
      onClosed: (connection: BatchedConnection | TlsConnection) => {
        this.#connections.remove(connection.slot, connection);
        if (connection instanceof BatchedConnection) this.#joints.forget(connection);
      },
      watchLater: (connection) => this.#unwatched.push(connection),
    };
    this.every(WATCH_LATER_MS, () => {
      for (const connection of this.#unwatched.splice(0)) connection.watch();
    });
    this.wakeFd = linux.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    this.loop.poller.add(this.wakeFd, EPOLL.IN, () => {
      // Reading resets the counter of the eventfd.
      linux.read(this.wakeFd, this.#address.address, 8);
      modules.woken();
    });
  }

  get nowMs(): number {
    return this.loop.nowMs;
  }

  busy(): number {
    const sinceMs = this.loop.nowMs - this.#busyAt.nowMs;
    const waitedMs = this.loop.waitedMs - this.#busyAt.waitedMs;
    this.#busyAt = { nowMs: this.loop.nowMs, waitedMs: this.loop.waitedMs };
    return sinceMs > 0 ? Math.min(Math.max(1 - waitedMs / sinceMs, 0), 1) : 0;
  }

  get scratch(): Uint8Array {
    return this.memory.scratch;
  }

  /** Descriptors, besides connections, that somebody must close if this thread dies. */
  get descriptors(): readonly number[] {
    return [...[...this.#listeners].map(({ fd }) => fd), this.wakeFd, this.loop.poller.fd];
  }

  get connections(): DescriptorSet {
    return this.memory.open;
  }

  async listen(
    address: SocketAddress,
    options: ListenOptions,
    accept: (connection: Connection) => ConnectionHandler | null,
  ): Promise<Listening> {
    const { fd, port } = openSocket(this.#linux, address, 'tcp', options.shared);
    // Accepted sockets inherit it.
    setNoDelay(this.#linux, fd);
    const maker = options.tls === null ? null : ownTls(options.tls, BatchedServerTls);
    const preface = maker === null ? undefined : options.preface;
    if (maker !== null) this.#watchHandshakes();
    this.loop.poller.add(fd, EPOLL.IN, () => this.#accept(fd, maker, accept, preface));
    const listening = {
      fd,
      address: { host: address.host, port },
      close: () => {
        if (!this.#listeners.delete(listening)) return;
        this.loop.poller.forget(fd);
        this.#linux.close(fd);
      },
      retire: (onClosed: () => void) => {
        this.#synFilter.attach(fd);
        const stop = this.every(RETIRE_MS, () => {
          stop();
          while (this.#listeners.has(listening) && this.#accept(fd, maker, accept, preface));
          listening.close();
          onClosed();
        });
      },
    };
    this.#listeners.add(listening);
    return listening;
  }

  connect(
    address: SocketAddress,
    tls: ClientTls | null,
    handler: ConnectionHandler,
    preface?: Uint8Array,
  ): Connection {
    const maker = tls === null ? null : ownTls(tls, BatchedClientTls);
    let bytes = this.#encoded.get(address);
    if (bytes === undefined) {
      bytes = encodeAddress(address);
      this.#encoded.set(address, bytes);
    }
    const family = bytes.length === 28 ? AF.INET6 : AF.INET;
    const fd = this.#linux.socket(family, SOCK.STREAM | SOCK.NONBLOCK | SOCK.CLOEXEC, 0);
    if (fd >= 0) setNoDelay(this.#linux, fd);
    // Without a socket (too many open files) errno is that of `socket`, since `connect` is not called.
    const failed = fd < 0 || this.#linux.connect(fd, bytes, bytes.length) < 0 ? this.#linux.errno() : 0;
    const options = { connecting: true, handler };
    const connection = this.#adopt(
      fd,
      address,
      maker,
      preface === undefined ? options : { ...options, preface },
    );
    if (failed !== 0 && failed !== EINPROGRESS) connection.fail(failed);
    return connection;
  }

  serverTls(options: ServerTlsOptions): ServerTls {
    return new BatchedServerTls(openSsl(), options);
  }

  clientTls(options: ClientTlsOptions): ClientTls {
    return new BatchedClientTls(openSsl(), options);
  }

  join(a: Connection, b: Connection, moved: (from: Connection, bytes: number) => void): boolean {
    if (!(a instanceof BatchedConnection && b instanceof BatchedConnection)) return false;
    return this.#joints.join(a, b, moved);
  }

  every(periodMs: number, callback: () => void): () => void {
    return this.loop.every(periodMs, callback);
  }

  close(): void {
    for (const listening of [...this.#listeners]) listening.close();
    for (const connection of [...this.#connections]) connection.destroy();
    this.loop.poller.remove(this.wakeFd);
    this.#linux.close(this.wakeFd);
    this.loop.close();
    this.#joints.close();
    this.#prefaces.close();
  }

  #adopt(
    fd: number,
    remote: SocketAddress,
    maker: SessionMaker | null,
    options: {
      readonly connecting: boolean;
      readonly handler: ConnectionHandler;
      readonly preface?: Uint8Array;
    },
  ): BatchedConnection | TlsConnection {
    const connection =
      maker === null
        ? new BatchedConnection(fd, remote, options, this.#modules)
        : new TlsConnection(fd, remote, options, maker, this.#forTls());
    connection.slot = this.#connections.add(connection);
    return connection;
  }

  #watchHandshakes(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.every(HANDSHAKES_CHECK_MS, () => {
      const ms = this.nowMs - HANDSHAKE_MS_MAX;
      for (const connection of this.#connections) {
        if (connection instanceof TlsConnection) connection.expire(ms);
      }
    });
  }

  #forTls(): TlsModules {
    this.#tlsModules ??= { ...this.#modules, openSsl: openSsl() };
    return this.#tlsModules;
  }

  /** False when nobody is left in the queue. */
  #accept(
    listenFd: number,
    maker: SessionMaker | null,
    accept: (connection: Connection) => ConnectionHandler | null,
    preface: Preface | undefined,
  ): boolean {
    const { address } = this.#address;
    for (let i = 0; i < ACCEPTS; i++) {
      this.#addressBytes[ADDRESS_LENGTH_AT] = 28;
      const fd = this.#linux.accept4(
        listenFd,
        address,
        address + ADDRESS_LENGTH_AT,
        SOCK.NONBLOCK | SOCK.CLOEXEC,
      );
      if (fd < 0) return false;
      const remote = addressAt(this.#addressBytes);
      if (preface?.expected(remote)) {
        this.#prefaces.add(fd, preface, () => this.#begin(fd, remote, maker, accept));
      } else this.#begin(fd, remote, maker, accept);
    }
    return true;
  }

  #begin(
    fd: number,
    remote: SocketAddress,
    maker: SessionMaker | null,
    accept: (connection: Connection) => ConnectionHandler | null,
  ): void {
    const connection = this.#adopt(fd, remote, maker, { connecting: false, handler: NOBODY });
    const handler = accept(connection);
    if (handler === null) {
      connection.destroy();
      return;
    }
    connection.handler = handler;
    if (connection instanceof BatchedConnection) connection.begin();
  }
}

/** The handler of a connection that nobody took yet. */
const NOBODY: ConnectionHandler = {
  onOpen() {},
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};

function openSsl(): OpenSsl {
  const loaded = loadOpenSsl();
  if ('unavailable' in loaded)
    throw new Error(`TLS is not available in the batched tier: ${loaded.unavailable}`);
  return loaded;
}

/** What another network made is of no use here. */
function ownTls<T extends SessionMaker>(tls: object, kind: abstract new (...given: never[]) => T): T {
  if (!(tls instanceof kind)) throw new Error('the TLS settings were made by another network');
  return tls;
}
