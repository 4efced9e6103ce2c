/**
 * The typed model of a regional proxy: what `proxy.yaml` means after it was read and checked.
 * `sources` builds it, the proxy room runs it. Plain data; times are milliseconds.
 */

import type { StatusRange } from '../zone/model.js';

/** An IP address (no brackets) or, for endpoints, a host name; and a port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export type Balance = 'round_robin' | 'least_connections';

export interface HealthCheck {
  readonly type: 'tcp' | 'http' | 'https';
  /** Another port than the endpoint's own. */
  readonly port?: number;
  readonly path: string;
  readonly host?: string;
  readonly status: readonly StatusRange[];
  readonly verify: boolean;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly fall: number;
  readonly rise: number;
}

export interface EndpointModel {
  readonly address: Address;
  /** 0 to 1000; 0 is used only when no endpoint with a weight is up. */
  readonly weight: number;
}

export interface PoolModel {
  readonly name: string;
  readonly balance: Balance;
  readonly endpoints: readonly EndpointModel[];
  /** Absent: every endpoint counts as up. */
  readonly health?: HealthCheck;
}

export interface RouteModel {
  readonly match: { readonly host?: string; readonly pathPrefix: string };
  readonly pool: string;
}

export type ListenerModel =
  | {
      readonly protocol: 'http';
      readonly listen: Address;
      readonly routes: readonly RouteModel[];
      /** Peers, as address or CIDR prefix, whose X-Forwarded-* and Forwarded are believed. */
      readonly trusted: readonly string[];
    }
  | { readonly protocol: 'tcp'; readonly listen: Address; readonly pool: string };

export interface ProxyTimeouts {
  readonly connectMs: number;
  /** A client connection on which nothing happens. */
  readonly clientIdleMs: number;
  /** From the first byte of a request head to its last. */
  readonly headerMs: number;
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
  readonly reportTo: readonly ReportTarget[];
  readonly admin: { readonly listen: Address } | null;
  readonly listeners: readonly ListenerModel[];
  readonly pools: readonly PoolModel[];
  readonly timeouts: ProxyTimeouts;
  readonly limits: ProxyLimits;
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

/** `127.0.0.1:80` or `[::1]:80`. */
export function formatAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
