import type { SocketAddress } from './tier.js';

/**
 * TCP as the proxy uses it. Two tiers offer it: `batched/` (Linux: epoll and OpenSSL by FFI) and `portable/`
 * (node:net and node:tls). Both pass test/contract/network.test.ts. Nothing here knows HTTP.
 */

/** The most that one call of `onData` hands over. */
export const READ_BYTES = 65_536;
/** A head and all that was read beside it. */
export const SCRATCH_BYTES: number = 2 * READ_BYTES;

/** What is known of a finished TLS handshake. */
export interface TlsFacts {
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  readonly cipher: string;
  /** The name that the client asked for. */
  readonly serverName: string | null;
  /** The protocol that both sides agreed on, such as `http/1.1`. */
  readonly alpn: string | null;
  readonly resumed: boolean;
  /** Of the peer's certificate, if it showed a valid one. */
  readonly peer: { readonly subject: string; readonly fingerprintSha256: string } | null;
}

export type ConnectionErrorCode = 'refused' | 'unreachable' | 'timeout' | 'reset' | 'tls' | 'other';

export interface ConnectionError {
  readonly code: ConnectionErrorCode;
  readonly message: string;
}

/** One TCP connection, accepted or opened; with TLS, the bytes are the decrypted ones. */
export interface Connection {
  /** Who is told what happens. It may be replaced at any time, for instance by a tunnel. */
  handler: ConnectionHandler;
  readonly remote: SocketAddress;
  readonly local: SocketAddress;
  /** Null without TLS, and before the handshake is done. */
  readonly tls: TlsFacts | null;
  /** Bytes that were written and wait for the peer; `onDrain` follows if there are any. */
  readonly queued: number;
  readonly destroyed: boolean;
  /** The peer's end is here, behind bytes that may still wait to be read; false also where the network can't tell. */
  readonly peerEnded: boolean;
  /**
   * Sends `bytes[start, end)`, which the caller may use again at once. False if something waits now: the bytes
   * were taken all the same, but more should follow only after `onDrain`.
   */
  write(bytes: Uint8Array, start: number, end: number): boolean;
  /** Stops and starts the calls of `onData`; the kernel's buffer then fills, and the peer has to wait. */
  pause(): void;
  resume(): void;
  /**
   * The peer is done speaking until it is answered: that it is still there may be looked for less often. Holds until
   * `resume`.
   */
  expectNothing(): void;
  /** `end` or `destroy` soon follow on the next `write`: what it sends may wait a moment, and leave together with the end. */
  endsNext(): void;
  /** Sends our end after everything that waits. Reading goes on. */
  end(): void;
  /** Closes at once; what waits is lost. `onClose` follows with null, never before this returns. */
  destroy(): void;
  /** Like `destroy`, but the peer sees a reset: a message that was cut must not look complete. */
  reset(): void;
}

/** None of these is ever called from within a method of the connection. */
export interface ConnectionHandler {
  /** An opened connection can be written to: TCP and TLS are up. Not called for accepted ones. */
  onOpen(connection: Connection): void;
  /** `bytes[start, end)` came in. The array is used again after the call: keep a copy of what is needed later. */
  onData(connection: Connection, bytes: Uint8Array, start: number, end: number): void;
  /** Nothing waits to be written any more. */
  onDrain(connection: Connection): void;
  /** The peer will send no more. */
  onEnd(connection: Connection): void;
  /** The last call. Null if we closed it, or both sides ended. */
  onClose(connection: Connection, error: ConnectionError | null): void;
}

/** A certificate chain and its key, PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface ServerTlsOptions {
  /** The first one is for clients that ask for no name or for an unknown one. */
  readonly certificates: readonly Certificate[];
  /** In our order of preference; empty for none. */
  readonly alpn: readonly string[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Session tickets: 48 bytes each; the first one makes tickets, all of them open tickets. Empty: none. */
  readonly ticketKeys: readonly Uint8Array[];
  /** Certificates of clients: PEM of the authorities that are believed; null to ask for none. */
  readonly clientCa: { readonly ca: string; readonly required: boolean } | null;
}

