import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { COUNTER, RCODE_COUNT } from '../core/answer/counters.js';
import { RCODE, rcodeName } from '../core/dns/iana.js';
import type { RegionScaling } from '../core/scaling/region.js';
import { type JournalFacts, journalMetrics } from './journal-metrics.js';
import { scalingMetrics } from './scaling-metrics.js';
import { type ZoneTallies, zoneMetrics } from './zone-metrics.js';

/** Where the numbers come from at scrape time. Every member is read anew for each scrape. */
export interface MetricSources {
  /** The counters of each DNS worker (`core/answer/counters.ts`). */
  readonly workers: () => readonly Float64Array[];
  readonly workerRestarts: () => number;
  /** Certificate files read since the start. */
  readonly certificates: () => { readonly applied: number; readonly refused: number };
  readonly zones: () => readonly {
    readonly zone: string;
    readonly stale: boolean;
    readonly loadedMs: number;
  }[];
  readonly zoneProblems: () => number;
  readonly reloads: () => { readonly applied: number; readonly refused: number };
  readonly targets: () => Readonly<Record<'up' | 'down' | 'unknown' | 'damped', number>>;
  readonly healthChanges: () => number;
  readonly probes: () => {
    readonly ok: number;
    readonly failed: number;
    readonly impossible: number;
    readonly running: number;
    readonly queued: number;
  };
  readonly reports: () => Readonly<Record<string, number>>;
  readonly reporters: () => readonly { readonly node: string; readonly fresh: boolean }[];
  /** Of each target; empty where there are too many of them. */
  readonly verdicts: () => readonly {
    readonly target: string;
    readonly monitor: string;
    readonly up: boolean;
    readonly observers: readonly { readonly observer: string; readonly view: string }[];
  }[];
  /** Absent where nothing can be steered. */
  readonly steering?: () => SteeringRows;
  readonly shedding: () => readonly {
    readonly pool: string;
    readonly share: number;
    readonly utilisation?: number;
  }[];
  /** What the proxies of each region want; absent where none reports. */
  readonly scaling?: () => ReadonlyMap<string, RegionScaling>;
  readonly geo: () => {
    readonly sources: readonly { readonly path: string; readonly age_days: number }[];
    readonly problems: readonly string[];
  };
  /** Names outside that ALIAS records lead to; undefined where they are not resolved. */
  readonly aliases?: () =>
    | {
        readonly names: Readonly<Record<string, number>>;
        readonly refreshes: Readonly<Record<string, number>>;
        readonly ageSeconds: number;
      }
    | undefined;
  /** Interfaces that are read by XDP, or should be. */
  readonly xdp?: () => readonly {
    readonly interface: string;
    readonly queues: number;
    readonly ignored: number;
  }[];
  /** ACME accounts and challenges; undefined where there are none. */
  readonly acme?: () =>
    | {
        readonly accounts: number;
        readonly values: number;
        readonly updates: Readonly<Record<string, number>>;
        readonly registrations: Readonly<Record<string, number>>;
      }
    | undefined;
  /** The journal of revisions; absent where there is none. */
  readonly journal?: () => JournalFacts;
  readonly snapshot: () => { readonly id: number; readonly publishedMs: number };
  /** Absent where nothing is counted by zone. */
  readonly zoneTallies?: () => ZoneTallies;
  /** Lines of the query log; absent where there is none. */
  readonly queryLog?: () => { readonly written: number; readonly lost: number; readonly failed: number };
}

const NO_SCALING: ReadonlyMap<string, RegionScaling> = new Map();
const NO_TALLIES: ZoneTallies = { memory: [], zones: [], pools: [] };

/** What is steered, as rows of the metrics. */
export interface SteeringRows {
  readonly endpoints: Rows;
  readonly pools: Rows;
  readonly entries: Rows;
  readonly rollouts: Rows;
}

type Rows = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

