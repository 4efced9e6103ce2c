/** What `proxy.yaml` means for listeners that don't speak HTTP, beyond plain TCP. Plain data; times are milliseconds. */
import type { TrustedPrefix } from '../proxy-protocol/trusted.js';
import type { Address } from './model.js';

/** TLS that is led on by the name that the client asks for, and not ended here. */
export interface PassthroughModel {
  readonly protocol: 'tls_passthrough';
  readonly listen: Address;
  readonly routes: readonly { readonly name: string; readonly pool: string }[];
  /** For clients without a name, or with another one; null to refuse them. */
  readonly fallback: string | null;
  /** Who has to send a PROXY header. */
  readonly headersFrom: readonly TrustedPrefix[];
}

export interface UdpModel {
  readonly protocol: 'udp';
  readonly listen: Address;
  readonly pool: string;
  /** A flow without a datagram for so long ends. */
  readonly idleMs: number;
  /** Flows of one client: an IPv4 address, or a /64 of IPv6. */
  readonly flowsPerSource: number;
  /** Answers for each datagram of a client, after which its flow ends; 0: only idleness ends it. */
  readonly answers: number;
}

export const DEFAULT_UDP = { idleMs: 30_000, flowsPerSource: 1000, answers: 0 } as const;
