import type { PassthroughModel } from '../../core/balance/l4-model.js';
import { createNameRoutes } from '../../core/tls/name-routes.js';
import type { ListenerModules } from '../l7/http-listener.js';
import { newCounters, ProxyListener } from '../proxy-listener.js';
import type { UpstreamPool } from '../upstream-pool.js';
import { PassthroughSession } from './passthrough-session.js';

/** The listener of a model with `protocol: tls_passthrough`. */
export function passthroughListener(
  model: PassthroughModel,
  pools: ReadonlyMap<string, UpstreamPool>,
  modules: ListenerModules,
): ProxyListener {
  const { network, shared, limits, timeouts, deadlines } = modules;
  const counters = newCounters(model.listen);
  const routes = createNameRoutes(
    model.routes.flatMap(({ name, pool }) => {
      const to = pools.get(pool);
      return to === undefined ? [] : [{ name, to }];
    }),
  );
  const fallback = model.fallback === null ? null : (pools.get(model.fallback) ?? null);
  const options = {
    ...{ network, shared, tls: null, address: model.listen, connectionsMax: limits.connections },
    headers: { trusted: model.headersFrom, timeoutMs: timeouts.headerMs, deadlines },
    guard: modules.protection?.connectionGuard(model) ?? null,
  };
  return new ProxyListener(
    options,
    counters,
    (connection, onClosed, facts) =>
      new PassthroughSession(connection, facts, {
        network,
        deadlines,
        timeouts,
        counters,
        routes,
        fallback,
        onClosed,
      }),
  );
}
