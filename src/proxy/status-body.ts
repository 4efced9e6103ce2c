import type { EndpointStatus, PoolStatus, ProxyStatus } from './control.js';
import type { LimitFigures } from './limit/limit-figures.js';

/** `GET /v1/status` of a proxy. */
export function statusBody(status: ProxyStatus): unknown {
  const { node, version, startedMs, workers, state, reason, draining, configuration } = status;
  return {
    node: { name: node.name, region: node.region },
    version,
    started: iso(startedMs),
    workers,
    state,
    ...(reason !== undefined && { reason }),
    draining,
    configuration: {
      hash: configuration.hash,
      since: iso(configuration.sinceMs),
      applied: configuration.applied,
      refused: configuration.refused,
      problems: configuration.problems,
      waiting_for_restart: configuration.waiting,
    },
    listeners: status.listeners.map(({ listener, connections, active, refused, bytesIn, bytesOut }) => ({
      listener,
      connections,
      active,
      refused,
      bytes_in: bytesIn,
      bytes_out: bytesOut,
    })),
    pools: status.pools.map(poolBody),
    reports: status.reports.map(({ url, sent, failed, lastError }) => ({
      url,
      sent,
      failed,
      last_error: lastError,
    })),
    ...(status.limits && limitsBody(status.limits)),
  };
}

/** Nothing where nothing is limited. */
function limitsBody({ limits, table, region }: LimitFigures) {
  return {
    ...(limits.length > 0 && {
      rate_limits: limits.map(({ name, dryRun, passed, refused, wouldRefuse, withoutKey }) => ({
        ...{ name, dry_run: dryRun, passed, refused, would_refuse: wouldRefuse, without_key: withoutKey },
      })),
    }),
    ...(table && { rate_limit_table: table }),
    ...(region && { peers: region.peers, peer_messages: region.messages }),
  };
}

function poolBody(status: PoolStatus) {
  const { pool, balance, healthy, panic, fail, maintenance, maintenanceOrder: order } = status;
  return {
    ...{ name: pool, balance, healthy, panic, fail, maintenance },
    ...(order && {
      maintenance_order: {
        by: order.by,
        since: iso(order.atMs),
        ...(order.why !== undefined && { why: order.why }),
      },
    }),
    in_flight: status.inFlight,
    queued: status.queued,
    endpoints: status.endpoints.map(endpointBody),
  };
}

function endpointBody(endpoint: EndpointStatus) {
  return {
    address: endpoint.endpoint,
    up: endpoint.state === 'up',
    state: endpoint.state,
    detail: endpoint.detail,
    weight: endpoint.weight,
    ...(endpoint.configuredWeight !== undefined && { configured_weight: endpoint.configuredWeight }),
    in_flight: endpoint.inFlight,
    connections: endpoint.connections,
    idle: endpoint.idle,
    requests: endpoint.requests,
    errors: endpoint.errors,
    connect_failures: endpoint.connectFailures,
    ...(endpoint.breaker !== undefined && { breaker: endpoint.breaker }),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