/** A registry with everything that a DNS node measures. docs/metrics.md lists it; a test compares. */
export function createDnsMetrics(sources: MetricSources): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const sum = (counter: number) =>
    sources.workers().reduce((total, counters) => total + counters[counter]!, 0);
  queries(registry, sum);
  const byZone = (name: string, help: string, labels: string[], rows: () => Rows) =>
    counter(registry, name, help, labels, rows);
  zoneMetrics(byZone, sources.zoneTallies ?? (() => NO_TALLIES));
  counter(registry, 'query_log_lines_total', 'Lines of the query log.', ['result'], () =>
    Object.entries(sources.queryLog?.() ?? {}).map(([result, value]) => [{ result }, value]),
  );
  control(registry, sources);
  health(registry, sources);
  aliases(registry, sources);
  acme(registry, sources);
  xdp(registry, sources);
  journalMetrics(registry, () => sources.journal?.());
  scalingMetrics(registry, () => sources.scaling?.() ?? NO_SCALING);
  return registry;
}

function queries(registry: Registry, sum: (counter: number) => number): void {
  counter(registry, 'dns_requests_total', 'Queries received.', ['transport', 'family'], () => [
    [{ transport: 'udp', family: '4' }, sum(COUNTER.UDP4)],
    [{ transport: 'udp', family: '6' }, sum(COUNTER.UDP6)],
    [{ transport: 'tcp', family: '4' }, sum(COUNTER.TCP4)],
    [{ transport: 'tcp', family: '6' }, sum(COUNTER.TCP6)],
    [{ transport: 'dot', family: '4' }, sum(COUNTER.DOT4)],
    [{ transport: 'dot', family: '6' }, sum(COUNTER.DOT6)],
    [{ transport: 'doh', family: '4' }, sum(COUNTER.DOH4)],
    [{ transport: 'doh', family: '6' }, sum(COUNTER.DOH6)],
  ]);
  counter(registry, 'dns_responses_total', 'Answers by response code.', ['rcode'], () =>
    Array.from({ length: RCODE_COUNT }, (_, rcode): Rows[number] => [
      { rcode: rcodeName(rcode === RCODE_COUNT - 1 ? RCODE.BADVERS : rcode) },
      sum(COUNTER.RCODE + rcode),
    ]).filter(([, value], rcode) => value > 0 || rcode <= RCODE.REFUSED),
  );
  counter(registry, 'dns_dropped_total', 'Packets that get no answer.', ['reason'], () => [
    [{ reason: 'short' }, sum(COUNTER.DROP_SHORT)],
    [{ reason: 'response' }, sum(COUNTER.DROP_RESPONSE)],
  ]);
  counter(registry, 'dns_truncated_total', 'Answers cut short, with TC set.', [], () => [
    [{}, sum(COUNTER.TRUNCATED)],
  ]);
  counter(registry, 'dns_edns_total', 'Queries with EDNS, and with a client subnet.', ['option'], () => [
    [{ option: 'any' }, sum(COUNTER.EDNS)],
    [{ option: 'client_subnet' }, sum(COUNTER.ECS)],
  ]);
  counter(registry, 'dns_cookies_total', 'Queries with a cookie option (RFC 7873).', ['cookie'], () => [
    [{ cookie: 'client_only' }, sum(COUNTER.COOKIE_NEW)],
    [{ cookie: 'valid' }, sum(COUNTER.COOKIE_VALID)],
    [{ cookie: 'invalid' }, sum(COUNTER.COOKIE_INVALID)],
  ]);
  counter(registry, 'dns_tcp_connections_total', 'TCP connections by what became of them.', ['event'], () => [
    [{ event: 'accepted' }, sum(COUNTER.TCP_ACCEPTED)],
    [{ event: 'refused' }, sum(COUNTER.TCP_REFUSED)],
    [{ event: 'timeout' }, sum(COUNTER.TCP_TIMEOUT)],
  ]);
  counter(registry, 'dns_tls_connections_total', 'TLS connections by what became of them.', ['event'], () => [
    [{ event: 'accepted' }, sum(COUNTER.TLS_ACCEPTED)],
    [{ event: 'refused' }, sum(COUNTER.TLS_REFUSED)],
    [{ event: 'failed' }, sum(COUNTER.TLS_FAILED)],
    [{ event: 'timeout' }, sum(COUNTER.TLS_TIMEOUT)],
    [{ event: 'slow' }, sum(COUNTER.TLS_SLOW)],
  ]);
  counter(registry, 'dns_doh_refused_total', 'DNS over HTTPS requests answered with an error.', [], () => [
    [{}, sum(COUNTER.DOH_REFUSED)],
  ]);
  counter(registry, 'dns_proxy_refused_total', 'Trusted senders without a proper PROXY header.', [], () => [
    [{}, sum(COUNTER.PROXY_REFUSED)],
  ]);
  counter(registry, 'dns_send_failed_total', 'Answers that the kernel did not take.', [], () => [
    [{}, sum(COUNTER.SEND_FAILED)],
  ]);
  counter(registry, 'dns_faults_total', 'Exceptions in the query path: each is a bug.', [], () => [
    [{}, sum(COUNTER.FAULT)],
  ]);
}

