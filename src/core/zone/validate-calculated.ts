/** Calculated monitors: names that lead somewhere, numbers that can be reached, and no loops. */

import { allowed, type Findings } from './finding.js';
import type { CalculatedMonitor, Zone } from './model.js';
import { dynamicRecords, recordPools } from './record-parts.js';

export function validateCalculated(zone: Zone, findings: Findings): void {
  for (const monitor of zone.calculated?.values() ?? []) validateOne(zone, monitor, findings);
}

function validateOne(zone: Zone, monitor: CalculatedMonitor, findings: Findings): void {
  const { name, of, count, kind } = monitor;
  const at = ['calculated', name];
  if (zone.monitors.has(name)) findings.add(at, 'duplicate', `a monitor is named "${name}", too`);
  if (kind === 'record') return validateRecord(zone, monitor, findings);
  const names = [...zone.monitors.keys(), ...(zone.calculated?.keys() ?? [])];
  for (const child of of) {
    if (!names.includes(child)) {
      findings.add(at, 'unknown-name', `no monitor is named "${child}"${allowed(names)}`);
    } else if (leadsTo(zone, child, name)) {
      findings.add(at, 'loop', `a loop: the monitor "${child}" leads back to "${name}"`);
    }
  }
  if (of.some((child) => zone.calculated?.get(child)?.of.some((part) => zone.calculated?.has(part)))) {
    findings.add(at, 'loop', 'is too deep: a calculated monitor may name others, and those plain ones only');
  }
  if (new Set(of).size < of.length) findings.add(at, 'duplicate', 'names a monitor twice');
  if (kind === 'at_least' && (count ?? 0) > of.length) {
    findings.add(
      [...at, 'at_least'],
      'out-of-range',
      `must be from 1 to ${of.length}: so many monitors are named`,
    );
  }
}

function leadsTo(zone: Zone, from: string, wanted: string, seen: Set<string> = new Set()): boolean {
  if (from === wanted) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return (zone.calculated?.get(from)?.of ?? []).some((child) => leadsTo(zone, child, wanted, seen));
}

function validateRecord(zone: Zone, { name, record }: CalculatedMonitor, findings: Findings): void {
  if (record === undefined) return;
  const at = ['calculated', name, 'record'];
  if (dynamicRecords(zone, record).length === 0) {
    const names = zone.rrsets.flatMap((rrset) => (rrset.kind === 'dynamic' ? [rrset.name] : []));
    const message = `no dynamic record of this zone is named "${record}"${allowed(new Set(names))}`;
    findings.add(at, 'unknown-name', message);
    return;
  }
  const way = wayBack(zone, record, name);
  if (way) findings.add(at, 'loop', `a loop: ${[`monitor "${name}"`, ...way].join(' → ')}`);
}

/** How the health of a record leads to a calculated monitor: by its pools, their monitors, and what these are made of. */
function wayBack(zone: Zone, record: string, wanted: string): readonly string[] | undefined {
  const seen = new Set<string>();
  const ofRecord = (name: string, way: readonly string[]): readonly string[] | undefined => {
    if (seen.has(name)) return undefined;
    seen.add(name);
    for (const pool of recordPools(zone, name)) {
      if (pool.monitor === undefined) continue;
      const found = ofMonitor(pool.monitor, [...way, `record "${name}"`, `pool "${pool.name}"`]);
      if (found) return found;
    }
    return undefined;
  };
  const ofMonitor = (name: string, way: readonly string[]): readonly string[] | undefined => {
    const here = [...way, `monitor "${name}"`];
    if (name === wanted) return here;
    const monitor = zone.calculated?.get(name);
    if (!monitor || seen.has(`monitor ${name}`)) return undefined;
    seen.add(`monitor ${name}`);
    for (const child of monitor.of) {
      const found = ofMonitor(child, here);
      if (found) return found;
    }
    return monitor.record === undefined ? undefined : ofRecord(monitor.record, here);
  };
  return ofRecord(record, []);
}
