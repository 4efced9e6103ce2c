import type { ProxyLimits } from '../core/balance/model.js';
import type { ServiceReport } from '../core/health/report.js';
import type { ProxyFacts } from '../core/health/report-facts.js';
import { encodeLatency } from '../core/tally/latency.js';
import { POOL_CELL } from './cells.js';
import type { ListenerStatus, PoolStatus, ProxyControl, ProxyCounts, ProxyStatus } from './control.js';
import { serviceLoad } from './service-load.js';

export interface ServiceSources {
  readonly control: Pick<ProxyControl, 'status'>;
  readonly counts: Pick<ProxyCounts, 'pools'>;
  readonly limits: () => ProxyLimits;
  /** Part of the time that the busiest thread works, 0 to 1. */
  readonly cpu: () => number;
}

/** What the report tells of each pool. */
export function proxyServices({ control, counts, limits, cpu }: ServiceSources): readonly ServiceReport[] {
  const { pools, listeners } = control.status();
  const cells = new Map(counts.pools().map((totals) => [totals.pool, totals.cells]));
  const { connections, upstreamConnections } = limits();
  const shared = { client_connections: fullest(listeners) / connections, cpu: cpu() };
  return pools.map((pool) => ({
    service: pool.pool,
    endpoints: pool.endpoints.length,
    healthy: pool.healthy,
    load: serviceLoad(loadedOf(pool), upstreamConnections, shared),
    pool: factsOf(pool, cells.get(pool.pool) ?? new Float64Array(POOL_CELL.STRIDE)),
  }));
}

/** What the report tells of the process. `certificateExpires`: the first end of a certificate, since 1970. */
export function proxyFacts(
  { version, listeners, configuration }: ProxyStatus,
  { cpu, loopLagMs, memoryBytes }: Pick<ProxyFacts, 'cpu' | 'loopLagMs' | 'memoryBytes'>,
  limits: ProxyLimits,
  certificateExpires?: number,
): ProxyFacts {
  return {
    version,
    cpu: Math.min(Math.round(cpu * 1000) / 1000, 1),
    loopLagMs,
    memoryBytes,
    connections: { open: fullest(listeners), limit: limits.connections },
    ...(certificateExpires !== undefined && { certificateExpires }),
    configuration: configuration.hash,
  };
}

/** Connections of the listener that has most. */
function fullest(listeners: readonly ListenerStatus[]): number {
  return listeners.reduce((most, { active }) => Math.max(most, active), 0);
}

function loadedOf({ healthy, endpoints }: PoolStatus) {
  return {
    healthy,
    endpoints: endpoints.map(({ state, inFlight }) => ({ up: state === 'up', active: inFlight })),
  };
}

function factsOf(pool: PoolStatus, cells: Float64Array): NonNullable<ServiceReport['pool']> {
  const weights = (endpoints: PoolStatus['endpoints']) =>
    endpoints.reduce((sum, { weight }) => sum + weight, 0);
  const inState = (state: string) => pool.endpoints.filter((endpoint) => endpoint.state === state);
  return {
    ejected: ['ejected', 'breaker_open', 'breaker_half_open'].flatMap(inState).length,
    draining: inState('draining').length,
    healthyWeight: weights(inState('up')),
    weight: weights(pool.endpoints),
    panic: pool.panic,
    inFlight: Math.max(pool.inFlight, 0),
    queued: Math.max(pool.queued, 0),
    counters: {
      issued: cells[POOL_CELL.ISSUED]!,
      ok: cells[POOL_CELL.OK]!,
      errors: cells[POOL_CELL.ERRORS]!,
      connectFailures: cells[POOL_CELL.CONNECT_FAILURES]!,
      timeouts: cells[POOL_CELL.TIMEOUTS]!,
      retried: cells[POOL_CELL.RETRIED]!,
      shed: cells[POOL_CELL.SHED]!,
    },
    latency: encodeLatency(cells.subarray(POOL_CELL.LATENCY)),
  };
}
