import type { ProxyLimits, ProxyTimeouts } from '../../core/balance/model.js';
import type { ForwardedTails } from '../../core/http/forwarded-tail.js';
import type { Head } from '../../core/http/head.js';
import type { RequestMemo } from '../../core/http/request-memo.js';
import type { Router } from '../../core/http/router.js';
import type { RetryPolicy } from '../../core/limit/retry.js';
import type { Network } from '../../io/network.js';
import type { AccessWriter } from '../access-writer.js';
import type { CompressionPolicy } from '../compression/policy.js';
import type { ListenerCounters } from '../counters.js';
import type { Deadlines } from '../deadlines.js';
import type { RequestGuard } from '../limit/request-guard.js';
import type { RequestAdmission } from '../request-admission.js';
import type { RetryClock } from '../retry-clock.js';
import type { UpstreamPool } from '../upstream-pool.js';
import type { Degradation } from './degradation.js';
import type { ClientExchange, ExchangeClient } from './exchange-client.js';
import type { Mirror } from './mirror.js';
import type { PoolSplit } from './pool-split.js';
import type { RouteChanges, RouteTarget } from './route-table.js';
import type { UpstreamConnection } from './upstream-connection.js';

export type HttpPool = UpstreamPool<UpstreamConnection>;

export interface HttpRoute extends RouteChanges {
  readonly pool: HttpPool;
  /** Requests of this listener to the pool, by status class. */
  readonly classes: Float64Array;
  /** Null where responses pass as they are. */
  readonly compression: CompressionPolicy | null;
  /** Null: only what can't have been done twice is tried once more. */
  readonly retries: RetryPolicy | null;
  /** Shares requests between several pools; null where all go to `pool`. */
  readonly split: PoolSplit | null;
  /** Copies a sample of the requests to another pool; null for none. */
  readonly mirror: Mirror | null;
  /** What a request gets that the pool can't serve; null for an error. */
  readonly degradation?: Degradation | null;
}

/** What all connections of one HTTP listener share. */
export interface HttpContext {
  readonly network: Network;
  readonly router: Router<RouteTarget<HttpRoute>>;
  /** Requests whose way through `router` is known. */
  readonly memo: RequestMemo<RouteTarget<HttpRoute>>;
  readonly timeouts: ProxyTimeouts;
  readonly limits: ProxyLimits;
  readonly deadlines: Deadlines;
  readonly counters: ListenerCounters;
  /** Null where no requests are logged. */
  readonly access: AccessWriter | null;
  /** Which requests are answered at all; null for every one. */
  readonly guard: RequestGuard | null;
  /** Which requests are shed while many are in progress; null for none. */
  readonly admission: RequestAdmission | null;
  /** For request heads that arrive whole, which nearly all do: an idle connection then needs none of its own. */
  readonly head: Head;
  /** How clients speak to this listener. */
  readonly proto: 'http' | 'https';
  /** Memory for the heads of requests in progress, to be used again. */
  readonly spareHeads: Uint8Array[];
  readonly retryClock: RetryClock;
  /** 0 up to 1. */
  readonly random: () => number;
  /** What requests get behind their clients' fields. */
  readonly tails: ForwardedTails;
  /** Makes the exchange of a request for endpoints of HTTP/2; null where there is no thread for that. `onDone`: right before its client hears of its end. */
  readonly translate: ((client: ExchangeClient, onDone: () => void) => ClientExchange) | null;
  /** Our name in Via. */
  readonly via: string;
  /** True if X-Forwarded-* of this peer are believed. */
  trusts(address: string): boolean;
}