function control(registry: Registry, sources: MetricSources): void {
  counter(registry, 'worker_restarts_total', 'DNS workers that died and were replaced.', [], () => [
    [{}, sources.workerRestarts()],
  ]);
  counter(registry, 'certificate_reloads_total', 'Times that certificate files changed.', ['result'], () => [
    [{ result: 'applied' }, sources.certificates().applied],
    [{ result: 'refused' }, sources.certificates().refused],
  ]);
  counter(registry, 'reloads_total', 'Times that the zone files were read.', ['result'], () => [
    [{ result: 'applied' }, sources.reloads().applied],
    [{ result: 'refused' }, sources.reloads().refused],
  ]);
  gauge(registry, 'zone_problems', 'Mistakes in the zone files on disk.', [], () => [
    [{}, sources.zoneProblems()],
  ]);
  gauge(registry, 'zone_stale', '1 while the last good version of a zone is served.', ['zone'], () =>
    sources.zones().map(({ zone, stale }) => [{ zone }, stale ? 1 : 0]),
  );
  gauge(registry, 'zone_loaded_timestamp_seconds', 'When the served version was loaded.', ['zone'], () =>
    sources.zones().map(({ zone, loadedMs }) => [{ zone }, loadedMs / 1000]),
  );
  gauge(registry, 'snapshot_id', 'Number of the snapshot that is answered from.', [], () => [
    [{}, sources.snapshot().id],
  ]);
  gauge(registry, 'snapshot_timestamp_seconds', 'When it was published.', [], () => [
    [{}, sources.snapshot().publishedMs / 1000],
  ]);
  gauge(registry, 'geo_database_age_days', 'Days since a geo database was built.', ['path'], () =>
    sources.geo().sources.map(({ path, age_days }) => [{ path }, age_days]),
  );
  gauge(registry, 'geo_problems', 'Geo database files that were refused.', [], () => [
    [{}, sources.geo().problems.length],
  ]);
}

function xdp(registry: Registry, sources: MetricSources): void {
  const facts = () => sources.xdp?.() ?? [];
  gauge(registry, 'dns_xdp_queues', 'Receive queues read by XDP; 0: refused.', ['interface'], () =>
    facts().map((fact) => [{ interface: fact.interface }, fact.queues]),
  );
  counter(
    registry,
    'dns_xdp_ignored_total',
    'Datagrams without a query, dropped by the XDP program.',
    ['interface'],
    () => facts().map((fact) => [{ interface: fact.interface }, fact.ignored]),
  );
}

function acme(registry: Registry, sources: MetricSources): void {
  const rows = (counts: Readonly<Record<string, number>> | undefined): Rows =>
    Object.entries(counts ?? {}).map(([result, value]) => [{ result }, value]);
  gauge(registry, 'acme_accounts', 'ACME accounts.', [], () => [[{}, sources.acme?.()?.accounts ?? 0]]);
  gauge(registry, 'acme_values', 'Values of ACME challenges that are answered.', [], () => [
    [{}, sources.acme?.()?.values ?? 0],
  ]);
  counter(registry, 'acme_updates_total', 'Requests to set a value.', ['result'], () =>
    rows(sources.acme?.()?.updates),
  );
  counter(registry, 'acme_registrations_total', 'Requests for an account.', ['result'], () =>
    rows(sources.acme?.()?.registrations),
  );
}