export interface ClientTlsOptions {
  /** Sent as SNI and compared with the certificate. */
  readonly serverName: string;
  /** PEM of the authorities that are believed; null for those of the system. */
  readonly ca: string | null;
  readonly verify: boolean;
  readonly alpn: readonly string[];
  /** What we show if the endpoint asks. */
  readonly certificate: Certificate | null;
}

/** Made by a Network for its own connections. `replace` takes effect for the next handshakes. */
export interface ServerTls {
  replace(options: ServerTlsOptions): void;
  close(): void;
}

export interface ClientTls {
  close(): void;
}

/** What some accepted connections begin with, in front of TLS. */
export interface Preface {
  readonly timeoutMs: number;
  /** Whether a connection from this address begins with one. */
  expected(remote: SocketAddress): boolean;
  /** Reads `bytes[start, end)`: the length of the preface, 0 if more may complete it, -1 to close the connection. */
  read(bytes: Uint8Array, start: number, end: number): number;
  /** It did not come in time, or too many wait for theirs: the connection is closed. */
  late(): void;
}

/** Longest preface, bytes. */
export const PREFACE_MAX = 2048;
/** Connections of one network that wait for theirs. */
export const PREFACES_MAX = 4096;

export interface ListenOptions {
  /** Other threads listen on the same address too (SO_REUSEPORT). */
  readonly shared: boolean;
  readonly tls: ServerTls | null;
  /** With `tls` only: `accept` is then called right after `read` gave a length. */
  readonly preface?: Preface;
}

export interface Listening {
  readonly address: SocketAddress;
  /** Stops accepting; connections go on. */
  close(): void;
  /**
   * Stops accepting, but takes the connections that are on their way: closing at once would reset those, even while
   * another program takes over the address. Calls back when it is closed.
   */
  retire(onClosed: () => void): void;
}

export interface Network {
  readonly name: 'batched' | 'portable';
  /** Milliseconds that never go back, as of the last time something happened. */
  readonly nowMs: number;
  /** Part of the time since the last call in which the thread worked, 0 to 1. */
  busy(): number;
  /** Memory to compose a message in, for one `write` right after: SCRATCH_BYTES of it. Writing from here copies least. */
  readonly scratch: Uint8Array;
  /**
   * Listens on an IP address. `accept` gives the handler of a new connection, or null to close it at once; with
   * TLS it is asked before the handshake. Throws ListenError.
   */
  listen(
    address: SocketAddress,
    options: ListenOptions,
    accept: (connection: Connection) => ConnectionHandler | null,
  ): Promise<Listening>;
  /** Opens a connection to an IP address. It fails by `onClose`, never by an exception. */
  connect(
    address: SocketAddress,
    tls: ClientTls | null,
    handler: ConnectionHandler,
    /** Sent in front of TLS, PREFACE_MAX bytes at most; ignored without TLS, where the first `write` is the first. */
    preface?: Uint8Array,
  ): Connection;
  /** Throws an Error whose message names what is wrong with a certificate or key. */
  serverTls(options: ServerTlsOptions): ServerTls;
  clientTls(options: ClientTlsOptions): ClientTls;
  /** Calls back about every `periodMs`, until the function that it returns is called. */
  every(periodMs: number, callback: () => void): () => void;
  /**
   * Joins two plain connections in the kernel, where the tier can (absent: never). True if it is done: their
   * handlers hear `onEnd` and `onClose` as before, but no data; `moved` is told how much went from which. For bulk: each
   * small message costs more than a copy. Nothing of either may wait to be written.
   */
  join?(a: Connection, b: Connection, moved: (from: Connection, bytes: number) => void): boolean;
  /** Closes everything that is open. */
  close(): void;
}
