import type { ListenerModel } from '../../core/balance/model.js';
import type { ListenerModules } from '../l7/http-listener.js';
import { newCounters, ProxyListener, type Renewal } from '../proxy-listener.js';
import type { UpstreamPool } from '../upstream-pool.js';
import { TcpSession } from './tcp-session.js';

type TcpModel = Extract<ListenerModel, { protocol: 'tcp' }>;

/** The listener of a model with `protocol: tcp`. Sessions keep the pool that they began with. */
export function tcpListener(model: TcpModel, pool: UpstreamPool, modules: ListenerModules): ProxyListener {
  const counters = newCounters(model.listen);
  const settings = (of: TcpModel, to: UpstreamPool, used: ListenerModules): Renewal => {
    const { network, limits, timeouts, deadlines } = used;
    const version = to.model.proxyProtocol ?? null;
    return {
      connectionsMax: limits.connections,
      headers: { trusted: of.headersFrom ?? [], timeoutMs: timeouts.headerMs, deadlines },
      guard: used.protection?.connectionGuard(of) ?? null,
      handshakes: of.handshakes ?? null,
      serve: (connection, onClosed, client) =>
        new TcpSession(connection, {
          network,
          pool: to,
          timeouts,
          deadlines,
          counters,
          onClosed,
          opening: version === null && client === null ? null : { version, tlvs: [], client, first: NOTHING },
          onNoEndpoint: (refused) => refused.reset(),
        }),
    };
  };
  const { network, shared, tls } = modules;
  const { serve, ...options } = settings(model, pool, modules);
  return new ProxyListener(
    { ...options, network, shared, tls, address: model.listen },
    counters,
    serve,
    (next, pools, nextModules) => {
      const to = next.protocol === 'tcp' ? pools.get(next.pool) : undefined;
      return next.protocol !== 'tcp' || to === undefined ? null : settings(next, to, nextModules);
    },
  );
}

const NOTHING = new Uint8Array(0);
