/**
 * What administration, reports and metrics need of a running proxy, whatever threads it runs in: how everything is, and the
 * few things that an operator may change.
 */

import type { FailMode } from '../core/balance/degradation.js';
import type { BreakerForce, BreakerState } from '../core/limit/breaker.js';
import type { ReceiverStatus } from '../report/delivery.js';
import type { EndpointTotals, ListenerTotals, PoolTotals } from './cell-book.js';
import type { LimitFigures } from './limit/limit-figures.js';

export type EndpointState = 'up' | 'down' | 'ejected' | 'draining' | 'breaker_open' | 'breaker_half_open';

export interface EndpointStatus {
  /** Address and port: `127.0.0.1:9000`. */
  readonly endpoint: string;
  /** The first that holds of: draining, down, ejected, its circuit breaker open or half-open, up. */
  readonly state: EndpointState;
  /** What the last check said. */
  readonly detail: string;
  readonly weight: number;
  /** The weight of the configuration, where an operator set another one. */
  readonly configuredWeight?: number;
  readonly inFlight: number;
  readonly connections: number;
  readonly idle: number;
  readonly requests: number;
  readonly errors: number;
  readonly connectFailures: number;
  /** Absent where the pool has none. */
  readonly breaker?: {
    /** In most workers. */
    readonly state: BreakerState;
    /** What an operator wants; `auto`: its answers decide. */
    readonly forced: BreakerForce;
    /** Of all workers. */
    readonly openings: number;
  };
}

export interface PoolStatus {
  readonly pool: string;
  readonly balance: string;
  readonly healthy: number;
  readonly panic: boolean;
  /** With nobody healthy: `open` tries everybody, `secure` nobody. */
  readonly fail: FailMode;
  /** No endpoint is asked. */
  readonly maintenance: boolean;
  /** Where an operator decided that, and not the configuration. */
  readonly maintenanceOrder?: { readonly by: string; readonly atMs: number; readonly why?: string };
  readonly inFlight: number;
  readonly queued: number;
  readonly endpoints: readonly EndpointStatus[];
}

export interface ListenerStatus {
  readonly listener: string;
  readonly connections: number;
  readonly active: number;
  readonly refused: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** The configuration in use, and what became of the last attempt to change it. */
export interface ConfigurationStatus {
  /** 16 hexadecimal digits; the same for the same meaning. */
  readonly hash: string;
  /** Milliseconds since 1970 since when it is in use. */
  readonly sinceMs: number;
  readonly applied: number;
  readonly refused: number;
  /** What is wrong with the file as it is now: `file:line:column: path: message`. Empty: it is in use. */
  readonly problems: readonly string[];
  /** Keys that were changed and wait for a restart. */
  readonly waiting: readonly string[];
}

export interface ProxyStatus {
  readonly node: { readonly name: string; readonly region: string };
  readonly version: string;
  readonly startedMs: number;
  readonly workers: number;
  readonly state: string;
  readonly reason?: string;
  readonly draining: boolean;
  readonly configuration: ConfigurationStatus;
  readonly listeners: readonly ListenerStatus[];
  readonly pools: readonly PoolStatus[];
  readonly reports: readonly ReceiverStatus[];
  readonly limits?: LimitFigures;
}

/** Why an order could not be carried out. */
export type ControlRefusal = {
  readonly code: 'unknown_pool' | 'unknown_endpoint' | 'no_breaker';
  readonly message: string;
};

export interface ProxyControl {
  status(): ProxyStatus;
  /** Null while traffic is welcome, otherwise the reason why not. */
  notReady(): string | null;
  /** Takes an endpoint out of its pool, or back in: nothing new goes to it, what is in progress goes on. */
  drain(pool: string, endpoint: string, on: boolean): ControlRefusal | null;
  /** 0 to 1000; null for the weight of the configuration. */
  weight(pool: string, endpoint: string, weight: number | null): ControlRefusal | null;
  /** Keeps its circuit breaker open or closed, or lets it decide by itself again. */
  breaker(pool: string, endpoint: string, wanted: BreakerForce): ControlRefusal | null;
  /** Puts a pool into maintenance, or takes it out; null: as the configuration says. */
  maintain(pool: string, on: boolean | null, by: string, why?: string): ControlRefusal | null;
}

/** Counters, added up over all workers. */
export interface ProxyCounts {
  listeners(): readonly ListenerTotals[];
  pools(): readonly PoolTotals[];
  endpoints(): readonly EndpointTotals[];
}
