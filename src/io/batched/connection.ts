import {
  addDescriptor,
  createDescriptorSet,
  type DescriptorSet,
  removeDescriptor,
} from '../descriptor-set.js';
import {
  type Connection,
  type ConnectionError,
  type ConnectionHandler,
  READ_BYTES,
  SCRATCH_BYTES,
} from '../network.js';
import { NO_SLOT } from '../roster.js';
import type { SocketAddress } from '../tier.js';
import {
  EAGAIN,
  EINTR,
  EPOLL,
  ERRNO,
  type Linux,
  MSG,
  type NativeMemory,
  SHUT_WR,
  SO,
  SOL,
} from './linux.js';
import type { Loop, Soon } from './loop.js';
import { localAddress } from './socket.js';

/** Full buffers read from one connection before others get their turn. */
const READS_MAX = 4;
/** Handed to the kernel by one call when it has to be copied first. */
const WRITE_BYTES = 65_536;

/** Memory that all connections of a thread share: every read and write goes through it. */
export class ConnectionMemory {
  readonly #read: NativeMemory;
  readonly #scratch: NativeMemory;
  readonly #write: NativeMemory;
  readonly readBytes: Uint8Array;
  readonly scratch: Uint8Array;
  readonly writeBytes: Uint8Array;
  /** Connections that are open, for whoever cleans up after this thread. */
  readonly open: DescriptorSet = createDescriptorSet();

