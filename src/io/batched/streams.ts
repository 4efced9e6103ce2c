import {
  addDescriptor,
  createDescriptorSet,
  type DescriptorSet,
  removeDescriptor,
} from '../descriptor-set.js';
import { NO_SLOT, Roster } from '../roster.js';
import { STREAM_READ_BYTES, type StreamConnection, type StreamHandler } from '../tier.js';
import { EAGAIN, EINTR, EPOLL, type Linux, MSG, type NativeMemory, SOCK } from './linux.js';
import type { Poller } from './poller.js';
import { setNoDelay } from './socket.js';

/** Connections accepted at one wake-up before others get their turn. */
const ACCEPTS = 16;
/** Handed to the kernel by one call. */
const WRITE_BYTES = 65_536;

/** Accepts TCP connections on one listening socket and serves them through a Poller. */
export class StreamListener {
  readonly #linux: Linux;
  readonly #poller: Poller;
  readonly #handler: StreamHandler;
  readonly #shared: StreamBuffers;
  readonly #family: 4 | 6;
  readonly #connections = new Roster<BatchedConnection>();
  readonly fd: number;

  constructor(
    fd: number,
    family: 4 | 6,
    modules: { linux: Linux; poller: Poller; handler: StreamHandler; buffers: StreamBuffers },
  ) {
    this.fd = fd;
    this.#family = family;
    this.#linux = modules.linux;
    this.#poller = modules.poller;
    this.#handler = modules.handler;
    this.#shared = modules.buffers;
    this.#poller.add(fd, EPOLL.IN, () => this.#accept());
  }

  close(): void {
    this.#poller.remove(this.fd);
    this.#linux.close(this.fd);
    for (const connection of [...this.#connections]) connection.destroy();
  }

  #accept(): void {
    const { address } = this.#shared;
    for (let i = 0; i < ACCEPTS; i++) {
      this.#shared.resetAddress();
      const fd = this.#linux.accept4(
        this.fd,
        address.address,
        address.address + ADDRESS_LENGTH_AT,
        SOCK.NONBLOCK | SOCK.CLOEXEC,
      );
      if (fd < 0) return;
      setNoDelay(this.#linux, fd);
      this.#open(fd);
    }
  }

  #open(fd: number): void {
    const bytes = new Uint8Array(this.#shared.address.buffer);
    const source = this.#family === 4 ? bytes.slice(4, 8) : bytes.slice(8, 24);
    const connection = new BatchedConnection(fd, this.#family, source, {
      linux: this.#linux,
      poller: this.#poller,
      handler: this.#handler,
      buffers: this.#shared,
      onClosed: (closed) => this.#connections.remove(closed.slot, closed),
    });
    connection.slot = this.#connections.add(connection);
    addDescriptor(this.#shared.open, fd);
    connection.start();
  }
}

const ADDRESS_LENGTH_AT = 32;

/** Memory that all connections of a thread share: each read and write goes through it. */
export class StreamBuffers {
  readonly address: NativeMemory;
  readonly read: NativeMemory;
  readonly readBytes: Uint8Array;
  readonly write: NativeMemory;
  readonly writeBytes: Uint8Array;
  readonly queueMax: number;
  /** Connections, of all listeners. */
  readonly open: DescriptorSet = createDescriptorSet();

  constructor(linux: Linux, queueMax: number) {
    this.address = linux.allocate(64);
    this.read = linux.allocate(STREAM_READ_BYTES);
    this.readBytes = new Uint8Array(this.read.buffer);
    this.write = linux.allocate(WRITE_BYTES);
    this.writeBytes = new Uint8Array(this.write.buffer);
    this.queueMax = queueMax;
  }

