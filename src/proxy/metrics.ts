import { Counter, Gauge, Registry } from 'prom-client';
import { PRIORITIES } from '../core/limit/admission.js';
import type { SubjectView } from '../core/scaling/subject.js';
import type { EndpointTotals, ListenerTotals, PoolTotals } from './cell-book.js';
import { ENDPOINT_CELL, LISTENER_CELL, POOL_CELL, STATUS_CLASSES } from './cells.js';
import { compressionByteRows, compressionRows } from './compression/compression-rows.js';
import type { EndpointStatus, ProxyControl, ProxyCounts } from './control.js';
import { durationHistogram } from './duration-histogram.js';
import type { LimitFigures } from './limit/limit-figures.js';
import type { LimitTotals } from './limit/limit-store.js';
import { LISTENER_EVENTS } from './listener-events.js';
import { type RouteMetricSources, routeMetrics } from './route-metrics.js';
import { scalingMetrics } from './scaling-metrics.js';
import { stickyMetrics } from './sticky-metrics.js';

export interface MetricSources {
  readonly counts: ProxyCounts;
  readonly control: Pick<ProxyControl, 'status'>;
  /** Workers that died and were replaced. */
  readonly restarts?: () => number;
  /** What each subject of scaling asks for. */
  readonly scaling?: () => readonly SubjectView[];
  /** Lines of the access log; absent where none is kept. */
  readonly accessLog?: () => { readonly written: number; readonly lost: number; readonly failed: number };
  /** Limits and lists; absent where there can be none. */
  readonly limits?: () => LimitFigures;
  /** Each certificate's name and end, milliseconds since 1970. */
  readonly certificates?: () => readonly { readonly name: string; readonly endsMs: number }[];
  /** Routes with several pools, their rollouts, and copies. */
  readonly routes?: RouteMetricSources;
}

type Labels = Readonly<Record<string, string>>;
type Rows = readonly (readonly [labels: Labels, value: number])[];

/**
 * The proxy's metrics in a registry of their own. The byte paths only bump cells in shared memory; they are added up at
 * the moment of a scrape.
 */
export function proxyMetrics(given: MetricSources): Registry {
  const registry = new Registry();
  const sources = { ...given, control: { status: oncePerScrape(() => given.control.status()) } };
  listenerMetrics(registry, sources.counts);
  poolMetrics(registry, sources);
  endpointMetrics(registry, sources);
  ownMetrics(registry, sources);
  scalingMetrics(registry, sources.scaling ?? (() => []));
  limitMetrics(registry, sources.limits ?? (() => NO_LIMITS));
  const register = (of: typeof counter): Parameters<typeof routeMetrics>[0]['counter'] => {
    return (name, help, labels, rows) => of(registry, name, help, labels, rows);
  };
  routeMetrics({ counter: register(counter), gauge: register(gauge) }, given.routes);
  stickyMetrics(registry, sources);
  return registry;
}

const LISTENER_COUNTERS = [
  ['connections_total', 'Client connections accepted', LISTENER_CELL.CONNECTIONS],
  ['connections_refused_total', 'Client connections beyond the limit', LISTENER_CELL.REFUSED],
  ['responses_aborted_total', 'Responses cut because the endpoint broke off', LISTENER_CELL.ABORTED],
  ['received_bytes_total', 'Bytes received from clients', LISTENER_CELL.BYTES_IN],
  ['sent_bytes_total', 'Bytes sent to clients', LISTENER_CELL.BYTES_OUT],
] as const;