function aliases(registry: Registry, sources: MetricSources): void {
  const rows = (counts: Readonly<Record<string, number>> | undefined, label: string): Rows =>
    Object.entries(counts ?? {}).map(([key, value]) => [{ [label]: key }, value]);
  gauge(registry, 'alias_targets', 'Names outside of ALIAS records by what is known.', ['state'], () =>
    rows(sources.aliases?.()?.names, 'state'),
  );
  counter(registry, 'alias_refreshes_total', 'Attempts to resolve such a name.', ['result'], () =>
    rows(sources.aliases?.()?.refreshes, 'result'),
  );
  gauge(registry, 'alias_age_seconds', 'Since the oldest of their addresses were confirmed.', [], () => [
    [{}, sources.aliases?.()?.ageSeconds ?? 0],
  ]);
}

function health(registry: Registry, sources: MetricSources): void {
  gauge(registry, 'health_targets', 'Health targets by verdict.', ['state'], () =>
    Object.entries(sources.targets()).map(([state, value]) => [{ state }, value]),
  );
  counter(registry, 'health_changes_total', 'Changes of a verdict.', [], () => [
    [{}, sources.healthChanges()],
  ]);
  counter(registry, 'probes_total', 'Probes by result.', ['result'], () => [
    [{ result: 'ok' }, sources.probes().ok],
    [{ result: 'failed' }, sources.probes().failed],
    [{ result: 'impossible' }, sources.probes().impossible],
  ]);
  gauge(registry, 'probes', 'Probes that run, and that wait for a place.', ['state'], () => [
    [{ state: 'running' }, sources.probes().running],
    [{ state: 'queued' }, sources.probes().queued],
  ]);
  counter(registry, 'reports_total', 'Reports by what became of them.', ['result'], () =>
    Object.entries(sources.reports()).map(([result, value]) => [{ result }, value]),
  );
  gauge(
    registry,
    'reporter_fresh',
    '1 while the last report of a proxy or DNS node is believed.',
    ['node'],
    () => sources.reporters().map(({ node, fresh }) => [{ node }, fresh ? 1 : 0]),
  );
  gauge(registry, 'health_target_up', '1 while the verdict of a target is up.', ['target', 'monitor'], () =>
    sources.verdicts().map(({ target, monitor, up }) => [{ target, monitor }, up ? 1 : 0]),
  );
  gauge(
    registry,
    'health_observer_up',
    '1 while an observer calls a target up; no row while it has no fresh view.',
    ['target', 'monitor', 'observer'],
    () =>
      sources
        .verdicts()
        .flatMap(({ target, monitor, observers }) =>
          observers
            .filter(({ view }) => view !== 'unknown')
            .map(({ observer, view }): Rows[number] => [
              { target, monitor, observer },
              view === 'up' ? 1 : 0,
            ]),
        ),
  );
  gauge(
    registry,
    'steering_endpoints',
    'Addresses that an operator forces up or down, or drains, by pool.',
    ['zone', 'pool', 'state'],
    () => sources.steering?.().endpoints ?? [],
  );
  gauge(
    registry,
    'steering_dial_percent',
    'What a dialled pool keeps of its answers; no row for all others.',
    ['zone', 'pool', 'region'],
    () => sources.steering?.().pools ?? [],
  );
  gauge(
    registry,
    'steering_entries',
    'Entries of the steering document, whether they hold now or not.',
    ['kind'],
    () => sources.steering?.().entries ?? [],
  );
  gauge(
    registry,
    'rollout_percent',
    'What part of the clients of a pool a rollout gives to another one.',
    ['rollout', 'zone', 'from', 'to', 'state'],
    () => sources.steering?.().rollouts ?? [],
  );
  gauge(registry, 'shed_ratio', 'Part of the answers that a full pool hands to the next.', ['pool'], () =>
    sources.shedding().map(({ pool, share }) => [{ pool }, share]),
  );
  gauge(
    registry,
    'pool_utilisation_ratio',
    'Load that the proxies of a pool report; 1 is full.',
    ['pool'],
    () =>
      sources
        .shedding()
        .flatMap(
          ({ pool, utilisation }): Rows => (utilisation === undefined ? [] : [[{ pool }, utilisation]]),
        ),
  );
}

function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  rows: () => Rows,
): void {
  new Counter({
    name: `meridian_${name}`,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of rows()) this.inc(labels, value);
    },
  });
}

function gauge(registry: Registry, name: string, help: string, labelNames: string[], rows: () => Rows): void {
  new Gauge({
    name: `meridian_${name}`,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of rows()) this.set(labels, value);
    },
  });
}