  resetAddress(): void {
    new DataView(this.address.buffer).setUint32(ADDRESS_LENGTH_AT, 28, true);
  }
}

interface ConnectionModules {
  readonly linux: Linux;
  readonly poller: Poller;
  readonly handler: StreamHandler;
  readonly buffers: StreamBuffers;
  readonly onClosed: (connection: BatchedConnection) => void;
}

class BatchedConnection implements StreamConnection {
  attached: object | null = null;
  /** Kept for its listener. */
  slot = NO_SLOT;
  readonly family: 4 | 6;
  readonly source: Uint8Array;
  readonly #fd: number;
  readonly #modules: ConnectionModules;
  /** What the peer has not taken yet. */
  #queue: Uint8Array[] = [];
  #queued = 0;
  #ending = false;
  #readEnded = false;
  #closed = false;

  constructor(fd: number, family: 4 | 6, source: Uint8Array, modules: ConnectionModules) {
    this.#fd = fd;
    this.family = family;
    this.source = source;
    this.#modules = modules;
  }

  start(): void {
    this.#modules.poller.add(this.#fd, EPOLL.IN | EPOLL.RDHUP, (events) => this.#ready(events));
    if (!this.#modules.handler.opened(this)) return this.destroy();
    // A query is often there already; and who has asked is not the one to go when there are too many connections.
    this.#read();
  }

  write(bytes: Uint8Array, from: number, end: number): boolean {
    if (this.#closed || this.#ending) return false;
    let at = from;
    while (this.#queued === 0 && at < end) {
      const sent = this.#send(bytes, at, end);
      if (sent < 0) return false;
      if (sent === 0) break;
      at += sent;
    }
    if (at === end) return true;
    this.#queue.push(bytes.slice(at, end));
    this.#queued += end - at;
    this.#watch();
    return this.#queued <= this.#modules.buffers.queueMax;
  }

  end(): void {
    this.#ending = true;
    if (this.#queued === 0) this.destroy();
    else this.#watch();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#modules.poller.remove(this.#fd);
    removeDescriptor(this.#modules.buffers.open, this.#fd);
    this.#modules.linux.close(this.#fd);
    this.#modules.onClosed(this);
    this.#modules.handler.closed(this);
  }

  /** Reads only while nothing waits to be written: a peer that does not listen is not listened to. */
  #watch(): void {
    if (this.#closed) return;
    const reading = this.#queued === 0 && !this.#readEnded && !this.#ending;
    const interest = (reading ? EPOLL.IN | EPOLL.RDHUP : 0) | (this.#queued > 0 ? EPOLL.OUT : 0);
    this.#modules.poller.change(this.#fd, interest);
  }

  #ready(events: number): void {
    if (events & EPOLL.ERR) return this.destroy();
    if (events & EPOLL.OUT) this.#flush();
    if (this.#closed) return;
    if (events & (EPOLL.IN | EPOLL.RDHUP | EPOLL.HUP)) this.#read();
  }

  #read(): void {
    const { linux, buffers, handler } = this.#modules;
    const length = linux.recv(this.#fd, buffers.read.address, STREAM_READ_BYTES, 0);
    if (length > 0) return handler.received(this, buffers.readBytes, length);
    if (length < 0) {
      const errno = linux.errno();
      if (errno === EAGAIN || errno === EINTR) return;
      return this.destroy();
    }
    this.#readEnded = true;
    handler.ended(this);
    this.#watch();
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      const sent = this.#send(first, 0, first.length);
      if (sent <= 0) return;
      this.#queued -= sent;
      if (sent < first.length) this.#queue[0] = first.subarray(sent);
      else this.#queue.shift();
    }
    if (this.#ending) this.destroy();
    else this.#watch();
  }

  /** Bytes sent, 0 if the kernel takes none now, -1 if the connection is gone (and then closed). */
  #send(bytes: Uint8Array, from: number, end: number): number {
    const { linux, buffers } = this.#modules;
    const length = Math.min(end - from, WRITE_BYTES);
    buffers.writeBytes.set(bytes.subarray(from, from + length));
    const sent = linux.send(this.#fd, buffers.write.address, length, MSG.NOSIGNAL);
    if (sent >= 0) return sent;
    const errno = linux.errno();
    if (errno === EAGAIN || errno === EINTR) return 0;
    this.destroy();
    return -1;
  }
}