function listenerMetrics(registry: Registry, counts: ProxyCounts): void {
  const of = (cell: number) => () =>
    counts.listeners().map(({ listener, cells }) => [{ listener }, cells[cell]!] as const);
  for (const [name, help, cell] of LISTENER_COUNTERS) counter(registry, name, help, ['listener'], of(cell));
  gauge(
    registry,
    'connections_active',
    'Client connections open now',
    ['listener'],
    of(LISTENER_CELL.ACTIVE),
  );
  gauge(
    registry,
    'requests_in_flight',
    'HTTP requests that are on their way through a pool',
    ['listener'],
    of(LISTENER_CELL.IN_FLIGHT),
  );
  counter(
    registry,
    'requests_shed_total',
    'HTTP requests refused because the listener was nearly full, by priority',
    ['listener', 'priority'],
    () => counts.listeners().flatMap(shedRows),
  );
  counter(
    registry,
    'requests_total',
    'HTTP requests answered, by listener, pool (empty: refused before routing) and status class',
    ['listener', 'pool', 'status'],
    () => counts.listeners().flatMap(requestRows),
  );
  counter(
    registry,
    'listener_events_total',
    'What happened at a listener beside requests: PROXY headers, TLS passthrough, UDP flows',
    ['listener', 'event'],
    () => counts.listeners().flatMap(eventRows),
  );
  counter(
    registry,
    'compression_responses_total',
    'Responses where compression is on, by coding, or by the reason why they passed as they were',
    ['listener', 'outcome'],
    () => counts.listeners().flatMap(compressionRows),
  );
  counter(
    registry,
    'compression_bytes_total',
    'Bytes of compressed bodies, before and after',
    ['listener', 'direction'],
    () => counts.listeners().flatMap(compressionByteRows),
  );
  counter(
    registry,
    'tls_handshakes_total',
    'TLS handshakes of clients, by result',
    ['listener', 'result'],
    () => counts.listeners().flatMap(handshakeRows),
  );
}

function requestRows({ listener, cells, routes }: ListenerTotals): Rows {
  const unrouted = cells.subarray(LISTENER_CELL.UNROUTED, LISTENER_CELL.UNROUTED + STATUS_CLASSES);
  return [['', unrouted] as const, ...routes].flatMap(([pool, classes]) =>
    [...classes.subarray(0, STATUS_CLASSES)].flatMap((count, i) =>
      count > 0 ? [[{ listener, pool, status: `${i}xx` }, count] as const] : [],
    ),
  );
}

function shedRows({ listener, cells }: ListenerTotals): Rows {
  return PRIORITIES.flatMap((priority, i) => {
    const count = cells[LISTENER_CELL.SHED + i]!;
    return count > 0 ? [[{ listener, priority }, count] as const] : [];
  });
}

function eventRows({ listener, cells }: ListenerTotals): Rows {
  return LISTENER_EVENTS.flatMap((event, i) => {
    const count = cells[LISTENER_CELL.EVENTS + i]!;
    return count > 0 ? [[{ listener, event }, count] as const] : [];
  });
}

function handshakeRows({ listener, cells }: ListenerTotals): Rows {
  const resumed = cells[LISTENER_CELL.TLS_RESUMED]!;
  const rows = [
    [{ listener, result: 'full' }, cells[LISTENER_CELL.TLS_HANDSHAKES]! - resumed],
    [{ listener, result: 'resumed' }, resumed],
    [{ listener, result: 'failed' }, cells[LISTENER_CELL.TLS_FAILED]!],
  ] as const;
  // Listeners without TLS have no rows.
  return rows.some(([, count]) => count > 0) ? rows : [];
}

const POOL_COUNTERS = [
  ['pool_requests_total', 'Requests and sessions given to the pool', POOL_CELL.ISSUED],
  ['pool_timeouts_total', 'Requests that no endpoint answered in time', POOL_CELL.TIMEOUTS],
  ['pool_retries_total', 'Requests tried once more', POOL_CELL.RETRIED],
  [
    'pool_breaker_refused_total',
    'Requests refused because circuit breakers are open',
    POOL_CELL.BREAKER_REFUSED,
  ],
  ['pool_hedges_total', 'Requests that a second endpoint was asked beside the first', POOL_CELL.HEDGED],
  ['pool_bounded_total', 'Requests that a limit of the whole pool left no room', POOL_CELL.BOUNDED],
  ['pool_queue_displaced_total', 'Requests that gave way to newer ones in a full queue', POOL_CELL.DISPLACED],
  [
    'pool_concurrency_refused_total',
    'Requests that found no room because of the adaptive limit',
    POOL_CELL.CONCURRENCY_REFUSED,
  ],
  ['pool_coalesced_total', 'Requests answered with the response to another one', POOL_CELL.COALESCED],
  ['pool_shed_total', 'Requests refused for want of room or of a healthy endpoint', POOL_CELL.SHED],
] as const;

const RETRY_DENIALS = [
  ['budget', POOL_CELL.RETRY_NO_BUDGET],
  ['limit', POOL_CELL.RETRY_LIMIT],
  ['body', POOL_CELL.RETRY_BODY],
  ['retry_after', POOL_CELL.RETRY_AFTER],
] as const;

