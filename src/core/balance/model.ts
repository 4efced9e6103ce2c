/**
 * The typed model of a regional proxy: what `proxy.yaml` means after it was read and checked.
 * `sources` builds it, the proxy room runs it. Plain data; times are milliseconds.
 */

import type { AccessLogModel } from '../access-log/model.js';
import type { CompressionModel } from '../http/compression.js';
import type { RouteModel } from '../http/route.js';
import type { AdmissionModel } from '../limit/admission.js';
import type { BreakerModel } from '../limit/breaker.js';
import type { ConcurrencyModel } from '../limit/concurrency-limit.js';
import type { AccessListModel, PeersModel, RateLimitModel, SourceModel } from '../limit/limit-model.js';
import type { RetryModel } from '../limit/retry.js';
import type { RetryBudgetModel } from '../limit/retry-budget.js';
import type { TokenRate } from '../limit/token-bucket.js';
import type { ProxyVersion } from '../proxy-protocol/header.js';
import type { TrustedPrefix } from '../proxy-protocol/trusted.js';
import type { PoolScaling, ScalingModel } from '../scaling/model.js';
import type { StatusRange } from '../zone/model.js';
import type { FailMode, FallbackModel, StaleModel } from './degradation.js';
import type { PassthroughModel, UdpModel } from './l4-model.js';
import type { StickyModel } from './sticky-model.js';
import type { ListenerTls, PoolTls } from './tls-model.js';

/** An IP address (no brackets) or, for endpoints, a host name; and a port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export type Balance =
  | 'round_robin'
  | 'least_connections'
  | 'random'
  | 'p2c'
  | 'ip_hash'
  | 'maglev'
  | 'least_time'
  | 'first';

/** What of a request decides about its endpoint, for the algorithms that hash. */
export type HashSource =
  | { readonly key: 'address' | 'path' }
  /** The name of a header (lower-case) or of a cookie. */
  | { readonly key: 'header' | 'cookie'; readonly name: string };

export interface HashModel {
  readonly source: HashSource;
  /** An endpoint takes at most so many times its share of the work in progress; above 1. */
  readonly bound: number;
}

export interface PanicModel {
  /** Below this part of the weight being healthy, 0 to 1. */
  readonly threshold: number;
  /** `open`: all endpoints are used, healthy or not. `secure`: none is. */
  readonly mode: 'open' | 'secure';
}

export interface SlowStartModel {
  readonly durationMs: number;
  /** 1 is a straight line; more gives most of the weight early. */
  readonly aggression: number;
}

/** Passive health: what responses say about endpoints. */
export interface OutlierModel {
  /** Errors in a row that eject; 0: they don't. */
  readonly consecutive: number;
  readonly intervalMs: number;
  /** The first ejection; the n-th one in close succession lasts n times as long. */
  readonly ejectionMs: number;
  readonly ejectionMsMax: number;
  /** Part of the endpoints that may be ejected at once, 0 to 1; one always may. */
  readonly ejectedMax: number;
  /** Null: success rates don't eject. */
  readonly successRate: SuccessRateModel | null;
}

export interface SuccessRateModel {
  /** So many endpoints must have had `requests` in an interval before they are compared. */
  readonly hosts: number;
  readonly requests: number;
  /** Standard deviations below the mean that eject. */
  readonly deviations: number;
}

/** For each endpoint of a pool; what is absent has no limit of its own. */
export interface EndpointLimits {
  /** Connections, idle ones included. */
  readonly connections?: number;
  /** Requests and sessions in progress. */
  readonly requests?: number;
  /** Connections being opened. */
  readonly pending?: number;
}

/** For all endpoints of a pool together; what is absent has no limit. */
export interface PoolLimits extends EndpointLimits {
  /** Requests in progress that are tried once more; 0: none is. */
  readonly retries?: number;
}

/** Requests that wait while no endpoint has room. */
export interface QueueModel {
  readonly size: number;
  readonly timeoutMs: number;
  /** A queue that has been standing for longer serves the newest first; absent: always first come, first served. */
  readonly standingMs?: number;
}

