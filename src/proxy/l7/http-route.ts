import type { PoolRoute } from '../../core/http/route.js';
import type { CompressionPolicy } from '../compression/policy.js';
import type { HttpPool, HttpRoute } from './context.js';
import { degradation } from './degradation.js';
import { Mirror } from './mirror.js';
import { PoolSplit, type SplitModules } from './pool-split.js';
import type { RouteChanges } from './route-table.js';
import type { UpstreamModules } from './upstream-connection.js';

export interface HttpRouteModules extends SplitModules {
  readonly pools: ReadonlyMap<string, HttpPool>;
  /** The listener's clients speak TLS. */
  readonly secure: boolean;
  /** Of the listener; null where responses pass as they are. */
  readonly compression: CompressionPolicy | null;
  readonly upstream: UpstreamModules;
  readonly classesOf: (pool: string) => Float64Array;
}

/** What the request path needs of a route to one pool, or to several; null where a pool is not there. */
export function httpRoute(
  { pool, split, mirror: copies, response }: PoolRoute,
  changes: RouteChanges,
  modules: HttpRouteModules,
): HttpRoute | null {
  const mirrored = copies === undefined ? undefined : modules.pools.get(copies.pool);
  const mirror =
    copies === undefined || mirrored === undefined
      ? null
      : new Mirror(copies, mirrored, modules.upstream, modules);
  const routeTo = (name: string): HttpRoute | null => {
    const found = modules.pools.get(name);
    if (found === undefined) return null;
    const retries = changes.retries === undefined ? found.retries.policy : changes.retries;
    const instead = degradation(found.model, routeTo);
    return {
      ...{ pool: found, classes: modules.classesOf(name), split: null, mirror },
      ...{ degradation: instead, ...changes, retries },
      compression: changes.compresses ? modules.compression : null,
    };
  };
  const first = routeTo(pool);
  if (first === null || split === undefined) return first;
  const routes = split.arms.map((arm) => routeTo(arm.pool));
  if (!routes.every((route) => route !== null)) return null;
  return { ...first, split: new PoolSplit(split, routes, { response, secure: modules.secure }, modules) };
}