function poolMetrics(registry: Registry, { counts, control }: MetricSources): void {
  const of = (cell: number) => () =>
    counts.pools().map(({ pool, cells }) => [{ pool }, cells[cell]!] as const);
  for (const [name, help, cell] of POOL_COUNTERS) counter(registry, name, help, ['pool'], of(cell));
  counter(
    registry,
    'pool_retries_denied_total',
    'Requests not tried once more, by reason',
    ['pool', 'reason'],
    () =>
      counts
        .pools()
        .flatMap(({ pool, cells }) =>
          RETRY_DENIALS.map(([reason, cell]) => [{ pool, reason }, cells[cell]!] as const),
        ),
  );
  const gauges = [
    ['pool_in_flight', 'Requests and sessions in progress', POOL_CELL.IN_FLIGHT],
    ['pool_queue_length', 'Requests that wait for room', POOL_CELL.QUEUED],
    ['pool_queue_newest_first', 'Workers whose queue serves the newest first', POOL_CELL.NEWEST_FIRST],
    [
      'pool_concurrency_limit',
      'Requests that may be in progress by the adaptive limit; 0 without one',
      POOL_CELL.CONCURRENCY_LIMIT,
    ],
  ] as const;
  for (const [name, help, cell] of gauges) gauge(registry, name, help, ['pool'], of(cell));
  const states = [
    ['pool_healthy_endpoints', 'Endpoints that take new work', 'healthy'],
    ['pool_panic', '1 while too few endpoints are healthy', 'panic'],
    ['pool_maintenance', '1 while no endpoint is asked, by the configuration or an order', 'maintenance'],
  ] as const;
  for (const [name, help, field] of states) {
    gauge(registry, name, help, ['pool'], () =>
      control.status().pools.map((pool) => [{ pool: pool.pool }, Number(pool[field])]),
    );
  }
  durationHistogram(registry, {
    name: 'meridian_proxy_request_duration_seconds',
    help: 'From the head of a request to the end of its response',
    rows: () =>
      counts.pools().map(({ pool, cells }: PoolTotals) => ({
        labels: { pool },
        cells: cells.subarray(POOL_CELL.LATENCY),
      })),
  });
}

const ENDPOINT_COUNTERS = [
  ['endpoint_requests_total', 'Responses of the endpoint', ENDPOINT_CELL.REQUESTS],
  ['endpoint_errors_total', 'Its responses with a status of 500 or more', ENDPOINT_CELL.ERRORS],
  [
    'upstream_connect_failures_total',
    'Connections to the endpoint that failed or timed out',
    ENDPOINT_CELL.CONNECT_FAILURES,
  ],
  [
    'endpoint_breaker_openings_total',
    'Times that the circuit breaker of a worker opened',
    ENDPOINT_CELL.BREAKER_OPENINGS,
  ],
  ['endpoint_ejections_total', 'Times that a worker set it aside for its errors', ENDPOINT_CELL.EJECTIONS],
] as const;

function endpointMetrics(registry: Registry, { counts, control }: MetricSources): void {
  const labels = ['pool', 'endpoint'];
  const of = (cell: number) => () =>
    counts.endpoints().map(({ pool, endpoint, cells }: EndpointTotals) => {
      return [{ pool, endpoint }, cells[cell]!] as const;
    });
  for (const [name, help, cell] of ENDPOINT_COUNTERS) counter(registry, name, help, labels, of(cell));
  const gauges = [
    ['endpoint_connections', 'Connections to the endpoint, idle ones included', ENDPOINT_CELL.CONNECTIONS],
    ['endpoint_connections_idle', 'Idle connections kept to the endpoint', ENDPOINT_CELL.IDLE],
    ['endpoint_in_flight', 'Requests and sessions in progress', ENDPOINT_CELL.IN_FLIGHT],
  ] as const;
  for (const [name, help, cell] of gauges) gauge(registry, name, help, labels, of(cell));
  const states: readonly (readonly [string, string, (endpoint: EndpointStatus) => number])[] = [
    ['endpoint_up', '1 if the endpoint takes new work', ({ state }) => Number(state === 'up')],
    ['endpoint_draining', '1 while an operator keeps it out', ({ state }) => Number(state === 'draining')],
    ['endpoint_ejected', '1 while its errors keep it out', ({ state }) => Number(state === 'ejected')],
    [
      'endpoint_breaker_open',
      '1 while its circuit breaker keeps it out, 0.5 while it is half-open',
      ({ state }) => (state === 'breaker_open' ? 1 : state === 'breaker_half_open' ? 0.5 : 0),
    ],
    ['endpoint_weight', 'Its share of the work', ({ weight }) => weight],
  ];
  for (const [name, help, read] of states) {
    gauge(registry, name, help, labels, () =>
      control
        .status()
        .pools.flatMap(({ pool, endpoints }) =>
          endpoints.map((endpoint) => [{ pool, endpoint: endpoint.endpoint }, read(endpoint)] as const),
        ),
    );
  }
}

