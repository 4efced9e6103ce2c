import { expect, it } from 'vitest';
import { POOL_CELLS, ZONE_CELL } from '../../../src/core/tally/cells.js';
import { createLedgerMemory } from '../../../src/dataplane/ledger.js';
import { createDnsMetrics, type MetricSources } from '../../../src/metrics/dns-metrics.js';

const memory = [createLedgerMemory({}), createLedgerMemory({})];
const EMPTY = { up: 0, down: 0, unknown: 0, damped: 0 };
const SOURCES: MetricSources = {
  workers: () => [],
  workerRestarts: () => 0,
  certificates: () => ({ applied: 0, refused: 0 }),
  zones: () => [],
  zoneProblems: () => 0,
  reloads: () => ({ applied: 0, refused: 0 }),
  targets: () => EMPTY,
  verdicts: () => [],
  shedding: () => [],
  healthChanges: () => 0,
  probes: () => ({ ok: 0, failed: 0, impossible: 0, running: 0, queued: 0 }),
  reports: () => ({}),
  reporters: () => [],
  geo: () => ({ sources: [], problems: [] }),
  snapshot: () => ({ id: 0, publishedMs: 0 }),
  zoneTallies: () => ({
    memory,
    zones: [
      [0, ''],
      [1, 'other'],
      [2, 'a.test.'],
    ],
    pools: [[1, { zone: 'a.test.', pool: 'eu', region: 'west' }]],
  }),
  queryLog: () => ({ written: 5, lost: 6, failed: 7 }),
};

it('createDnsMetrics() shows what all workers counted by zone and pool, and no row for what is 0', async () => {
  const zone = 2 * ZONE_CELL.STRIDE;
  for (const [i, { zones, pools }] of memory.entries()) {
    // AAAA over DoT by IPv6; NXDOMAIN of at most 128 bytes; a dropped referral; a weighted record that failed closed.
    zones[zone + ZONE_CELL.REQUESTS + 8 + 4 + 1] = 10 + i;
    zones[zone + ZONE_CELL.RESPONSES + 8 * 3 + 1] = 10 + i;
    zones[zone + ZONE_CELL.LIMITED + 4 * 4] = 1 + i;
    zones[zone + ZONE_CELL.FAILED_CLOSED + 2] = 2;
    zones[ZONE_CELL.RESPONSES + 8 * 5] = 1;
    pools[POOL_CELLS + (1 << 2) + 1] = 4;
  }
  const text = await createDnsMetrics(SOURCES).metrics();
  const rows = text
    .split('\n')
    .filter((line) => /^meridian_(dns_(zone|rate|dec|response_)|query)/.test(line));
  expect(rows).toEqual([
    'meridian_dns_zone_requests_total{zone="a.test.",type="AAAA",transport="dot",family="6"} 21',
    'meridian_dns_zone_responses_total{zone="",rcode="REFUSED"} 2',
    'meridian_dns_zone_responses_total{zone="a.test.",rcode="NXDOMAIN"} 21',
    'meridian_dns_response_size_total{le="64"} 2',
    ...[128, 256, 512, 1024, 2048, 4096, '+Inf'].map(
      (le) => `meridian_dns_response_size_total{le="${le}"} 23`,
    ),
    'meridian_dns_rate_limited_total{zone="a.test.",kind="referral",action="dropped"} 3',
    'meridian_dns_decisions_total{zone="a.test.",pool="eu",region="west",policy="nearest",outcome="fallback"} 8',
    'meridian_dns_decisions_total{zone="a.test.",pool="",region="",policy="weighted",outcome="failed_closed"} 4',
    'meridian_query_log_lines_total{result="written"} 5',
    'meridian_query_log_lines_total{result="lost"} 6',
    'meridian_query_log_lines_total{result="failed"} 7',
  ]);
});
