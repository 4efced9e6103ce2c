import { BlockList, isIP } from 'node:net';
import type { ListenerModel, ProxyLimits, ProxyTimeouts } from '../../core/balance/model.js';
import { ForwardedTails } from '../../core/http/forwarded-tail.js';
import { Head } from '../../core/http/head.js';
import { RequestMemo } from '../../core/http/request-memo.js';
import type { Network, ServerTls } from '../../io/network.js';
import type { AccessWriter } from '../access-writer.js';
import type { Encoders } from '../compression/encoder.js';
import { CompressionPolicy } from '../compression/policy.js';
import type { ListenerCounters } from '../counters.js';
import type { Deadlines } from '../deadlines.js';
import { http2Listener } from '../h2/http2-listener.js';
import type { Protection } from '../limit/protection.js';
import {
  newCounters,
  ProxyListener,
  type Renewal,
  type Serve,
  type ServedListener,
} from '../proxy-listener.js';
import { RequestAdmission } from '../request-admission.js';
import { RetryClock } from '../retry-clock.js';
import { sharingOf } from '../shared-routing.js';
import type { PoolTlsOptions } from '../tls.js';
import { ClientConnection } from './client-connection.js';
import type { HttpContext, HttpPool } from './context.js';
import { httpRoute } from './http-route.js';
import type { SplitModules } from './pool-split.js';
import { routeTable } from './route-table.js';

const VIA = 'meridian';

export interface ListenerModules {
  readonly network: Network;
  /** Other threads listen on the same addresses. */
  readonly shared: boolean;
  readonly timeouts: ProxyTimeouts;
  readonly limits: ProxyLimits;
  readonly deadlines: Deadlines;
  /** Null for a listener without TLS. */
  readonly tls: ServerTls | null;
  /** How a pool wants TLS now; null for none. */
  readonly poolTls?: (pool: string) => PoolTlsOptions | null;
  /** Absent where no requests are logged. */
  readonly access?: AccessWriter;
  /** Absent where nothing can be compressed. */
  readonly encoders?: Encoders;
  /** Limits and lists; null, or absent, where there are none. */
  readonly protection?: Protection | null;
  /** What routes with several pools, or with copies, share with other threads. */
  readonly sharing?: SplitModules;
}

type HttpModel = Extract<ListenerModel, { protocol: 'http' }>;

/** The listener of a model with `protocol: http`. */
export function httpListener(
  model: HttpModel,
  pools: ReadonlyMap<string, HttpPool>,
  modules: ListenerModules,
): ServedListener {
  const counters = newCounters(model.listen);
  const context = contextOf(model, pools, modules, counters);
  const settings = (
    of: HttpModel,
    { limits, timeouts, deadlines, protection }: ListenerModules,
  ): Renewal => ({
    connectionsMax: limits.connections,
    headers: { trusted: of.headersFrom ?? [], timeoutMs: timeouts.headerMs, deadlines },
    guard: protection?.connectionGuard(of) ?? null,
    handshakes: of.handshakes ?? null,
    serve: serveIn(context),
  });
  const { network, shared, tls } = modules;
  const { serve, ...options } = settings(model, modules);
  const make = (by: Serve): ProxyListener =>
    new ProxyListener(
      { ...options, network, shared, tls, address: model.listen },
      counters,
      by,
      (next, nextPools, nextModules) => {
        if (next.protocol !== 'http' || next.http2 === true) return null;
        const { retryClock } = context;
        // All connections look there for each request. Who waits for a retry still finds the clock that it is in.
        Object.assign(context, contextOf(next, nextPools, nextModules, counters), { retryClock });
        return settings(next, nextModules);
      },
    );
  if (model.http2 !== true) return make(serve);
  return http2Listener(context, serveIn, modules.poolTls ?? (() => null), make);
}

/** Serves connections of HTTP/1.1. */
function serveIn(context: HttpContext): Serve {
  return (connection, onClosed, facts) => new ClientConnection(connection, context, onClosed, facts);
}

function contextOf(
  model: HttpModel,
  pools: ReadonlyMap<string, HttpPool>,
  {
    network,
    timeouts,
    limits,
    deadlines,
    access,
    protection,
    encoders,
    sharing = sharingOf(undefined),
  }: ListenerModules,
  counters: ListenerCounters,
): HttpContext {
  const compression =
    model.compression === undefined || encoders === undefined
      ? null
      : new CompressionPolicy(model.compression, encoders, counters.cells);
  const secure = model.tls !== undefined;
  const upstream = { network, timeouts, deadlines };
  const router = routeTable(
    model.routes,
    timeouts,
    (_, changes, route) =>
      httpRoute(route, changes, {
        pools,
        secure,
        compression,
        upstream,
        classesOf: (name) => counters.classesOf(name),
        ...sharing,
      }),
    (route) => protection?.routeGuard(route) ?? null,
  );
  const trusted = blockList(model.trusted);
  const proto = model.tls === undefined ? 'http' : 'https';
  return {
    network,
    head: new Head('request'),
    spareHeads: [],
    router,
    // With each configuration anew.
    memo: new RequestMemo(),
    timeouts,
    limits,
    deadlines,
    counters,
    access: access ?? null,
    retryClock: new RetryClock(network),
    random: Math.random,
    guard: protection?.listenerGuard(model) ?? null,
    admission:
      model.admission === undefined ? null : new RequestAdmission(model.admission, counters, Math.random),
    proto,
    translate: null,
    tails: new ForwardedTails(proto, VIA),
    via: VIA,
    trusts: (address) => model.trusted.length > 0 && isListed(trusted, address),
  };
}

function blockList(prefixes: readonly string[]): BlockList {
  const list = new BlockList();
  for (const prefix of prefixes) {
    const [address = '', length] = prefix.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (length === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(length), family);
  }
  return list;
}

function isListed(list: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
}
