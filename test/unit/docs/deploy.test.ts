import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { page, tableRows } from './pages.js';

const ROOT = resolve(import.meta.dirname, '../../..');
const RULES = 'deploy/prometheus/meridian.rules.yaml';
const UNITS = readdirSync(join(ROOT, 'deploy/systemd')).filter((file) => file.endsWith('.service'));
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const has = (program: string): boolean => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

/** Every metric that the documents list, with what Prometheus makes of a histogram. */
function metrics(): ReadonlySet<string> {
  const text = page('docs/metrics.md');
  const names = ['## DNS node', '## Proxy'].flatMap((heading) =>
    tableRows(text, heading).map(([name = '']) => name.replaceAll('`', '')),
  );
  return new Set(names.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]));
}

function unknownMetrics(expressions: readonly string[]): readonly string[] {
  const known = metrics();
  const used = expressions.flatMap((expression) => expression.match(/\bmeridian_\w+/g) ?? []);
  return used.filter((name) => !known.has(name));
}

describe(RULES, () => {
  const groups = (parse(read(RULES)) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] })
    .groups;
  const rules = groups.flatMap((group) => group.rules);

  it('has a rule for every alert of the runbook, and no other', () => {
    const told = [...read('docs/runbook.md').matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
    expect(rules.map(({ alert }) => alert).toSorted()).toEqual(told.toSorted());
  });

  it('asks only for metrics that there are', () => {
    expect(unknownMetrics(rules.map(({ expr }) => expr))).toEqual([]);
  });

  it.each(rules)(
    '$alert says how bad it is, what happens, and what to do',
    ({ alert, labels, annotations }) => {
      expect(labels.severity).toMatch(/^(?:info|warning|critical)$/);
      expect(annotations.summary.length).toBeGreaterThan(10);
      expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
    },
  );

  it.skipIf(!has('promtool'))('is good for promtool', () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', join(ROOT, RULES)], {
      encoding: 'utf8',
    });
    expect({ status, said: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, said: '' });
  });
});

describe('deploy/grafana/meridian.json', () => {
  const { panels } = JSON.parse(read('deploy/grafana/meridian.json')) as {
    readonly panels: readonly Panel[];
  };

  it('asks only for metrics that there are', () => {
    expect(unknownMetrics(panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)))).toEqual([]);
  });

  it('has panels that do not lie over each other', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });
});

describe.each(UNITS)('deploy/systemd/%s', (unit) => {
  const file = join('deploy/systemd', unit);

  it('notifies, is watched, and has no more rights than it needs', () => {
    const text = read(file);
    for (const line of [
      'Type=notify',
      'WatchdogSec=30',
      'User=meridian',
      'NoNewPrivileges=yes',
      'ProtectSystem=strict',
      'CapabilityBoundingSet=CAP_NET_BIND_SERVICE',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
  });

  it.skipIf(!has('systemd-analyze'))('is good for systemd', () => {
    const { stderr } = spawnSync('systemd-analyze', ['verify', join(ROOT, file)], { encoding: 'utf8' });
    // Of this machine: whether the program is where the unit wants it.
    const said = stderr
      .split('\n')
      .filter((line) => line.includes(unit) && !line.includes('is not executable'));
    expect(said).toEqual([]);
  });
});

describe('deploy/systemd/meridian-dns-xdp.conf', () => {
  it('gives what docs/xdp.md says is needed, as rights of an ordinary user', () => {
    const lines = read('deploy/systemd/meridian-dns-xdp.conf').split('\n');
    const needed = /^\| capabilities \| (.*?), in /m.exec(read('docs/xdp.md'))?.[1];
    const rights = [...(needed ?? '').matchAll(/`(CAP_\w+)`/g)].map(([, name]) => name).join(' ');
    expect(lines).toContain(`AmbientCapabilities=${rights}`);
    expect(lines).toContain(`CapabilityBoundingSet=${rights}`);
    for (const line of ['LimitMEMLOCK=infinity', 'RestrictAddressFamilies=AF_XDP', 'SystemCallFilter=bpf'])
      expect(lines).toContain(line);
  });
});