const NO_LIMITS: LimitFigures = { limits: [], table: null, region: null };

function limitMetrics(registry: Registry, figures: () => LimitFigures): void {
  const rows: readonly (readonly [
    name: string,
    help: string,
    labels: readonly string[],
    read: () => Rows,
  ])[] = [
    [
      'rate_limit_requests_total',
      'Requests judged by a rate limit, by what became of them',
      ['limit', 'result'],
      () => figures().limits.flatMap(limitRows),
    ],
    [
      'rate_limit_evictions_total',
      'Accounts that gave way to others in a full table',
      [],
      () => (figures().table === null ? [] : [[{}, figures().table?.evicted ?? 0]]),
    ],
    [
      'region_messages_total',
      'Messages to and from other proxies of the region, by result',
      ['result'],
      () => Object.entries(figures().region?.messages ?? {}).map(([result, count]) => [{ result }, count]),
    ],
  ];
  for (const [name, help, labels, read] of rows) counter(registry, name, help, labels, read);
  gauge(registry, 'rate_limit_keys', 'Accounts of rate limits that are kept now', [], () =>
    figures().table === null ? [] : [[{}, figures().table?.held ?? 0]],
  );
  gauge(registry, 'region_peer_heard', '1 while another proxy of the region is heard', ['peer'], () =>
    (figures().region?.peers ?? []).map(({ name, state }) => [{ peer: name }, Number(state === 'heard')]),
  );
}

function limitRows({ name, passed, refused, wouldRefuse, withoutKey }: LimitTotals): Rows {
  const results = { passed, refused, would_refuse: wouldRefuse, without_key: withoutKey };
  return Object.entries(results).map(([result, count]) => [{ limit: name, result }, count]);
}

function ownMetrics(registry: Registry, sources: MetricSources): void {
  counter(
    registry,
    'reports_total',
    'Reports to DNS nodes, by receiver and result',
    ['receiver', 'result'],
    () =>
      sources.control
        .status()
        .reports.flatMap(({ url, sent, failed }) => [
          [{ receiver: url, result: 'ok' }, sent] as const,
          [{ receiver: url, result: 'failed' }, failed] as const,
        ]),
  );
  counter(registry, 'worker_restarts_total', 'Workers that died and were replaced', [], () => [
    [{}, sources.restarts?.() ?? 0],
  ]);
  counter(registry, 'reloads_total', 'Changed configurations, by result', ['result'], () => {
    const { applied, refused } = sources.control.status().configuration;
    return [
      [{ result: 'applied' }, applied],
      [{ result: 'refused' }, refused],
    ];
  });
  gauge(registry, 'config_stale', '1 while the file has mistakes and an older one is in use', [], () => [
    [{}, Number(sources.control.status().configuration.problems.length > 0)],
  ]);
  counter(registry, 'access_log_lines_total', 'Lines of the access log, by result', ['result'], () =>
    Object.entries(sources.accessLog?.() ?? {}).map(([result, count]) => [{ result }, count]),
  );
  gauge(
    registry,
    'certificate_expiry_timestamp_seconds',
    'End of each certificate, seconds since 1970',
    ['certificate'],
    () => (sources.certificates?.() ?? []).map(({ name, endsMs }) => [{ certificate: name }, endsMs / 1000]),
  );
}

/** All metrics of a scrape are collected in one go: they need not all make the status anew. */
function oncePerScrape<T>(read: () => T): () => T {
  let kept: { readonly value: T } | null = null;
  return () => {
    if (kept === null) {
      kept = { value: read() };
      queueMicrotask(() => {
        kept = null;
      });
    }
    return kept.value;
  };
}

function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  rows: () => Rows,
): void {
  new Counter({
    name: `meridian_proxy_${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of rows()) this.inc(labels, value);
    },
  });
}

function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  rows: () => Rows,
): void {
  new Gauge({
    name: `meridian_proxy_${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of rows()) this.set(labels, value);
    },
  });
}
