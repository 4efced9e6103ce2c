import type {
  ClientTls,
  Connection,
  ConnectionError,
  ConnectionHandler,
  Network,
  TlsFacts,
} from '../io/network.js';
import type { SocketAddress } from '../io/tier.js';

/** RFC 8305 §5: the time that an attempt has before the next address is tried beside it. */
const ATTEMPT_DELAY_MS = 250;

const NO_ADDRESS: ConnectionError = { code: 'unreachable', message: 'the name has no address yet' };

/**
 * Opens a connection to one of several addresses: the first one that is up wins ("Happy Eyeballs", RFC 8305). One
 * address, the usual case, costs nothing more than a connection. `preface`: as for `connect`.
 */
export function connectToAny(
  network: Network,
  addresses: readonly SocketAddress[],
  tls: ClientTls | null,
  handler: ConnectionHandler,
  preface?: Uint8Array,
): Connection {
  const [only] = addresses;
  if (only !== undefined && addresses.length === 1) return network.connect(only, tls, handler, preface);
  return new RacingConnection(network, addresses, tls, handler, preface);
}

/** The attempts, and then the one that won. */
class RacingConnection implements Connection, ConnectionHandler {
  readonly #network: Network;
  readonly #addresses: readonly SocketAddress[];
  readonly #tls: ClientTls | null;
  readonly #preface: Uint8Array | undefined;
  readonly #attempts = new Set<Connection>();
  readonly #stopTimer: () => void;
  #handler: ConnectionHandler;
  #next = 0;
  #winner: Connection | null = null;
  #lastError: ConnectionError = NO_ADDRESS;
  #destroyed = false;
  #closed = false;

  constructor(
    network: Network,
    addresses: readonly SocketAddress[],
    tls: ClientTls | null,
    handler: ConnectionHandler,
    preface: Uint8Array | undefined,
  ) {
    this.#network = network;
    this.#preface = preface;
    this.#addresses = addresses;
    this.#tls = tls;
    this.#handler = handler;
    // Without an address the timer tells of the failure: handlers are not called from within a constructor.
    this.#stopTimer = network.every(addresses.length === 0 ? 1 : ATTEMPT_DELAY_MS, () => this.#tryNext());
    if (addresses.length > 0) this.#tryNext();
  }

  get handler(): ConnectionHandler {
    return this.#winner?.handler ?? this.#handler;
  }

  set handler(handler: ConnectionHandler) {
    this.#handler = handler;
    if (this.#winner !== null) this.#winner.handler = handler;
  }

  get remote(): SocketAddress {
    return this.#winner?.remote ?? this.#addresses[0] ?? { host: '0.0.0.0', port: 0 };
  }

  get local(): SocketAddress {
    return this.#winner?.local ?? { host: '0.0.0.0', port: 0 };
  }

  get tls(): TlsFacts | null {
    return this.#winner?.tls ?? null;
  }

  get queued(): number {
    return this.#winner?.queued ?? 0;
  }

  get destroyed(): boolean {
    return this.#destroyed || this.#winner?.destroyed === true;
  }

  /** Nothing can be written before `onOpen`: which address gets it is not known. */
  write(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#winner?.write(bytes, start, end) ?? false;
  }

  pause(): void {
    this.#winner?.pause();
  }

  get peerEnded(): boolean {
    return false;
  }

  expectNothing(): void {}

  endsNext(): void {}

  resume(): void {
    this.#winner?.resume();
  }

  end(): void {
    this.#winner?.end();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#stopTimer();
    if (this.#winner !== null) this.#winner.destroy();
    else if (this.#attempts.size > 0) for (const attempt of this.#attempts) attempt.destroy();
    else {
      const stop = this.#network.every(1, () => {
        stop();
        this.#tellClosed(null);
      });
    }
  }

  reset(): void {
    if (this.#winner !== null) this.#winner.reset();
    else this.destroy();
  }

  onOpen(attempt: Connection): void {
    if (this.#winner !== null || this.#destroyed) {
      attempt.destroy();
      return;
    }
    this.#winner = attempt;
    this.#stopTimer();
    for (const other of this.#attempts) if (other !== attempt) other.destroy();
    attempt.handler = this.#handler;
    this.#handler.onOpen(attempt);
  }

  onData(): void {}

  onDrain(): void {}

  onEnd(): void {}

  /** Of an attempt: the winner's go to the handler. */
  onClose(attempt: Connection, error: ConnectionError | null): void {
    this.#attempts.delete(attempt);
    if (this.#winner !== null) return;
    if (error !== null) this.#lastError = error;
    if (!this.#destroyed) this.#tryNext();
    else if (this.#attempts.size === 0) this.#tellClosed(null);
  }

  #tryNext(): void {
    if (this.#destroyed) return;
    const address = this.#addresses[this.#next];
    if (address === undefined) {
      if (this.#attempts.size === 0) this.#tellClosed(this.#lastError);
      return;
    }
    this.#next++;
    this.#attempts.add(this.#network.connect(address, this.#tls, this, this.#preface));
  }

  #tellClosed(error: ConnectionError | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#destroyed = true;
    this.#stopTimer();
    this.#handler.onClose(this, error);
  }
}