/** `h2` is HTTP/2 over TLS, `h2c` in the clear; `grpc` is either, by whether the pool has TLS. */
export type UpstreamProtocol = 'h1' | 'h2' | 'h2c' | 'grpc';

export interface HealthCheck {
  readonly type: 'tcp' | 'http' | 'https' | 'grpc';
  /** Another port than the endpoint's own. */
  readonly port?: number;
  readonly path: string;
  readonly host?: string;
  readonly status: readonly StatusRange[];
  readonly verify: boolean;
  /** grpc: the name that `grpc.health.v1.Health/Check` is asked for; empty for the server as a whole. */
  readonly service?: string;
  /** grpc: over TLS. */
  readonly tls?: boolean;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly fall: number;
  readonly rise: number;
}

export interface EndpointModel {
  readonly address: Address;
  /** 0 to 1000; 0 is used only when no endpoint with a weight is up. */
  readonly weight: number;
  /** 0 is used first; the next ones take what it can't. Absent: 0. */
  readonly priority?: number;
  /** Used only when no other endpoint can be. */
  readonly backup?: boolean;
}

export interface PoolModel {
  readonly name: string;
  readonly balance: Balance;
  /** How endpoints are spoken to; `h1` where absent. */
  readonly protocol?: UpstreamProtocol;
  /** For `maglev`; absent: by address. */
  readonly hash?: HashModel;
  /** A priority keeps all requests while this many times its healthy part is at least 1. */
  readonly overprovisioning?: number;
  /** Absent: only healthy endpoints are used, however few. */
  readonly panic?: PanicModel;
  readonly slowStart?: SlowStartModel;
  readonly outlier?: OutlierModel;
  readonly limits?: EndpointLimits;
  readonly poolLimits?: PoolLimits;
  /** Absent: endpoints that answer badly go on getting requests, as far as `outlier` lets them. */
  readonly breaker?: BreakerModel;
  /** Of the routes that say nothing else; absent: only what can't have been done twice is tried again. */
  readonly retries?: RetryModel;
  readonly retryBudget?: RetryBudgetModel;
  /** Absent: a request that finds no room is refused at once. */
  readonly queue?: QueueModel;
  /** A limit of requests in progress that follows latency; absent: none. */
  readonly concurrency?: ConcurrencyModel;
  /** Absent: requests of one client go to whatever endpoint. */
  readonly sticky?: StickyModel;
  /** What requests get that it can't serve; absent: a 502, 503 or 504. */
  readonly fallback?: FallbackModel;
  /** Absent: no response is kept. */
  readonly stale?: StaleModel;
  /** Absent: as `panic` says, and else secure. */
  readonly fail?: FailMode;
  /** All requests get the fallback. */
  readonly maintenance?: boolean;
  readonly endpoints: readonly EndpointModel[];
  /** Absent: every endpoint counts as up. */
  readonly health?: HealthCheck;
  /** Connections to endpoints begin with a PROXY header; absent: without one. */
  readonly proxyProtocol?: ProxyVersion;
  /** Absent: connections to the endpoints are plain. */
  readonly tls?: PoolTls;
  /** Absent: DEFAULT_POOL_SCALING. */
  readonly scaling?: PoolScaling;
}

export type ListenerModel = {
  /** Absent: clients speak without TLS. */
  readonly tls?: ListenerTls;
  /** Who may connect; absent: everybody. */
  readonly access?: AccessListModel;
  /** What one source may have; absent: no limits. */
  readonly sources?: SourceModel;
  /** TLS handshakes that may begin; absent: any number. */
  readonly handshakes?: TokenRate;
} & (
  | {
      readonly protocol: 'http';
      readonly listen: Address;
      readonly routes: readonly RouteModel[];
      /** Peers, as address or CIDR prefix, whose X-Forwarded-* and Forwarded are believed. */
      readonly trusted: readonly string[];
      /** HTTP/2 beside HTTP/1.1; absent: off. */
      readonly http2?: boolean;
      /** How many requests may be in progress, and who is shed first; absent: any number. */
      readonly admission?: AdmissionModel;
      /** Absent: responses pass as they are. */
      readonly compression?: CompressionModel;
      /** For every request, before a route is looked for. */
      readonly limits?: readonly RateLimitModel[];
      /** Who has to send a PROXY header; absent: nobody. */
      readonly headersFrom?: readonly TrustedPrefix[];
    }
  | {
      readonly protocol: 'tcp';
      readonly listen: Address;
      readonly pool: string;
      /** Likewise. */
      readonly headersFrom?: readonly TrustedPrefix[];
    }
  | PassthroughModel
  | UdpModel
);

