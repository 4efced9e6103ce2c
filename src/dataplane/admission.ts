import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { COUNTER } from '../core/answer/counters.js';
import { addressBytes } from '../io/address.js';
import { listenError } from '../io/free-port.js';
import { LISTEN_BACKLOG, type SocketAddress } from '../io/tier.js';
import { ClientCounts, clientOf } from './client-counts.js';
import type { TcpLimits } from './protocol.js';
import { keepaliveOf } from './tcp.js';

interface Guest {
  readonly key: string;
  readonly raw: Socket;
  readonly client: string;
  readonly openedMs: number;
  lastQueryMs: number;
  queries: number;
  /** Once the handshake is done. */
  tls: TLSSocket | undefined;
}

/** Takes over a connection that was let in: node's TLS and HTTP/2 servers do so at a `connection` event. */
export interface Inner {
  emit(event: 'connection', socket: Socket): boolean;
  on(event: 'secureConnection', listener: (socket: TLSSocket) => void): unknown;
  on(event: 'tlsClientError', listener: (error: Error, socket: TLSSocket) => void): unknown;
}

/** Both ends of a connection, by which it is known; the same for a socket, the TLS over it, and an HTTP/2 session's. */
export interface Ends {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** Who keeps the connections: told of queries, and asked to close those that are too slow. */
export interface Doorkeeper {
  /** A complete query came on this connection: bytes alone don't keep it. */
  asked(ends: Ends): void;
  /** Closes a connection whose peer sends or reads too slowly. */
  tooSlow(ends: Ends): void;
}

/**
 * Listens in front of a TLS server and lets in as many connections as the limits allow, before a handshake costs
 * anything. It closes those that are too old or, after the handshake, ask nothing; the TLS server itself those that do
 * not finish the handshake. When the table is full, the oldest that never asked gives way to a new one.
 */
export class Admission implements Doorkeeper {
  readonly #limits: TcpLimits;
  readonly #counters: Float64Array;
  readonly #servers: NetServer[] = [];
  readonly #clients = new ClientCounts();
  readonly #guests = new Map<string, Guest>();
  #nowMs: number;

  constructor(limits: TcpLimits, counters: Float64Array, nowMs: number) {
    this.#limits = limits;
    this.#counters = counters;
    this.#nowMs = nowMs;
  }

  /** Returns the address with its real port. Throws ListenError. */
  async listen(address: SocketAddress, inner: Inner): Promise<SocketAddress> {
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket, inner));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address)));
      const { host, port } = address;
      server.listen({ port, host, ipv6Only: true, exclusive: true, backlog: LISTEN_BACKLOG }, resolve);
    });
    server.removeAllListeners('error');
    // EMFILE and the like: the connection is lost, the server goes on.
    server.on('error', () => {});
    this.#servers.push(server);
    const bound = server.address();
    return typeof bound === 'object' && bound ? { host: address.host, port: bound.port } : address;
  }

  /** Tells of handshakes; once for each TLS server. */
  watch(inner: Inner): void {
    inner.on('secureConnection', (socket) => {
      socket.on('error', () => {});
      const guest = this.#guests.get(keyOf(socket));
      if (!guest) return void socket.destroy();
      guest.tls = socket;
      guest.lastQueryMs = this.#nowMs;
      socket.on('close', () => this.#leave(guest));
    });
    inner.on('tlsClientError', (_, socket) => {
      this.#count(COUNTER.TLS_FAILED);
      socket.destroy();
    });
  }

  asked(ends: Ends): void {
    const guest = this.#guests.get(keyOf(ends));
    if (!guest) return;
    guest.lastQueryMs = this.#nowMs;
    guest.queries++;
  }

  tooSlow(ends: Ends): void {
    const guest = this.#guests.get(keyOf(ends));
    if (guest) this.#close(guest, COUNTER.TLS_SLOW);
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    const { lifetimeMs, idleTimeoutMs } = this.#limits;
    for (const guest of this.#guests.values()) {
      const isIdle = guest.tls !== undefined && nowMs - guest.lastQueryMs >= idleTimeoutMs;
      if (isIdle || nowMs - guest.openedMs >= lifetimeMs) this.#close(guest, COUNTER.TLS_TIMEOUT);
    }
  }

  get connections(): number {
    return this.#guests.size;
  }

  /** For the keepalive option. */
  get keepalive(): number {
    return keepaliveOf(this.#guests.size, this.#limits);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const { tls, raw } of this.#guests.values()) (tls ?? raw).destroy();
  }

  #accept(raw: Socket, inner: Inner): void {
    raw.on('error', () => {});
    const source = new Uint8Array(16);
    if (!addressBytes(raw.remoteAddress ?? '', source)) return void raw.destroy();
    const client = clientOf(source, raw.remoteFamily === 'IPv6' ? 6 : 4);
    const { maxConnections, maxPerClient } = this.#limits;
    // First among its own: a client over its share takes no place from others.
    const hasRoom =
      this.#clients.count(client) >= maxPerClient
        ? this.#makeRoom(client)
        : this.#guests.size < maxConnections || this.#makeRoom();
    if (!hasRoom) {
      this.#count(COUNTER.TLS_REFUSED);
      raw.destroy();
      return;
    }
    this.#count(COUNTER.TLS_ACCEPTED);
    const openedMs = this.#nowMs;
    const guest: Guest = {
      ...{ key: keyOf(raw), raw, client, openedMs },
      ...{ lastQueryMs: openedMs, queries: 0, tls: undefined },
    };
    this.#guests.set(guest.key, guest);
    this.#clients.add(client);
    raw.on('close', () => this.#leave(guest));
    inner.emit('connection', raw);
  }

  /** As `TcpService` does: the oldest (of `client`) that never asked, else the one idle longest, if it is idle at all. */
  #makeRoom(client?: string): boolean {
    let oldest: Guest | undefined;
    let oldestMs = this.#nowMs;
    for (const guest of this.#guests.values()) {
      if (client !== undefined && guest.client !== client) continue;
      if (guest.queries === 0) {
        oldest = guest;
        break;
      }
      if (guest.lastQueryMs >= oldestMs) continue;
      oldest = guest;
      oldestMs = guest.lastQueryMs;
    }
    if (!oldest) return false;
    this.#close(oldest, COUNTER.TLS_TIMEOUT);
    return true;
  }

  #close(guest: Guest, counter: number): void {
    this.#count(counter);
    // Once is enough: the sockets tell of their end later.
    this.#leave(guest);
    (guest.tls ?? guest.raw).destroy();
  }

  /** The raw and the TLS socket both tell when they close. */
  #leave(guest: Guest): void {
    if (this.#guests.get(guest.key) !== guest) return;
    this.#guests.delete(guest.key);
    this.#clients.remove(guest.client);
  }

  #count(counter: number): void {
    this.#counters[counter] = this.#counters[counter]! + 1;
  }
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Ends): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
