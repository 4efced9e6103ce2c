/** A route as the configuration means it: what it takes, and what becomes of it. Plain data. */

import type { AccessListModel, RateLimitModel } from '../limit/limit-model.js';
import type { RetryModel } from '../limit/retry.js';
import type { MirrorModel } from './mirror.js';
import type { FieldChanges, FixedResponse, Redirect, RequestRewrite } from './route-action.js';
import type { OrderedRoute } from './route-order.js';
import type { SplitModel } from './split.js';

export type RouteModel = PoolRoute | RedirectRoute | ResponseRoute;

/** Which requests of a route are answered. */
export interface GuardedRoute extends OrderedRoute {
  readonly limits?: readonly RateLimitModel[];
  /** Others get a 403. */
  readonly access?: AccessListModel;
}

/** One response for all who ask for the same while it is on its way. */
export interface CoalesceModel {
  /** Requests that wait for another one. */
  readonly followersMax: number;
  /** Of the response, with its head. */
  readonly bytesMax: number;
}

export const DEFAULT_COALESCE = { followersMax: 256, bytesMax: 65_536 } as const satisfies CoalesceModel;

/** Goes to an endpoint of the pool. */
export interface PoolRoute extends GuardedRoute {
  readonly pool: string;
  readonly rewrite?: RequestRewrite;
  /** Changes of the response; interim ones (1xx) stay as they are. */
  readonly response?: FieldChanges;
  /** Instead of the proxy's `timeouts.response`, in milliseconds. */
  readonly responseMs?: number;
  /** Absent: each request goes to an endpoint by itself. */
  readonly coalesce?: CoalesceModel;
  /** False: responses pass as they are, whatever the listener says. */
  readonly compression?: boolean;
  /** Instead of those of the pool. */
  readonly retries?: RetryModel;
  /** Shares the requests between several pools, of which `pool` is the first. */
  readonly split?: SplitModel;
  readonly mirror?: MirrorModel;
}

export interface RedirectRoute extends GuardedRoute {
  readonly redirect: Redirect;
}

export interface ResponseRoute extends GuardedRoute {
  readonly respond: FixedResponse;
}

/** The pools that a route sends requests of clients to; copies go elsewhere. */
export function poolsOfRoute(route: RouteModel): readonly string[] {
  if (!('pool' in route)) return [];
  return route.split === undefined ? [route.pool] : route.split.arms.map(({ pool }) => pool);
}

/** The same, and the one that gets copies. */
export function allPoolsOfRoute(route: RouteModel): readonly string[] {
  const mirror = 'pool' in route ? route.mirror : undefined;
  return mirror === undefined ? poolsOfRoute(route) : [...poolsOfRoute(route), mirror.pool];
}
