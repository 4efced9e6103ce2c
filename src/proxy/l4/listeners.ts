import type { PassthroughModel, UdpModel } from '../../core/balance/l4-model.js';
import { datagramsOf } from '../../io/create-datagrams.js';
import type { ListenerModules } from '../l7/http-listener.js';
import type { ServedListener } from '../proxy-listener.js';
import type { UpstreamPool } from '../upstream-pool.js';
import { passthroughListener } from './passthrough-listener.js';
import { UdpListener } from './udp-listener.js';

/** The listener of a model that speaks neither HTTP nor plain TCP. `workers` share it, and its limits. */
export function l4Listener(
  model: PassthroughModel | UdpModel,
  pools: ReadonlyMap<string, UpstreamPool>,
  modules: ListenerModules,
  workers: number,
): ServedListener {
  if (model.protocol === 'tls_passthrough') return passthroughListener(model, pools, modules);
  const { listen, idleMs, answers } = model;
  const flowsPerSource = Math.ceil(model.flowsPerSource / workers);
  const pool = pools.get(model.pool);
  if (pool === undefined) throw new Error(`the configuration was not checked: no pool ${model.pool}`);
  const { network, shared, limits } = modules;
  return new UdpListener(
    {
      ...{ listen, shared, pool, idleMs, flowsPerSource, answers },
      proxyProtocol: pool.model.proxyProtocol !== undefined,
    },
    { network: datagramsOf(network), limits, hashKeys: hashKeys() },
  );
}

function hashKeys(): readonly [number, number] {
  const words = crypto.getRandomValues(new Int32Array(2));
  return [words[0]!, words[1]!];
}
