import type { Identity } from '../core/answer/identity.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import type { TrustedPrefix } from '../core/proxy-protocol/trusted.js';
import type { DescriptorSet } from '../io/descriptor-set.js';
import type { SocketAddress } from '../io/tier.js';
import type { XdpQueue } from '../io/xdp/queue.js';
import type { LedgerMemory, LedgerOptions } from './ledger.js';
import type { LimitEvent } from './limit-watch.js';

/** All that passes between the main thread and a DNS worker. Shared memory passes once, at the start. */

export interface WorkerOptions {
  readonly listen: readonly SocketAddress[];
  readonly io: 'batched' | 'portable';
  /** Other workers listen on the same addresses. */
  readonly shared: boolean;
  readonly datagramMax: number;
  readonly tcp: TcpLimits;
  /** Senders of PROXY headers; empty for none. */
  readonly proxies: readonly TrustedPrefix[];
}

/** PEM texts: a certificate with its chain, and its key. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** What the thread of the encrypted transports serves; its limits are those of TCP, for itself. */
export interface EncryptedOptions {
  readonly dot?: { readonly listen: readonly SocketAddress[]; readonly credentials: Credentials };
  readonly doh?: {
    readonly listen: readonly SocketAddress[];
    readonly credentials: Credentials;
    readonly path: string;
  };
}

export interface TcpLimits {
  /** Of one worker. */
  readonly maxConnections: number;
  readonly idleTimeoutMs: number;
  /** A connection is closed after this, however busy it is. */
  readonly lifetimeMs: number;
  /** Connections of one IPv4 address, or of one IPv6 /56. */
  readonly maxPerClient: number;
  /** Queries on one connection; then it is closed. */
  readonly maxQueries: number;
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly options: WorkerOptions;
  readonly snapshot: Snapshot;
  /** Health words, written by the control plane, read here (`core/health/word.ts`). */
  readonly health: Int32Array;
  /** Written by this worker only (`core/answer/counters.ts`). */
  readonly counters: Float64Array;
  /** Seed of the weighted choices. */
  readonly seed: number;
  /** Receive queues of network cards that this worker serves; none where absent. */
  readonly queues?: readonly XdpQueue[];
  /** Absent: the node says nothing about itself and makes no cookies. */
  readonly identity?: Identity;
  /** Only for the thread of the encrypted transports. */
  readonly encrypted?: EncryptedOptions;
  /** What is limited, counted by zone and logged. `key`: two random words, nobody's guess. */
  readonly ledger?: {
    readonly options: LedgerOptions;
    readonly memory: LedgerMemory;
    readonly key: readonly [number, number];
  };
}

export type ToWorker =
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  /** For the thread of the encrypted transports: later handshakes use these. */
  | { readonly type: 'credentials'; readonly of: 'dot' | 'doh'; readonly credentials: Credentials }
  | { readonly type: 'stop' };

export type FromWorker =
  | {
      readonly type: 'serving';
      readonly wakeFd: number;
      readonly descriptors: readonly number[];
      readonly connections?: DescriptorSet | undefined;
    }
  /** All sockets are closed; the thread ends. */
  | { readonly type: 'closed' }
  | {
      readonly type: 'failed';
      readonly code: string;
      readonly address: SocketAddress;
      readonly message: string;
    }
  | { readonly type: 'applied'; readonly id: number }
  /** A few a second at most. */
  | { readonly type: 'limit'; readonly event: LimitEvent }
  /** An exception in the query path, which is a bug; at most one message a second. */
  | { readonly type: 'fault'; readonly message: string };
