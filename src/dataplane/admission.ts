import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { COUNTER } from '../core/answer/counters.js';
import { addressBytes } from '../io/address.js';
import { listenError } from '../io/free-port.js';
import type { SocketAddress } from '../io/tier.js';
import { ClientCounts, clientOf } from './client-counts.js';
import type { TcpLimits } from './protocol.js';

interface Guest {
  readonly key: string;
  readonly raw: Socket;
  readonly client: string;
  readonly openedMs: number;
  /** Once the handshake is done. */
  tls: TLSSocket | undefined;
}

/** Takes over a connection that was let in: node's TLS and HTTP/2 servers do so at a `connection` event. */
export interface Inner {
  emit(event: 'connection', socket: Socket): boolean;
  on(event: 'secureConnection', listener: (socket: TLSSocket) => void): unknown;
  on(event: 'tlsClientError', listener: (error: Error, socket: TLSSocket) => void): unknown;
}

/**
 * Listens in front of a TLS server and lets in as many connections as the limits allow, before a handshake costs
 * anything. It closes those that are too old or, after the handshake, say nothing; the TLS server itself those that do
 * not finish the handshake.
 */
export class Admission {
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

  /** Throws ListenError. */
  async listen(address: SocketAddress, inner: Inner): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket, inner));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address)));
      server.listen({ port: address.port, host: address.host, ipv6Only: true, exclusive: true }, resolve);
    });
    server.removeAllListeners('error');
    // EMFILE and the like: the connection is lost, the server goes on.
    server.on('error', () => {});
    this.#servers.push(server);
  }

  /** Tells of handshakes; once for each TLS server. */
  watch(inner: Inner): void {
    inner.on('secureConnection', (socket) => {
      socket.on('error', () => {});
      const guest = this.#guests.get(keyOf(socket));
      if (!guest) return void socket.destroy();
      guest.tls = socket;
      socket.on('close', () => this.#leave(guest));
      socket.setTimeout(this.#limits.idleTimeoutMs, () => this.#timeout(guest));
    });
    inner.on('tlsClientError', (_, socket) => {
      this.#count(COUNTER.TLS_FAILED);
      socket.destroy();
    });
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const guest of this.#guests.values()) {
      if (nowMs - guest.openedMs >= this.#limits.lifetimeMs) this.#timeout(guest);
    }
  }

  get connections(): number {
    return this.#guests.size;
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
    if (this.#guests.size >= maxConnections || this.#clients.count(client) >= maxPerClient) {
      this.#count(COUNTER.TLS_REFUSED);
      raw.destroy();
      return;
    }
    this.#count(COUNTER.TLS_ACCEPTED);
    const guest: Guest = { key: keyOf(raw), raw, client, openedMs: this.#nowMs, tls: undefined };
    this.#guests.set(guest.key, guest);
    this.#clients.add(client);
    raw.on('close', () => this.#leave(guest));
    inner.emit('connection', raw);
  }

  #timeout(guest: Guest): void {
    this.#count(COUNTER.TLS_TIMEOUT);
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

/** The same for a socket and for the TLS socket over it. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
