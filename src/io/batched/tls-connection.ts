import { X509Certificate } from 'node:crypto';
import { addDescriptor, removeDescriptor } from '../descriptor-set.js';
import {
  type Connection,
  type ConnectionError,
  type ConnectionHandler,
  READ_BYTES,
  type TlsFacts,
} from '../network.js';
import { NO_SLOT } from '../roster.js';
import type { SocketAddress } from '../tier.js';
import { type ConnectionMemory, errorOf, LINGER_NONE, socketError } from './connection.js';
import { EPOLL, MSG, SHUT_WR, SO, SOL } from './linux.js';
import type { Loop, Soon } from './loop.js';
import { type OpenSsl, SSL_ERROR, X509_V_OK } from './openssl.js';
import { localAddress } from './socket.js';

/** Buffers read from one connection before others get their turn. */
const READS_MAX = 4;
/** What one TLS record carries at most (RFC 8446 section 5.1). */
const RECORD_BYTES = 16_384;
const ERRNO_RESET = 104;

/** A ServerTls or ClientTls of this tier. */
export interface SessionMaker {
  /** A session for a connection to `endpoint`; 0 if there is no memory for it. */
  open(fd: number, endpoint: string): number;
  handshake(ssl: number): number;
  /** A session that ended well. */
  keep(ssl: number, endpoint: string): void;
}

export interface TlsModules {
  readonly loop: Loop;
  readonly memory: ConnectionMemory;
  readonly openSsl: OpenSsl;
  readonly onClosed: (connection: TlsConnection) => void;
}

/**
 * One TLS connection over a socket in epoll. OpenSSL reads and writes the socket itself. Level-triggered, because it does
 * not tell whether its last read emptied the socket: so a request costs one read and no attempt in vain. Handlers
 * are called from the loop only.
 */
export class TlsConnection implements Connection, Soon {
  handler: ConnectionHandler;
  /** Kept for its network. */
  slot = NO_SLOT;
  readonly remote: SocketAddress;
  readonly fd: number;
  readonly #modules: TlsModules;
  readonly #maker: SessionMaker;
  readonly #opened: boolean;
  readonly #preface: Uint8Array | null;
  readonly #onReady = (events: number): void => this.#ready(events);
  #ssl = 0;
  #tls: TlsFacts | null = null;
  #connecting: boolean;
  /** What epoll is asked for; -1 if the socket is not in epoll. */
  #interest: number;
  #paused = false;
  /** Something can be read of which epoll tells no more. */
  #readable = false;
  #readEnded = false;
  #ending = false;
  #finSent = false;
  #destroyed = false;
  #error: ConnectionError | null = null;
  #scheduled = false;
  #queue: Uint8Array[] = [];
  #queued = 0;
  readonly #begunMs: number;

