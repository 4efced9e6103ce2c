import type { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createDnsMetrics } from '../../../src/metrics/dns-metrics.js';
import { proxyMetrics } from '../../../src/proxy/metrics.js';
import { allPages, page, tableRows } from './pages.js';

const METRICS = page('docs/metrics.md');

interface Listed {
  readonly name: string;
  readonly type: string;
  readonly labels: string;
}

function documented(heading: string): readonly Listed[] {
  return tableRows(METRICS, heading)
    .map(([name = '', type = '', labels = '']) => ({
      name: name.replaceAll('`', ''),
      type,
      labels: labels.replaceAll('`', ''),
    }))
    .toSorted((a, b) => a.name.localeCompare(b.name));
}

/** What a registry has; the labels are read from the metrics themselves, since some have no row yet. */
async function registered(registry: Registry): Promise<readonly Listed[]> {
  const metrics = registry.getMetricsAsArray() as unknown as readonly {
    readonly name: string;
    readonly labelNames: readonly string[];
  }[];
  const types = new Map((await registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)]));
  return metrics
    .filter(({ name }) => name.startsWith('meridian_'))
    .map(({ name, labelNames }) => ({ name, type: types.get(name) ?? '', labels: labelNames.join(', ') }))
    .toSorted((a, b) => a.name.localeCompare(b.name));
}

function dnsRegistry(): Registry {
  return createDnsMetrics({
    workers: () => [],
    workerRestarts: () => 0,
    certificates: () => ({ applied: 0, refused: 0 }),
    zones: () => [],
    zoneProblems: () => 0,
    reloads: () => ({ applied: 0, refused: 0 }),
    targets: () => ({ up: 0, down: 0, unknown: 0, damped: 0 }),
    healthChanges: () => 0,
    probes: () => ({ ok: 0, failed: 0, impossible: 0, running: 0, queued: 0 }),
    reports: () => ({}),
    reporters: () => [],
    verdicts: () => [],
    shedding: () => [],
    geo: () => ({ sources: [], problems: [] }),
    snapshot: () => ({ id: 0, publishedMs: 0 }),
  });
}

function proxyRegistry(): Registry {
  return proxyMetrics({
    counts: { listeners: () => [], pools: () => [], endpoints: () => [] },
    control: {
      status: () => ({
        node: { name: 'p', region: 'r' },
        ...{ version: '1', startedMs: 0, workers: 1, state: 'up', draining: false },
        configuration: { hash: '', sinceMs: 0, applied: 0, refused: 0, problems: [], waiting: [] },
        ...{ listeners: [], pools: [], reports: [] },
      }),
    },
  });
}

describe('docs/metrics.md', () => {
  it.each([
    ['## DNS node', dnsRegistry()],
    ['## Proxy', proxyRegistry()],
  ])('%s: lists every metric with its type and labels, and no other', async (heading, registry) => {
    const expected = await registered(registry);
    expect(expected.length).toBeGreaterThan(10);
    expect(documented(heading)).toEqual(expected);
  });

  it('is where every metric that documents name stands', () => {
    const known = new Set([...documented('## DNS node'), ...documented('## Proxy')].map(({ name }) => name));
    const unknown = allPages().flatMap(({ path, text }) =>
      [...text.matchAll(/\bmeridian_[a-z0-9_]+[a-z0-9](?![a-z0-9_*])/g)]
        .map(([name]) => name)
        .filter((name) => !known.has(name))
        .map((name) => `${path}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });
});

describe('docs/runbook.md', () => {
  const runbook = page('docs/runbook.md').text;
  const entries = runbook.split(/^### /m).slice(1);

  it.each(entries.map((entry) => [entry.split('\n', 1)[0]!, entry]))('%s says what to do', (_, entry) => {
    for (const part of ['Meaning', 'First command', 'causes', 'action', 'rollback']) {
      expect(entry.toLowerCase(), part).toContain(part.toLowerCase());
    }
  });

  it('names each metric that tells of trouble', () => {
    const silent = [...documented('## DNS node'), ...documented('## Proxy')]
      .map(({ name }) => name)
      .filter((name) =>
        /problem|stale|fault|fail|refus|drop|trunc|abort|restart|fresh|health|probe|report|shed|utilis|alias|decisions|_up$/.test(
          name,
        ),
      )
      .filter((name) => !runbook.includes(name));
    expect(silent).toEqual([]);
  });
});
