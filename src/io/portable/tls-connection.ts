import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  type Connection,
  type ConnectionError,
  type ConnectionHandler,
  READ_BYTES,
  type TlsFacts,
} from '../network.js';
import type { SocketAddress } from '../tier.js';
import type { HandshakeEvents } from './tls.js';

/** What the plain connection of this tier knows too. */
export interface SocketFacts {
  readonly errorOf: (error: NodeJS.ErrnoException) => ConnectionError;
  readonly remoteOf: (socket: Socket) => SocketAddress;
  readonly localOf: (socket: Socket) => SocketAddress;
}

/** A socket of node:tls as a Connection. An accepted one has only its raw socket until the handshake is done. */
export class PortableTlsConnection implements Connection, HandshakeEvents {
  handler: ConnectionHandler;
  readonly remote: SocketAddress;
  readonly #raw: Socket;
  readonly #facts: SocketFacts;
  #socket: TLSSocket | null = null;
  #tls: TlsFacts | null = null;
  #error: ConnectionError | null = null;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #ended = false;
  #destroyed = false;
  #closed = false;
  #paused = false;

  constructor(raw: Socket, remote: SocketAddress, handler: ConnectionHandler, facts: SocketFacts) {
    this.#raw = raw;
    this.remote = remote;
    this.handler = handler;
    this.#facts = facts;
    raw.on('error', (error: NodeJS.ErrnoException) => this.#fail(facts.errorOf(error)));
    // Node says a little later what went wrong with TLS.
    raw.on('close', () => setImmediate(() => this.#close()));
  }

  get local(): SocketAddress {
    return this.#facts.localOf(this.#raw);
  }

  get tls(): TlsFacts | null {
    return this.#tls;
  }

  get queued(): number {
    return this.#socket?.writableLength ?? this.#earlyBytes;
  }

  get destroyed(): boolean {
    return this.#destroyed || this.#raw.destroyed;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.destroyed || this.#ended) return false;
    const copy = Buffer.copyBytesFrom(bytes, start, end - start);
    if (this.#socket) return this.#socket.write(copy);
    this.#early.push(copy);
    this.#earlyBytes += copy.length;
    return false;
  }

  /** See `takeSocket` of network.ts; null before the handshake is done. */
  takeSocket(): TLSSocket | null {
    this.pause();
    this.#socket?.removeAllListeners('data');
    return this.#socket;
  }

  pause(): void {
    this.#paused = true;
    this.#socket?.pause();
  }

  get peerEnded(): boolean {
    return false;
  }

  expectNothing(): void {}

  endsNext(): void {}

  resume(): void {
    this.#paused = false;
    this.#socket?.resume();
  }

  end(): void {
    this.#ended = true;
    this.#socket?.end();
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#error = null;
    if (this.#socket === null) this.#raw.destroy();
    // A message that is complete shall look so to the peer: close_notify goes first.
    else if (this.#tls !== null && this.#socket.writableLength === 0) this.#socket.destroySoon();
    else this.#socket.destroy();
  }

  reset(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#error = null;
    this.#raw.resetAndDestroy();
    this.#socket?.destroy();
  }

  /** An opened connection: what is written waits in the socket until the handshake is done. */
  follow(socket: TLSSocket): void {
    this.#attach(socket);
    socket.on('secureConnect', () => {
      this.#tls = factsOf(socket);
      if (!this.#destroyed) this.handler.onOpen(this);
    });
  }

  secured(socket: TLSSocket): void {
    if (this.#destroyed) {
      socket.destroy();
      return;
    }
    this.#tls = factsOf(socket);
    this.#attach(socket);
    for (const bytes of this.#early.splice(0)) socket.write(bytes);
    if (this.#ended) socket.end();
    if (this.#paused) socket.pause();
  }

  failed(message: string): void {
    this.#fail({ code: 'tls', message: `TLS handshake: ${message}` });
  }

  #attach(socket: TLSSocket): void {
    this.#socket = socket;
    socket.allowHalfOpen = true;
    socket.on('data', (chunk: Buffer) => this.#received(socket, chunk));
    socket.on('drain', () => {
      if (!this.#destroyed) this.handler.onDrain(this);
    });
    socket.on('end', () => {
      if (!this.#destroyed) this.handler.onEnd(this);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(this.#tlsError(error)));
    socket.on('close', () => this.#close());
  }

  #tlsError(error: NodeJS.ErrnoException): ConnectionError {
    const known = this.#facts.errorOf(error);
    if (this.#tls !== null && known.code !== 'other') return known;
    return known.code === 'other' || known.code === 'reset'
      ? { code: 'tls', message: this.#tls === null ? `TLS handshake: ${error.message}` : error.message }
      : known;
  }

  #fail(error: ConnectionError): void {
    if (!this.#destroyed) this.#error ??= error;
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Node does not always say why, for instance when a certificate was missing.
    if (this.#tls === null) this.#fail({ code: 'tls', message: 'TLS handshake: it was not completed' });
    this.#destroyed = true;
    this.handler.onClose(this, this.#error);
  }

  #received(socket: TLSSocket, chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#destroyed; at += READ_BYTES) {
      if (this.#paused && at > 0) {
        // Paused in the middle of a chunk: the rest comes again first.
        socket.unshift(chunk.subarray(at));
        return;
      }
      this.handler.onData(this, chunk, at, Math.min(at + READ_BYTES, chunk.length));
    }
  }
}

function factsOf(socket: TLSSocket): TlsFacts {
  const asked: unknown = Reflect.get(socket, 'servername');
  return {
    version: socket.getProtocol() === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3',
    cipher: socket.getCipher().name,
    serverName: typeof asked === 'string' && asked !== '' ? asked : null,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : null,
    resumed: socket.isSessionReused(),
    get peer() {
      const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
      if (certificate === undefined) return null;
      return { subject: certificate.subject, fingerprintSha256: certificate.fingerprint256 };
    },
  };
}