  constructor(
    fd: number,
    remote: SocketAddress,
    options: {
      readonly connecting: boolean;
      readonly handler: ConnectionHandler;
      /** Sent first, of an opened connection. */
      readonly preface?: Uint8Array;
    },
    maker: SessionMaker,
    modules: TlsModules,
  ) {
    this.fd = fd;
    this.remote = remote;
    this.handler = options.handler;
    this.#maker = maker;
    this.#opened = options.connecting;
    this.#preface = options.preface ?? null;
    this.#connecting = options.connecting;
    this.#modules = modules;
    this.#begunMs = modules.loop.nowMs;
    this.#interest = options.connecting ? EPOLL.OUT : EPOLL.IN;
    if (fd < 0) return;
    addDescriptor(modules.memory.open, fd);
    modules.loop.poller.add(fd, this.#interest, this.#onReady);
  }

  get local(): SocketAddress {
    return localAddress(this.#modules.loop.linux, this.fd);
  }

  get tls(): TlsFacts | null {
    return this.#tls;
  }

  get queued(): number {
    return this.#queued;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#destroyed || this.#ending || this.#error !== null) return false;
    let at = start;
    if (this.#queued === 0 && this.#tls !== null) at = this.#sendAll(bytes, start, end);
    if (at === end) return true;
    if (this.#error === null) {
      this.#queue.push(bytes.slice(at, end));
      this.#queued += end - at;
    }
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  get peerEnded(): boolean {
    return false;
  }

  expectNothing(): void {}

  endsNext(): void {}

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#readable) this.#later();
  }

  end(): void {
    if (this.#destroyed || this.#ending) return;
    this.#ending = true;
    if (this.#queued === 0 && this.#tls !== null) this.#sendEnd();
  }

  destroy(): void {
    if (this.#destroyed) return;
    // A message that is complete shall look so to the peer.
    if (this.#tls !== null && this.#queued === 0 && this.#error === null) this.#sayGoodbye();
    this.#tearDown();
  }

  reset(): void {
    if (this.#destroyed) return;
    this.#modules.loop.linux.setsockopt(this.fd, SOL.SOCKET, SO.LINGER, LINGER_NONE, 8);
    this.#tearDown();
  }

  /** Fails before it could begin: there is no socket (fd -1), or `connect` itself said no. */
  fail(errno: number): void {
    this.#abandon(errorOf(errno));
  }

  /** Gives up an accepted handshake that began before `ms`; nothing if it is done, or if whoever opened it has a limit of its own. */
  expire(ms: number): void {
    if (this.#tls === null && this.#begunMs < ms)
      this.#abandon({ code: 'timeout', message: 'TLS handshake: not done in time' });
  }

  runSoon(): void {
    this.#scheduled = false;
    if (this.#destroyed) this.#close();
    else if (this.#readable && !this.#paused) {
      this.#want(this.#interest < 0 ? EPOLL.IN : this.#interest | EPOLL.IN);
      this.#read();
    }
  }

  #ready(events: number): void {
    if (this.#destroyed) return;
    if (this.#connecting && !this.#connected(events)) return;
    if (this.#tls === null && !this.#shake()) return;
    if (this.#queued > 0 || (events & EPOLL.OUT) !== 0) {
      this.#flush();
      if (this.#destroyed) return;
    }
    const broken = (events & (EPOLL.HUP | EPOLL.ERR)) !== 0;
    if (this.#readEnded) {
      if (broken) this.#abandon(this.#error ?? this.#socketError());
    } else if (this.#paused) {
      this.#readable = true;
      // A hangup is told even to those who don't ask: only who is not in epoll at all is left in peace.
      this.#want(broken ? -1 : this.#interest & ~EPOLL.IN);
    } else this.#read();
  }

  /** True if TCP is up, and the handshake can begin. */
  #connected(events: number): boolean {
    if ((events & (EPOLL.OUT | EPOLL.ERR | EPOLL.HUP)) === 0) return false;
    const errno = socketError(this.#modules.loop.linux, this.fd);
    if (errno !== 0) {
      this.#abandon(errorOf(errno));
      return false;
    }
    this.#connecting = false;
    return this.#preface === null || this.#introduce(this.#preface);
  }

  /** True if the preface is sent: a new socket has room for it. */
  #introduce(preface: Uint8Array): boolean {
    const { loop, memory } = this.#modules;
    memory.writeBytes.set(preface);
    const sent = loop.linux.send(this.fd, memory.writeAddress, preface.length, MSG.NOSIGNAL);
    if (sent === preface.length) return true;
    this.#abandon(
      sent < 0 ? errorOf(loop.linux.errno()) : { code: 'other', message: 'no room for the preface' },
    );
    return false;
  }

  /** Goes on with the handshake. True when it is done: then what was read along with it is still to be taken. */
  #shake(): boolean {
    const { openSsl } = this.#modules;
    if (this.#ssl === 0) this.#ssl = this.#maker.open(this.fd, this.#endpoint);
    if (this.#ssl === 0) {
      this.#abandon({ code: 'tls', message: 'no TLS session could be made' });
      return false;
    }
    openSsl.clearErrors();
    const result = this.#maker.handshake(this.#ssl);
    if (result !== 1) {
      const error = openSsl.error(this.#ssl, result);
      if (error === SSL_ERROR.WANT_READ) this.#want(EPOLL.IN);
      else if (error === SSL_ERROR.WANT_WRITE) this.#want(EPOLL.IN | EPOLL.OUT);
      else this.#refused(error);
      return false;
    }
    openSsl.clearErrors();
    this.#tls = factsOf(openSsl, this.#ssl);
    this.#want(EPOLL.IN);
    if (this.#opened) this.handler.onOpen(this);
    if (!this.#destroyed && (this.#queued > 0 || this.#ending)) this.#flush();
    return !this.#destroyed;
  }

  #refused(error: number): void {
    const { openSsl, loop, memory } = this.#modules;
    const failure = this.#failure(error);
    const verified = openSsl.verifyResult(this.#ssl);
    const reason = verified === X509_V_OK ? '' : `: ${openSsl.verifyReason(verified)}`;
    // What the peer sent meanwhile would turn our close into a reset, and the alert would be lost with it.
    if (failure.code === 'tls') loop.linux.recv(this.fd, memory.readAddress, READ_BYTES, MSG.DONTWAIT);
    this.#abandon({ ...failure, message: `TLS handshake: ${failure.message}${reason}` });
  }

  #read(): void {
    const { openSsl, memory } = this.#modules;
    const { readBytes, readAddress } = memory;
    this.#readable = false;
    for (let i = 0; i < READS_MAX; i++) {
      let length = 0;
      let result = 0;
      // Whether OpenSSL holds more, of which epoll knows nothing.
      let more = false;
      do {
        result = openSsl.read(this.#ssl, readAddress + length, READ_BYTES - length);
        if (result <= 0) break;
        length += result;
        more = openSsl.hasPending(this.#ssl) === 1;
      } while (more && length <= READ_BYTES - RECORD_BYTES);
      // Before the handler uses OpenSSL too, and its errors mix with ours.
      const error = result > 0 ? SSL_ERROR.NONE : openSsl.error(this.#ssl, result);
      const failure = error === SSL_ERROR.SSL || error === SSL_ERROR.SYSCALL ? this.#failure(error) : null;
      if (length > 0) {
        this.handler.onData(this, readBytes, 0, length);
        if (this.#destroyed) return;
      }
      if (failure !== null) return this.#abandon(this.#error ?? failure);
      if (error === SSL_ERROR.ZERO_RETURN) return this.#ended();
      if (error === SSL_ERROR.WANT_WRITE) this.#want(EPOLL.IN | EPOLL.OUT);
      // Of what is left in the socket epoll tells again.
      if (error !== SSL_ERROR.NONE || !more) return;
      if (this.#paused) break;
    }
    this.#readable = true;
    if (!this.#paused) this.#later();
  }

  #ended(): void {
    this.#readEnded = true;
    this.#want(this.#interest & ~EPOLL.IN);
    if (this.#error !== null) return this.#abandon(this.#error);
    this.handler.onEnd(this);
    if (this.#finSent) this.destroy();
  }

  /** Index after the last byte that OpenSSL took. */
  #sendAll(bytes: Uint8Array, start: number, end: number): number {
    const { memory, openSsl } = this.#modules;
    const base = memory.addressOf(bytes);
    let at = start;
    while (at < end) {
      // Not more than a record: a write that has to be tried again must come with the same bytes.
      const length = Math.min(end - at, RECORD_BYTES);
      if (base === 0) memory.writeBytes.set(bytes.subarray(at, at + length));
      const sent = openSsl.write(this.#ssl, base > 0 ? base + at : memory.writeAddress, length);
      if (sent > 0) {
        at += sent;
        continue;
      }
      const error = openSsl.error(this.#ssl, sent);
      if (error === SSL_ERROR.WANT_WRITE) this.#want(this.#interest | EPOLL.OUT);
      else if (error !== SSL_ERROR.WANT_READ) this.#cannotWrite(this.#failure(error));
      return at;
    }
    return at;
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
    this.#want(this.#interest & ~EPOLL.OUT);
    if (wanted) this.handler.onDrain(this);
    if (this.#ending && this.#queued === 0 && !this.#destroyed) this.#sendEnd();
  }

  #sendEnd(): void {
    if (this.#finSent) return;
    this.#finSent = true;
    this.#sayGoodbye();
    this.#modules.loop.linux.shutdown(this.fd, SHUT_WR);
    if (this.#readEnded) this.destroy();
  }

  /** close_notify: without it the peer must take what it got for cut off (RFC 8446 section 6.1). */
  #sayGoodbye(): void {
    const { openSsl } = this.#modules;
    if (openSsl.shutdown(this.#ssl) < 0) openSsl.clearErrors();
  }

  /** What the peer sent before it stopped listening may still be worth reading: an early response, for instance. */
  #cannotWrite(failure: ConnectionError): void {
    this.#error = failure;
    this.#queue = [];
    this.#queued = 0;
    this.#readable = true;
    if (this.#readEnded) this.#abandon(failure);
    else this.#later();
  }

  /** Empties the queue of errors; for `error` SSL or SYSCALL, right after the call that failed. */
  #failure(error: number): ConnectionError {
    const { loop, openSsl } = this.#modules;
    const errno = loop.linux.errno();
    const reason = openSsl.takeError();
    if (reason !== '') return { code: 'tls', message: reason };
    if (error === SSL_ERROR.SYSCALL && errno !== 0) return errorOf(errno);
    return { code: 'tls', message: 'the peer closed the connection' };
  }

  #socketError(): ConnectionError {
    return errorOf(socketError(this.#modules.loop.linux, this.fd) || ERRNO_RESET);
  }

  /** Makes epoll tell of `interest` only, -1 for nothing at all. */
  #want(interest: number): void {
    const before = this.#interest;
    if (interest === before) return;
    this.#interest = interest;
    const { poller } = this.#modules.loop;
    if (interest < 0) poller.remove(this.fd);
    else if (before < 0) poller.add(this.fd, interest, this.#onReady);
    else poller.change(this.fd, interest);
  }

  #abandon(error: ConnectionError): void {
    if (this.#destroyed) return;
    this.#tearDown();
    this.#error = error;
  }

  #tearDown(): void {
    this.#destroyed = true;
    this.#error = null;
    this.#queue = [];
    this.#queued = 0;
    this.#modules.loop.poller.forget(this.fd);
    this.#later();
  }

  #later(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#modules.loop.soon(this);
  }

  #close(): void {
    const { loop, memory, onClosed, openSsl } = this.#modules;
    if (this.#ssl !== 0) {
      if (this.#tls !== null && this.#error === null) this.#maker.keep(this.#ssl, this.#endpoint);
      openSsl.sslFree(this.#ssl);
      openSsl.clearErrors();
      this.#ssl = 0;
    }
    if (this.fd >= 0) {
      removeDescriptor(memory.open, this.fd);
      loop.linux.close(this.fd);
    }
    onClosed(this);
    this.handler.onClose(this, this.#error);
  }

  get #endpoint(): string {
    return `${this.remote.host} ${this.remote.port}`;
  }
}

function factsOf(openSsl: OpenSsl, ssl: number): TlsFacts {
  const certificate = openSsl.peerCertificate(ssl);
  const bytes = certificate === 0 ? null : openSsl.certificateBytes(certificate);
  if (certificate !== 0) openSsl.certificateFree(certificate);
  const valid = bytes !== null && openSsl.verifyResult(ssl) === X509_V_OK;
  return new Facts(openSsl, ssl, valid ? bytes : null);
}

class Facts implements TlsFacts {
  readonly version: TlsFacts['version'];
  readonly cipher: string;
  readonly serverName: string | null;
  readonly alpn: string | null;
  readonly resumed: boolean;
  readonly #certificate: Buffer | null;

  constructor(openSsl: OpenSsl, ssl: number, certificate: Buffer | null) {
    this.version = openSsl.version(ssl) === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3';
    this.cipher = openSsl.cipher(ssl);
    this.serverName = openSsl.serverName(ssl);
    this.alpn = openSsl.alpn(ssl);
    this.resumed = openSsl.reused(ssl) === 1;
    this.#certificate = certificate;
  }

  /** Read from the certificate when somebody asks, because that costs as much as a small request. */
  get peer(): TlsFacts['peer'] {
    if (this.#certificate === null) return null;
    const { subject, fingerprint256 } = new X509Certificate(this.#certificate);
    return { subject, fingerprintSha256: fingerprint256 };
  }
}
