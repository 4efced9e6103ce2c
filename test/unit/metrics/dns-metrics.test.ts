import { describe, expect, it } from 'vitest';
import { COUNTER } from '../../../src/core/answer/counters.js';
import { RCODE } from '../../../src/core/dns/iana.js';
import { createDnsMetrics, type MetricSources } from '../../../src/metrics/dns-metrics.js';

const workers = [new Float64Array(COUNTER.SIZE), new Float64Array(COUNTER.SIZE)];
const SOURCES: MetricSources = {
  workers: () => workers,
  workerRestarts: () => 1,
  certificates: () => ({ applied: 0, refused: 0 }),
  zones: () => [{ zone: 'a.test.', stale: true, loadedMs: 1500 }],
  zoneProblems: () => 2,
  reloads: () => ({ applied: 3, refused: 4 }),
  targets: () => ({ up: 5, down: 6, unknown: 7, damped: 15 }),
  healthChanges: () => 8,
  probes: () => ({ ok: 9, failed: 10, impossible: 27, running: 25, queued: 26 }),
  reports: () => ({ accepted: 11, old_sequence: 12 }),
  reporters: () => [{ node: 'proxy-eu', fresh: true }],
  verdicts: () => [
    {
      target: '192.0.2.1',
      monitor: 'web',
      up: false,
      observers: [
        { observer: 'probe', view: 'down' },
        { observer: 'dns:us', view: 'up' },
        { observer: 'dns:ap', view: 'unknown' },
      ],
    },
  ],
  shedding: () => [
    { pool: 'pool eu of a.test.', share: 0.25, utilisation: 0.8 },
    { pool: 'pool us of a.test.', share: 0 },
  ],
  geo: () => ({ sources: [{ path: 'embedded', age_days: 13 }], problems: ['bad'] }),
  snapshot: () => ({ id: 14, publishedMs: 2500 }),
};

async function series(): Promise<readonly string[]> {
  const text = await createDnsMetrics(SOURCES).metrics();
  return text.split('\n').filter((line) => line.startsWith('meridian_'));
}

describe('createDnsMetrics()', () => {
  it('shows every number with its labels', async () => {
    expect(await series()).toEqual(
      expect.arrayContaining([
        'meridian_worker_restarts_total 1',
        'meridian_zone_stale{zone="a.test."} 1',
        'meridian_zone_loaded_timestamp_seconds{zone="a.test."} 1.5',
        'meridian_zone_problems 2',
        'meridian_reloads_total{result="applied"} 3',
        'meridian_reloads_total{result="refused"} 4',
        'meridian_health_targets{state="up"} 5',
        'meridian_health_targets{state="down"} 6',
        'meridian_health_targets{state="unknown"} 7',
        'meridian_health_targets{state="damped"} 15',
        'meridian_shed_ratio{pool="pool eu of a.test."} 0.25',
        'meridian_shed_ratio{pool="pool us of a.test."} 0',
        'meridian_pool_utilisation_ratio{pool="pool eu of a.test."} 0.8',
        'meridian_health_target_up{target="192.0.2.1",monitor="web"} 0',
        'meridian_health_observer_up{target="192.0.2.1",monitor="web",observer="probe"} 0',
        'meridian_health_observer_up{target="192.0.2.1",monitor="web",observer="dns:us"} 1',
        'meridian_health_changes_total 8',
        'meridian_probes_total{result="ok"} 9',
        'meridian_probes_total{result="failed"} 10',
        'meridian_probes_total{result="impossible"} 27',
        'meridian_probes{state="running"} 25',
        'meridian_probes{state="queued"} 26',
        'meridian_reports_total{result="accepted"} 11',
        'meridian_reports_total{result="old_sequence"} 12',
        'meridian_reporter_fresh{node="proxy-eu"} 1',
        'meridian_geo_database_age_days{path="embedded"} 13',
        'meridian_geo_problems 1',
        'meridian_snapshot_id 14',
        'meridian_snapshot_timestamp_seconds 2.5',
      ]),
    );
  });

  /** Counter of the workers → series. */
  const COUNTERS: readonly (readonly [number, string])[] = [
    [COUNTER.UDP4, 'meridian_dns_requests_total{transport="udp",family="4"}'],
    [COUNTER.UDP6, 'meridian_dns_requests_total{transport="udp",family="6"}'],
    [COUNTER.TCP4, 'meridian_dns_requests_total{transport="tcp",family="4"}'],
    [COUNTER.TCP6, 'meridian_dns_requests_total{transport="tcp",family="6"}'],
    [COUNTER.DROP_SHORT, 'meridian_dns_dropped_total{reason="short"}'],
    [COUNTER.DROP_RESPONSE, 'meridian_dns_dropped_total{reason="response"}'],
    [COUNTER.TRUNCATED, 'meridian_dns_truncated_total'],
    [COUNTER.EDNS, 'meridian_dns_edns_total{option="any"}'],
    [COUNTER.ECS, 'meridian_dns_edns_total{option="client_subnet"}'],
    [COUNTER.RCODE + RCODE.SERVFAIL, 'meridian_dns_responses_total{rcode="SERVFAIL"}'],
    [COUNTER.RCODE + RCODE.REFUSED, 'meridian_dns_responses_total{rcode="REFUSED"}'],
    [COUNTER.RCODE + RCODE.BADVERS, 'meridian_dns_responses_total{rcode="BADVERS"}'],
    [COUNTER.FAULT, 'meridian_dns_faults_total'],
    [COUNTER.SEND_FAILED, 'meridian_dns_send_failed_total'],
    [COUNTER.TCP_ACCEPTED, 'meridian_dns_tcp_connections_total{event="accepted"}'],
    [COUNTER.TCP_REFUSED, 'meridian_dns_tcp_connections_total{event="refused"}'],
    [COUNTER.TCP_TIMEOUT, 'meridian_dns_tcp_connections_total{event="timeout"}'],
  ];

  it.each(COUNTERS)('adds up counter %i of all workers in %s', async (counter, name) => {
    for (const counters of workers) counters.fill(0);
    workers[0]![counter] = 40;
    workers[1]![counter] = 2;
    const nonZero = (await series()).filter(
      (line) => line.startsWith('meridian_dns_') && !line.endsWith(' 0'),
    );
    expect(nonZero).toEqual([`${name} 42`]);
  });

  it('does not count twice when it is scraped twice', async () => {
    const registry = createDnsMetrics(SOURCES);
    await registry.metrics();
    expect(await registry.metrics()).toContain('\nmeridian_health_changes_total 8\n');
  });

  it('has a help text for each metric', async () => {
    const text = await createDnsMetrics(SOURCES).metrics();
    const helped = [...text.matchAll(/^# HELP (meridian_\w+) \S.*$/gm)].map(([, name]) => name);
    const named = (await series()).map((line) => /^\w+/.exec(line)?.[0]);
    for (const name of named) expect(helped).toContain(name);
  });
});