  constructor(linux: Linux) {
    this.#read = linux.allocate(READ_BYTES);
    this.#scratch = linux.allocate(SCRATCH_BYTES);
    this.#write = linux.allocate(WRITE_BYTES);
    this.readBytes = new Uint8Array(this.#read.buffer);
    this.scratch = new Uint8Array(this.#scratch.buffer);
    this.writeBytes = new Uint8Array(this.#write.buffer);
  }

  get readAddress(): number {
    return this.#read.address;
  }

  get writeAddress(): number {
    return this.#write.address;
  }

  /** Where `bytes` lie if the kernel can take them from there; 0 if they have to be copied. */
  addressOf(bytes: Uint8Array): number {
    if (bytes === this.scratch) return this.#scratch.address;
    return bytes === this.readBytes ? this.#read.address : 0;
  }
}

export interface ConnectionModules {
  readonly loop: Loop;
  readonly memory: ConnectionMemory;
  readonly onClosed: (connection: BatchedConnection) => void;
  /** Calls `watch` of it some time later. */
  readonly watchLater: (connection: BatchedConnection) => void;
}

/**
 * One TCP connection in epoll, edge-triggered: it is added once and never changed. What the kernel said is
 * remembered (`#readable`) and used when the handler wants it. Handlers are called from the loop only.
 *
 * An accepted one is read first, and added when there is something to wait for: many that bring one request are answered
 * and closed before that.
 */
export class BatchedConnection implements Connection, Soon {
  handler: ConnectionHandler;
  /** Kept for its network. */
  slot = NO_SLOT;
  readonly remote: SocketAddress;
  readonly tls = null;
  readonly fd: number;
  readonly #modules: ConnectionModules;
  #connecting: boolean;
  #paused = false;
  #readable = false;
  #watched = false;
  #expectsNothing = false;
  #endsNext = false;
  /** The peer's end, or an error, waits behind the bytes that can be read. */
  #hangup = false;
  #readEnded = false;
  #ending = false;
  #finSent = false;
  #destroyed = false;
  #error: ConnectionError | null = null;
  #scheduled = false;
  #queue: Uint8Array[] = [];
  #queued = 0;

  constructor(
    fd: number,
    remote: SocketAddress,
    options: { readonly connecting: boolean; readonly handler: ConnectionHandler },
    modules: ConnectionModules,
  ) {
    this.fd = fd;
    this.remote = remote;
    this.handler = options.handler;
    this.#connecting = options.connecting;
    this.#modules = modules;
    if (fd < 0) return;
    addDescriptor(modules.memory.open, fd);
    if (options.connecting) this.watch();
  }

  /** Reads what an accepted connection brought along. */
  begin(): void {
    if (this.#destroyed) return;
    this.#readable = true;
    if (!this.#paused) this.#read();
  }

  /** Adds it to epoll, which tells at once what is so already. */
  watch(): void {
    if (this.#watched || this.#destroyed) return;
    this.#watched = true;
    this.#modules.loop.poller.add(this.fd, EPOLL.IN | EPOLL.OUT | EPOLL.RDHUP | EPOLL.ET, (events) =>
      this.#ready(events),
    );
  }

  get local(): SocketAddress {
    return localAddress(this.#modules.loop.linux, this.fd);
  }

  get queued(): number {
    return this.#queued;
  }

  get peerEnded(): boolean {
    return this.#hangup;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#destroyed || this.#ending || this.#error !== null) return false;
    let at = start;
    if (this.#queued === 0 && !this.#connecting) at = this.#sendAll(bytes, start, end);
    if (at === end) return true;
    if (this.#error === null) this.#keep(bytes.slice(at, end));
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#expectsNothing = false;
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#readable) this.#later();
    else this.watch();
  }

  expectNothing(): void {
    if (!this.#watched) this.#expectsNothing = true;
  }

  endsNext(): void {
    this.#endsNext = true;
  }

  end(): void {
    if (this.#destroyed || this.#ending) return;
    this.#ending = true;
    if (this.#queued === 0 && !this.#connecting) this.#sendEnd();
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#error = null;
    this.#queue = [];
    this.#queued = 0;
    this.#modules.loop.poller.forget(this.fd);
    this.#later();
  }

  reset(): void {
    if (this.#destroyed) return;
    this.#modules.loop.linux.setsockopt(this.fd, SOL.SOCKET, SO.LINGER, LINGER_NONE, 8);
    this.destroy();
  }

  /** Fails before it could begin: there is no socket (fd -1), or `connect` itself said no. */
  fail(errno: number): void {
    this.#fail(errno);
  }

  runSoon(): void {
    this.#scheduled = false;
    if (this.#destroyed) this.#close();
    else if (this.#readable && !this.#paused) this.#read();
  }

  #ready(events: number): void {
    if (this.#destroyed) return;
    if (events & (EPOLL.RDHUP | EPOLL.HUP | EPOLL.ERR)) this.#hangup = true;
    if (this.#connecting) {
      if (!(events & (EPOLL.OUT | EPOLL.ERR | EPOLL.HUP)) || !this.#connected(events)) return;
    } else if (events & EPOLL.OUT && this.#queued > 0) {
      this.#flush();
      if (this.#destroyed) return;
    }
    if (!(events & (EPOLL.IN | EPOLL.RDHUP | EPOLL.HUP | EPOLL.ERR))) return;
    this.#readable = true;
    if (!this.#paused) this.#read();
  }

  /** True if the connection is up. */
  #connected(events: number): boolean {
    const failed = (events & (EPOLL.ERR | EPOLL.HUP)) !== 0;
    const errno = failed ? socketError(this.#modules.loop.linux, this.fd) : 0;
    if (errno !== 0) {
      this.#fail(errno);
      return false;
    }
    this.#connecting = false;
    this.handler.onOpen(this);
    if (this.#destroyed) return false;
    this.#flush();
    return !this.#destroyed;
  }

  #read(): void {
    this.#readOn();
    // While there is more to read that comes first.
    if (this.#watched || this.#destroyed || this.#paused || this.#readable) return;
    if (this.#expectsNothing) this.#modules.watchLater(this);
    else this.watch();
  }

  #readOn(): void {
    const { loop, memory } = this.#modules;
    const { readBytes, readAddress } = memory;
    for (let i = 0; i < READS_MAX; i++) {
      const length = loop.linux.recv(this.fd, readAddress, READ_BYTES, 0);
      if (length > 0) {
        // Less than there was room for: all of it is here, and epoll tells of what comes later.
        if (length < READ_BYTES && !this.#hangup) this.#readable = false;
        this.handler.onData(this, readBytes, 0, length);
        if (this.#destroyed || this.#paused || !this.#readable) return;
      } else if (length === 0) {
        this.#readable = false;
        this.#ended();
        return;
      } else {
        const errno = loop.linux.errno();
        if (errno === EINTR) continue;
        if (errno !== EAGAIN) this.#fail(errno);
        this.#readable = false;
        return;
      }
    }
    this.#later();
  }

  #ended(): void {
    if (this.#readEnded) return;
    this.#readEnded = true;
    // The write side failed before: now everything the peer had to say was heard.
    if (this.#error !== null) return this.#abandon(this.#error);
    this.handler.onEnd(this);
    if (this.#finSent) this.destroy();
  }

  /** Index after the last byte that the kernel took. */
  #sendAll(bytes: Uint8Array, start: number, end: number): number {
    const { linux } = this.#modules.loop;
    const { memory } = this.#modules;
    const base = memory.addressOf(bytes);
    const flags = this.#endsNext ? MSG.NOSIGNAL | MSG.MORE : MSG.NOSIGNAL;
    this.#endsNext = false;
    let at = start;
    while (at < end) {
      const length = base > 0 ? end - at : Math.min(end - at, WRITE_BYTES);
      if (base === 0) memory.writeBytes.set(bytes.subarray(at, at + length));
      const sent = linux.send(this.fd, base > 0 ? base + at : memory.writeAddress, length, flags);
      if (sent < 0) {
        const errno = linux.errno();
        if (errno === EINTR) continue;
        if (errno !== EAGAIN) this.#cannotWrite(errno);
        return at;
      }
      at += sent;
      if (sent < length) return at;
    }
    return at;
  }

  #keep(rest: Uint8Array): void {
    this.#queue.push(rest);
    this.#queued += rest.length;
    this.watch();
  }

  #flush(): void {
    const wanted = this.#queued > 0;
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      const sent = this.#sendAll(first, 0, first.length);
      if (this.#error !== null) return;
      this.#queued -= sent;
      if (sent < first.length) {
        this.#queue[0] = first.subarray(sent);
        return;
      }
      this.#queue.shift();
    }
    if (wanted) this.handler.onDrain(this);
    if (this.#ending && this.#queued === 0 && !this.#destroyed) this.#sendEnd();
  }

  #sendEnd(): void {
    if (this.#finSent) return;
    this.#finSent = true;
    this.#modules.loop.linux.shutdown(this.fd, SHUT_WR);
    if (this.#readEnded) this.destroy();
  }

  /** What the peer sent before it stopped listening may still be worth reading: an early response, for instance. */
  #cannotWrite(errno: number): void {
    this.#error = errorOf(errno);
    this.#queue = [];
    this.#queued = 0;
    this.#hangup = true;
    this.#readable = true;
    if (this.#readEnded) this.#abandon(this.#error);
    else this.#later();
  }

  #fail(errno: number): void {
    if (!this.#destroyed) this.#abandon(this.#error ?? errorOf(errno));
  }

  #abandon(error: ConnectionError): void {
    this.destroy();
    this.#error = error;
  }

  #later(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#modules.loop.soon(this);
  }

  #close(): void {
    const { loop, memory, onClosed } = this.#modules;
    if (this.fd >= 0) {
      removeDescriptor(memory.open, this.fd);
      loop.linux.close(this.fd);
    }
    onClosed(this);
    this.handler.onClose(this, this.#error);
  }
}

/** `struct linger`: on, zero seconds. The close then sends a reset. */
export const LINGER_NONE = new Uint8Array(Int32Array.of(1, 0).buffer);

const value = new Uint8Array(4);
const valueLength = new Uint8Array(4);

/** The error that waits on a socket, as errno; 0 for none. */
export function socketError(linux: Linux, fd: number): number {
  valueLength[0] = 4;
  value.fill(0);
  linux.getsockopt(fd, SOL.SOCKET, SO.ERROR, value, valueLength);
  return value[0]! | (value[1]! << 8);
}

/** The error of a connection for an errno, with a message that names it. */
export function errorOf(errno: number): ConnectionError {
  const name = ERRNO[errno] ?? `errno ${errno}`;
  switch (name) {
    case 'ECONNREFUSED':
      return { code: 'refused', message: 'the connection was refused' };
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return { code: 'unreachable', message: `there is no way to the address (${name})` };
    case 'ETIMEDOUT':
      return { code: 'timeout', message: 'the peer did not answer in time' };
    case 'ECONNRESET':
    case 'EPIPE':
      return { code: 'reset', message: 'the peer reset the connection' };
    default:
      return { code: 'other', message: name };
  }
}
