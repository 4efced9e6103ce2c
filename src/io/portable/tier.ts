import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { addressBytes } from '../address.js';
import { listenError } from '../free-port.js';
import { Roster } from '../roster.js';
import {
  type DatagramHandler,
  LISTEN_BACKLOG,
  type SocketAddress,
  STREAM_READ_BYTES,
  type StreamConnection,
  type StreamHandler,
  type Tier,
  type TierEvents,
  type TierOptions,
  UDP_BUFFER_BYTES,
} from '../tier.js';

const TICK_MS = 1000;

/** The portable tier: node:dgram and node:net, one datagram at a time. */
export class PortableTier implements Tier {
  readonly name = 'portable';
  readonly wakeFd = -1;
  /** Node closes its own sockets with the thread. */
  readonly descriptors: readonly number[] = [];
  readonly connections = undefined;
  readonly #options: TierOptions;
  readonly #events: TierEvents;
  readonly #now: () => number;
  readonly #udp: UdpSocket[] = [];
  readonly #tcp: Server[] = [];
  readonly #connections = new Roster<PortableConnection>();
  /** Plain arrays, as the batched tier has: the query path then sees one kind of array only. */
  readonly #input = new Uint8Array(65_536);
  readonly #output: Uint8Array;
  readonly #source = new Uint8Array(16);
  #finish: () => void = () => {};
  readonly #finished = new Promise<void>((resolve) => {
    this.#finish = resolve;
  });

  constructor(options: TierOptions, modules: { events: TierEvents; now: () => number }) {
    this.#options = options;
    this.#events = modules.events;
    this.#now = modules.now;
    this.#output = new Uint8Array(options.datagramMax);
  }

  async listen(
    address: SocketAddress,
    datagrams: DatagramHandler,
    streams: StreamHandler,
  ): Promise<SocketAddress> {
    const port = await this.#bindUdp(address, datagrams);
    const bound = { host: address.host, port };
    await this.#bindTcp(bound, streams);
    return bound;
  }

  serveQueues(): void {
    throw new Error('the portable tier has no XDP');
  }

  async run(): Promise<void> {
    const timer = setInterval(() => this.#events.tick(this.#now()), TICK_MS);
    await this.#finished;
    clearInterval(timer);
  }

  stop(): void {
    for (const socket of this.#udp) socket.close();
    for (const server of this.#tcp) server.close();
    for (const connection of [...this.#connections]) connection.destroy();
    this.#finish();
  }

  #bindUdp(address: SocketAddress, handler: DatagramHandler): Promise<number> {
    const v6 = address.host.includes(':');
    const socket = createSocket({ type: v6 ? 'udp6' : 'udp4', ipv6Only: v6, lookup: asIs, ...this.#reuse() });
    return new Promise((resolve, reject) => {
      socket.once('error', (error: NodeJS.ErrnoException) => {
        socket.close();
        reject(listenError(error, address));
      });
      socket.bind({ port: address.port, address: address.host, exclusive: true }, () => {
        socket.removeAllListeners('error');
        // An ICMP error for an earlier answer; nobody waits for it.
        socket.on('error', () => this.#events.sendFailed(1));
        socket.on('message', (message, from) => this.#datagram(socket, message, from, handler));
        enlargeBuffers(socket);
        this.#udp.push(socket);
        resolve(socket.address().port);
      });
    });
  }

  #datagram(socket: UdpSocket, message: Buffer, from: RemoteInfo, handler: DatagramHandler): void {
    const family = from.family === 'IPv4' ? 4 : 6;
    if (from.port === 0 || !addressBytes(from.address, this.#source)) return;
    this.#input.set(message);
    const length = handler(this.#input, 0, message.length, this.#output, 0, this.#source, 0, family);
    if (length === 0) return;
    socket.send(this.#output.slice(0, length), from.port, from.address, (error) => {
      if (error) this.#events.sendFailed(1);
    });
  }

  #bindTcp(address: SocketAddress, handler: StreamHandler): Promise<void> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
      this.#accept(socket, handler),
    );
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address)));
      server.listen(
        {
          ...{ port: address.port, host: address.host, ipv6Only: true, exclusive: true },
          ...{ backlog: LISTEN_BACKLOG, ...this.#reuse() },
        },
        () => {
          server.removeAllListeners('error');
          // EMFILE and the like: the connection is lost, the server goes on.
          server.on('error', () => {});
          this.#tcp.push(server);
          resolve();
        },
      );
    });
  }

  #accept(socket: Socket, handler: StreamHandler): void {
    const source = new Uint8Array(16);
    socket.on('error', () => {});
    if (!addressBytes(socket.remoteAddress ?? '', source)) {
      socket.destroy();
      return;
    }
    const family = socket.remoteFamily === 'IPv6' ? 6 : 4;
    const connection = new PortableConnection(socket, family, source, handler, this.#options.writeQueueMax);
    const slot = this.#connections.add(connection);
    socket.on('close', () => this.#connections.remove(slot, connection));
    connection.start();
  }

  /** Known from Node 22.12 on; older versions ignore it, and then one thread only may listen. */
  #reuse(): { reusePort?: boolean } {
    return this.#options.shared ? { reusePort: true } : {};
  }
}

/** In place of `dns.lookup`, which takes a turn of the event loop for what is an address already. */
function asIs(
  address: string,
  _options: unknown,
  found: (error: null, address: string, family: number) => void,
): void {
  found(null, address, address.includes(':') ? 6 : 4);
}

/** Some systems refuse more than they allow; then the default stays. */
function enlargeBuffers(socket: UdpSocket): void {
  try {
    socket.setRecvBufferSize(UDP_BUFFER_BYTES);
    socket.setSendBufferSize(UDP_BUFFER_BYTES);
  } catch {
    // A burst may then lose more.
  }
}

/** A connection of node:net, or of node:tls, as the tiers show it. */
export class PortableConnection implements StreamConnection {
  attached: object | null = null;
  readonly family: 4 | 6;
  readonly source: Uint8Array;
  readonly #socket: Socket;
  readonly #handler: StreamHandler;
  readonly #queueMax: number;
  /** Read, but not handed on yet. */
  #rest: Buffer = Buffer.alloc(0);
  #scheduled = false;

  constructor(socket: Socket, family: 4 | 6, source: Uint8Array, handler: StreamHandler, queueMax: number) {
    this.#socket = socket;
    this.family = family;
    this.source = source;
    this.#handler = handler;
    this.#queueMax = queueMax;
  }

  start(): void {
    const socket = this.#socket;
    socket.on('data', (data) => {
      this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
      this.#advance();
    });
    socket.on('end', () => this.#handler.ended(this));
    socket.on('drain', () => this.#advance());
    socket.on('close', () => this.#handler.closed(this));
    if (!this.#handler.opened(this)) this.destroy();
  }

  /** Hands on a few queries' bytes; sockets and datagrams that wait get their turn before the next. */
  #advance(): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableNeedDrain) return;
    const data = this.#rest;
    if (data.length === 0) return void socket.resume();
    const length = Math.min(data.length, STREAM_READ_BYTES);
    this.#rest = data.subarray(length);
    this.#handler.received(this, new Uint8Array(data.buffer, data.byteOffset, length), length);
    if (this.#rest.length === 0) {
      if (!socket.writableNeedDrain) socket.resume();
      return;
    }
    socket.pause();
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#advance();
    });
  }

  write(bytes: Uint8Array, from: number, end: number): boolean {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return false;
    if (!socket.write(bytes.slice(from, end))) socket.pause();
    return socket.writableLength <= this.#queueMax;
  }

  end(): void {
    this.#socket.end(() => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
