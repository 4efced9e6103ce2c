import type { ProxyLimits, ProxyTimeouts } from '../../core/balance/model.js';
import type { Router } from '../../core/http/router.js';
import type { ListenerCounters } from '../counters.js';
import type { Deadlines } from '../deadlines.js';
import type { UpstreamPool } from '../upstream-pool.js';
import type { UpstreamConnection } from './upstream-connection.js';

export type HttpPool = UpstreamPool<UpstreamConnection>;

export interface HttpRoute {
  readonly pool: HttpPool;
  /** Requests of this listener to the pool, by status class. */
  readonly classes: Float64Array;
}

/** What all connections of one HTTP listener share. */
export interface HttpContext {
  readonly router: Router<HttpRoute>;
  readonly timeouts: ProxyTimeouts;
  readonly limits: ProxyLimits;
  readonly deadlines: Deadlines;
  readonly counters: ListenerCounters;
  /** Our name in Via. */
  readonly via: string;
  /** True if X-Forwarded-* of this peer are believed. */
  trusts(address: string): boolean;
}
