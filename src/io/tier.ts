import type { DescriptorSet } from './descriptor-set.js';
import type { XdpQueue } from './xdp/queue.js';

/**
 * What the data plane needs of the operating system. Two tiers offer it: `batched/` (Linux, system calls by
 * FFI) and `portable/` (node:dgram and node:net). Both pass test/contract/io-tier.test.ts.
 */

export interface SocketAddress {
  /** An IPv4 or IPv6 address in text, without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Answers the datagram at `start..end` of `input` into `output` from `base` on; returns the length of the
 * answer, 0 for none. The client's address is 4 or 16 bytes at `sourceAt` of `source`. All arrays are used
 * again for the next datagram; `output` may be `input`, and `base` be `start`.
 */
export type DatagramHandler = (
  input: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  base: number,
  source: Uint8Array,
  sourceAt: number,
  family: 4 | 6,
) => number;

/** One accepted TCP connection. */
export interface StreamConnection {
  readonly family: 4 | 6;
  /** 4 or 16 bytes. */
  readonly source: Uint8Array;
  /** What the handler knows of it; null at first. */
  attached: object | null;
  /**
   * Sends `from..end` of `bytes`, which the caller may use again at once. While the peer does not take what was
   * written, nothing more is read from it; `false` says that more than the limit waits, or that the connection
   * is gone: the caller should close it.
   */
  write(bytes: Uint8Array, from: number, end: number): boolean;
  /** Lets what was written out, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface StreamHandler {
  /** A connection was accepted; false closes it at once. */
  opened(connection: StreamConnection): boolean;
  /** The first `length` bytes of `bytes` came in; the array is used again after the call. */
  received(connection: StreamConnection, bytes: Uint8Array, length: number): void;
  /** The peer will send no more. */
  ended(connection: StreamConnection): void;
  closed(connection: StreamConnection): void;
}

export interface TierEvents {
  /** A message may be waiting for this thread (batched tier). */
  woken(): void;
  /** About once a second, for idle limits. Milliseconds of a monotonic clock. */
  tick(nowMs: number): void;
  /** Datagrams that could not be sent. */
  sendFailed(count: number): void;
}

export interface TierOptions {
  /** Other threads listen on the same address too (SO_REUSEPORT). */
  readonly shared: boolean;
  /** Largest datagram that is sent, bytes. */
  readonly datagramMax: number;
  /** Bytes that may wait for a slow peer on one connection. */
  readonly writeQueueMax: number;
}

export interface Tier {
  readonly name: 'batched' | 'portable';
  /** Binds UDP and TCP to one address. Throws ListenError. */
  listen(address: SocketAddress, datagrams: DatagramHandler, streams: StreamHandler): Promise<SocketAddress>;
  /** Serves receive queues of network cards too; they stay their owner's. Batched tier only. */
  serveQueues(queues: readonly XdpQueue[], datagrams: DatagramHandler): void;
  /** Serves until `stop()`. In the batched tier the thread is blocked meanwhile. */
  run(): Promise<void>;
  /** From within a handler or event. Closes all sockets; `run` returns. */
  stop(): void;
  /** Descriptor that another thread writes eight bytes to, to cause `woken()`; -1 where messages arrive by themselves. */
  readonly wakeFd: number;
  /**
   * Descriptors that outlive this thread if it ends without returning from `run`. A dead socket of a
   * SO_REUSEPORT group goes on taking its share of the packets, so somebody must close them.
   */
  readonly descriptors: readonly number[];
  /** Likewise the connections that are open: their peers would wait for answers until they give up. */
  readonly connections: DescriptorSet | undefined;
}

/** A socket could not be opened or bound. */
export class ListenError extends Error {
  readonly code: string;
  readonly address: SocketAddress;

  constructor(code: string, address: SocketAddress, message: string) {
    super(message);
    this.name = 'ListenError';
    this.code = code;
    this.address = address;
  }
}

/** Largest datagram that is taken whole; a longer one is cut and then refused as malformed. */
export const DATAGRAM_IN_MAX = 2048;
/** Read from one connection before others get their turn: many queries, but few enough to be quick. */
export const STREAM_READ_BYTES = 4096;
/** Kernel buffers of a UDP socket: room for a burst while the thread does something else. */
export const UDP_BUFFER_BYTES: number = 4 << 20;
/** Connections that wait to be accepted; one too many would come again after a second. */
export const LISTEN_BACKLOG = 4096;
