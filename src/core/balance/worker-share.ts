import type { EndpointLimits, ListenerModel, PoolLimits, PoolModel, ProxyLimits } from './model.js';

/** One of the threads that serve a proxy's listeners together: number `index` of `count`. */
export interface WorkerPlace {
  readonly index: number;
  readonly count: number;
  /** Another process may listen on the same addresses for a while: the one before this, or the next. */
  readonly overlaps?: boolean;
}

/**
 * A thread's part of a limit that is written for the whole proxy: the parts add up to it, but each is at least 1, so
 * that every thread can work.
 */
export function shareOf(limit: number, { index, count }: WorkerPlace): number {
  return Math.max(1, Math.floor(limit / count) + (index < limit % count ? 1 : 0));
}

export function limitsOfWorker(limits: ProxyLimits, place: WorkerPlace): ProxyLimits {
  return {
    connections: shareOf(limits.connections, place),
    upstreamConnections: shareOf(limits.upstreamConnections, place),
    // 0 is allowed: no idle connections are kept.
    upstreamIdle: limits.upstreamIdle === 0 ? 0 : shareOf(limits.upstreamIdle, place),
  };
}

/** The limits of a listener that count what many clients do together. */
export function listenerOfWorker(listener: ListenerModel, place: WorkerPlace): ListenerModel {
  const { handshakes } = listener;
  const shared =
    handshakes === undefined
      ? listener
      : {
          ...listener,
          handshakes: {
            perSecond: handshakes.perSecond / place.count,
            burst: shareOf(handshakes.burst, place),
          },
        };
  if (shared.protocol !== 'http' || shared.admission === undefined) return shared;
  const inFlightMax = shareOf(shared.admission.inFlightMax, place);
  return { ...shared, admission: { ...shared.admission, inFlightMax } };
}

export function poolOfWorker(pool: PoolModel, place: WorkerPlace): PoolModel {
  const { limits, queue, poolLimits, breaker, retryBudget, stale, concurrency } = pool;
  return {
    ...pool,
    ...(limits === undefined ? {} : { limits: endpointLimits(limits, place) }),
    ...(queue === undefined ? {} : { queue: { ...queue, size: shareOf(queue.size, place) } }),
    ...(concurrency === undefined
      ? {}
      : {
          concurrency: {
            ...concurrency,
            min: shareOf(concurrency.min, place),
            max: shareOf(concurrency.max, place),
          },
        }),
    ...(poolLimits === undefined ? {} : { poolLimits: limitsOfPool(poolLimits, place) }),
    ...(breaker === undefined
      ? {}
      : {
          breaker: {
            ...breaker,
            volume: shareOf(breaker.volume, place),
            trials: shareOf(breaker.trials, place),
          },
        }),
    ...(retryBudget === undefined
      ? {}
      : { retryBudget: { ...retryBudget, floor: shareOrNone(retryBudget.floor, place) } }),
    ...(stale === undefined ? {} : { stale: { ...stale, bytes: shareOf(stale.bytes, place) } }),
  };
}

function limitsOfPool({ retries, ...limits }: PoolLimits, place: WorkerPlace): PoolLimits {
  return {
    ...endpointLimits(limits, place),
    ...(retries === undefined ? {} : { retries: shareOrNone(retries, place) }),
  };
}

/** Where 0 is allowed. */
function shareOrNone(limit: number, place: WorkerPlace): number {
  return limit === 0 ? 0 : shareOf(limit, place);
}

function endpointLimits(
  { connections, requests, pending }: EndpointLimits,
  place: WorkerPlace,
): EndpointLimits {
  return {
    ...(connections === undefined ? {} : { connections: shareOf(connections, place) }),
    ...(requests === undefined ? {} : { requests: shareOf(requests, place) }),
    ...(pending === undefined ? {} : { pending: shareOf(pending, place) }),
  };
}