export interface ProxyTimeouts {
  readonly connectMs: number;
  /** A client connection on which nothing happens. */
  readonly clientIdleMs: number;
  /** From the first byte of a request head to its last. */
  readonly headerMs: number;
  /** From a request's head to the last byte of its body; absent: as long as bytes come. */
  readonly bodyMs?: number;
  /** An endpoint that neither answers nor moves a byte. */
  readonly responseMs: number;
  /** An unused connection to an endpoint. */
  readonly upstreamIdleMs: number;
  /** A TCP connection or tunnel on which nothing moves. */
  readonly tunnelIdleMs: number;
  readonly drainMs: number;
}

export interface ProxyLimits {
  /** Client connections of one listener. */
  readonly connections: number;
  /** Connections to one endpoint, idle ones included. */
  readonly upstreamConnections: number;
  /** Idle connections kept to one endpoint. */
  readonly upstreamIdle: number;
}

export interface ReportTarget {
  /** Base address of a DNS node's API, without the path. */
  readonly url: string;
  readonly tokenFile?: string;
}

export interface ProxyModel {
  readonly node: { readonly name: string; readonly region: string };
  readonly workers: number;
  readonly io: 'auto' | 'batched' | 'portable';
  readonly reportTo: readonly ReportTarget[];
  /** `tokenFile`: who may change things; without it nobody may. */
  readonly admin: { readonly listen: Address; readonly tokenFile?: string } | null;
  readonly listeners: readonly ListenerModel[];
  readonly pools: readonly PoolModel[];
  readonly timeouts: ProxyTimeouts;
  readonly limits: ProxyLimits;
  /** File of the secrets of session cookies; absent: a random one that no other proxy knows. */
  readonly stickySecrets?: string;
  /** Absent: no request is logged. */
  readonly accessLog?: AccessLogModel;
  /** Absent: DEFAULT_SCALING. */
  readonly scaling?: ScalingModel;
  /** Accounts of rate limits that are kept. */
  readonly rateLimitKeys?: number;
  /** Proxies that count the same limits; absent: none. */
  readonly peers?: PeersModel;
  /** Databases for lists by country and autonomous system: paths, or `embedded`. */
  readonly geo?: readonly string[];
  /** Files with the state of rollouts and with the secrets of split cookies. */
  readonly rollouts?: { readonly stateFile?: string; readonly secretsFile?: string };
}

export const DEFAULT_TIMEOUTS: ProxyTimeouts = {
  connectMs: 5_000,
  clientIdleMs: 60_000,
  headerMs: 10_000,
  responseMs: 60_000,
  // Node backends close idle connections after 5 s: we must be first.
  upstreamIdleMs: 4_000,
  tunnelIdleMs: 3_600_000,
  drainMs: 30_000,
};

export const DEFAULT_LIMITS: ProxyLimits = {
  connections: 10_000,
  upstreamConnections: 1_024,
  upstreamIdle: 128,
};

export const DEFAULT_BOUND = 1.25;
export const DEFAULT_OVERPROVISIONING = 1.4;

export const DEFAULT_OUTLIER = {
  consecutive: 5,
  intervalMs: 10_000,
  ejectionMs: 30_000,
  ejectionMsMax: 300_000,
  ejectedMax: 0.1,
  successRate: { hosts: 5, requests: 100, deviations: 1.9 },
} as const satisfies OutlierModel;

/** `127.0.0.1:80` or `[::1]:80`. */
export function formatAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
