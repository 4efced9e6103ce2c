import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { addressBytes, addressText } from '../address.js';
import {
  DATAGRAM_MAX,
  type DatagramListening,
  type DatagramNetwork,
  type DatagramTaker,
  HEADROOM,
  ORIGIN,
  ORIGIN_BYTES,
  type PeerHandler,
  type PeerSocket,
} from '../datagram-network.js';
import { listenError } from '../free-port.js';
import type { SocketAddress } from '../tier.js';

/** Datagrams that wait while node connects a socket: it takes a turn of the event loop even for an address. */
const WAITING_MAX = 8;

/** UDP for the proxy on node:dgram. It does not learn destinations: answers leave from the address that routing says. */
export class PortableDatagramNetwork implements DatagramNetwork {
  readonly name = 'portable';
  readonly #clock: () => number;
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #input = new Uint8Array(HEADROOM + DATAGRAM_MAX);
  readonly #origin = new Uint8Array(ORIGIN_BYTES);

  constructor(modules: { clock: () => number }) {
    this.#clock = modules.clock;
  }

  get nowMs(): number {
    return this.#clock();
  }

  listen(
    address: SocketAddress,
    options: { readonly shared: boolean },
    take: DatagramTaker,
  ): Promise<DatagramListening> {
    const v6 = address.host.includes(':');
    const reuse = options.shared ? { reusePort: true } : {};
    const socket = createSocket({ type: v6 ? 'udp6' : 'udp4', ipv6Only: v6, ...reuse });
    return new Promise((resolve, reject) => {
      socket.once('error', (error: NodeJS.ErrnoException) => {
        socket.close();
        reject(listenError(error, address));
      });
      socket.bind({ port: address.port, address: address.host, exclusive: true }, () => {
        socket.removeAllListeners('error');
        // An ICMP error for an earlier answer; nobody waits for it.
        socket.on('error', () => {});
        socket.on('message', (message, from) => this.#take(message, from, take));
        this.#sockets.add(socket);
        resolve(this.#listening(socket, { host: address.host, port: socket.address().port }));
      });
    });
  }

  connect(address: SocketAddress, handler: PeerHandler): PeerSocket | null {
    if (isIP(address.host) === 0) return null;
    const socket = createSocket(address.host.includes(':') ? 'udp6' : 'udp4');
    this.#sockets.add(socket);
    return new PortablePeer(socket, address, {
      handler,
      onClosed: () => this.#sockets.delete(socket),
      hand: (message) => {
        this.#input.set(message, HEADROOM);
        handler.onDatagram(this.#input, HEADROOM, HEADROOM + message.length);
      },
    });
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
    for (const socket of [...this.#sockets]) closeQuietly(socket);
    this.#sockets.clear();
  }

  #take(message: Buffer, from: RemoteInfo, take: DatagramTaker): void {
    const origin = this.#origin.fill(0);
    const source = origin.subarray(ORIGIN.SOURCE, ORIGIN.DESTINATION);
    // Nobody sends from port 0 and waits for an answer.
    if (from.port === 0 || !addressBytes(from.address, source)) return;
    origin[ORIGIN.FAMILY] = from.family === 'IPv4' ? 4 : 6;
    origin[ORIGIN.PORT] = from.port >> 8;
    origin[ORIGIN.PORT + 1] = from.port & 0xff;
    this.#input.set(message, HEADROOM);
    take(this.#input, HEADROOM, HEADROOM + message.length, origin, 0);
  }

  #listening(socket: Socket, address: SocketAddress): DatagramListening {
    return {
      address,
      send: (bytes, start, end, origin, at) => {
        if (!this.#sockets.has(socket)) return;
        const port = (origin[at + ORIGIN.PORT]! << 8) | origin[at + ORIGIN.PORT + 1]!;
        socket.send(Buffer.copyBytesFrom(bytes, start, end - start), port, hostOf(origin, at), () => {});
      },
      close: () => {
        if (this.#sockets.delete(socket)) closeQuietly(socket);
      },
    };
  }
}

function hostOf(origin: Uint8Array, at: number): string {
  const from = at + ORIGIN.SOURCE;
  if (origin[at + ORIGIN.FAMILY] === 4) return origin.subarray(from, from + 4).join('.');
  return addressText(origin.subarray(from, from + 16));
}

interface PeerModules {
  readonly handler: PeerHandler;
  readonly hand: (message: Buffer) => void;
  readonly onClosed: () => void;
}

class PortablePeer implements PeerSocket {
  readonly #socket: Socket;
  readonly #modules: PeerModules;
  #waiting: Uint8Array[] | null = [];
  #closed = false;

  constructor(socket: Socket, address: SocketAddress, modules: PeerModules) {
    this.#socket = socket;
    this.#modules = modules;
    socket.on('message', (message) => {
      if (!this.#closed) modules.hand(message);
    });
    socket.on('error', () => this.#unreachable());
    socket.connect(address.port, address.host, (error?: Error) => this.#connected(error));
  }

  send(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#closed) return false;
    const copy = Buffer.copyBytesFrom(bytes, start, end - start);
    if (this.#waiting === null) {
      this.#sendNow(copy);
      return true;
    }
    if (this.#waiting.length >= WAITING_MAX) return false;
    this.#waiting.push(copy);
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = null;
    closeQuietly(this.#socket);
    this.#modules.onClosed();
  }

  #connected(error: Error | undefined): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    if (this.#closed) return;
    if (error !== undefined) return this.#unreachable();
    for (const bytes of waiting) this.#sendNow(bytes);
  }

  /** A refused datagram is told by the error event or by the callback, as it happens; the second changes nothing. */
  #sendNow(bytes: Uint8Array): void {
    this.#socket.send(bytes, (error) => {
      if (error) this.#unreachable();
    });
  }

  #unreachable(): void {
    if (!this.#closed) this.#modules.handler.onUnreachable();
  }
}

/** Closing a socket twice throws. */
function closeQuietly(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // It is closed already.
  }
}
