import type { SocketAddress } from './tier.js';

/**
 * UDP as the proxy uses it: listeners, and sockets that are connected to one endpoint each. Two tiers offer it:
 * `batched/udp-flows.ts` (Linux, by FFI) and `portable/udp-flows.ts` (node:dgram). Both pass
 * test/contract/datagram-network.test.ts.
 */

/**
 * Where a datagram came from and where it went to, as bytes that can be kept and compared:
 *
 *     family 1 (4 or 6) | 0 | port 2 | source 16 | destination 16 (zeros unless the listener has a wildcard address) |
 *     scope 4 (of a link-local source; as the system gives it)
 *
 * An IPv4 address takes the first four bytes of its sixteen.
 */
export const ORIGIN_BYTES = 40;
export const ORIGIN = { FAMILY: 0, PORT: 2, SOURCE: 4, DESTINATION: 20, SCOPE: 36 } as const;

/** Largest datagram, bytes. */
export const DATAGRAM_MAX = 65_535;

/** Bytes in front of each datagram that came in which whoever gets it may overwrite, to send it on with a header. */
export const HEADROOM = 64;

/** `bytes[start, end)` came in from the origin at `originAt` of `origin`. All arrays are used again after the call. */
export type DatagramTaker = (
  bytes: Uint8Array,
  start: number,
  end: number,
  origin: Uint8Array,
  originAt: number,
) => void;

export interface DatagramListening {
  readonly address: SocketAddress;
  /** Sends `bytes[start, end)` back to an origin, perhaps a moment later; the array may be used again at once. */
  send(bytes: Uint8Array, start: number, end: number, origin: Uint8Array, originAt: number): void;
  close(): void;
}

/** Of a connected socket. Never called from within its methods. */
export interface PeerHandler {
  /** `bytes[start, end)` came from the peer. The array is used again after the call. */
  onDatagram(bytes: Uint8Array, start: number, end: number): void;
  /** The network said that the peer is not there (ICMP). The socket stays open. */
  onUnreachable(): void;
}

export interface PeerSocket {
  /** Sends `bytes[start, end)`; false if that is not possible now, and the datagram is lost. */
  send(bytes: Uint8Array, start: number, end: number): boolean;
  /** Nobody is called any more. */
  close(): void;
}

export interface DatagramNetwork {
  readonly name: 'batched' | 'portable';
  /** Milliseconds that never go back, as of the last time something happened. */
  readonly nowMs: number;
  /** Throws ListenError. `shared`: other threads listen on the same address too (SO_REUSEPORT). */
  listen(
    address: SocketAddress,
    options: { readonly shared: boolean },
    take: DatagramTaker,
  ): Promise<DatagramListening>;
  /** A socket that sends to an IP address, and gets what comes from there only. Null if there can be none. */
  connect(address: SocketAddress, handler: PeerHandler): PeerSocket | null;
  /** Calls back about every `periodMs`, until the function that it returns is called. */
  every(periodMs: number, callback: () => void): () => void;
  /** Closes everything that is open. */
  close(): void;
}
