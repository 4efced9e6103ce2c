/** Calculated monitors: names that lead somewhere, numbers that can be reached, and no loops. */

import { allowed, type Findings } from './finding.js';
import type { CalculatedMonitor, Zone } from './model.js';

export function validateCalculated(zone: Zone, findings: Findings): void {
  for (const monitor of zone.calculated?.values() ?? []) validateOne(zone, monitor, findings);
}

function validateOne(zone: Zone, monitor: CalculatedMonitor, findings: Findings): void {
  const { name, of, count, kind } = monitor;
  const at = ['calculated', name];
  if (zone.monitors.has(name)) findings.add(at, 'duplicate', `a monitor is named "${name}", too`);
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
