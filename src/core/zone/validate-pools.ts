/** Monitors and pools: numbers that contradict each other, and names that lead nowhere. */

import { TYPE } from '../dns/iana.js';
import { rdataText } from '../dns/rdata/table.js';
import { allowed, type Findings } from './finding.js';
import type { Family, Monitor, Pool, Zone } from './model.js';
import { validateCalculated } from './validate-calculated.js';
import { validateGroups } from './validate-groups.js';
import { validateJudgement, validateMinUp, validateShed } from './validate-judgement.js';

export const QUORUM_MAX = 64;
const WEIGHT_MAX = 65_535;
const FAMILIES: readonly Family[] = ['A', 'AAAA', 'CNAME'];

export function validateMonitors(zone: Zone, findings: Findings): void {
  for (const monitor of zone.monitors.values()) {
    validateMonitor(monitor, findings);
    validateJudgement(monitor, findings);
  }
}

export function validatePools(zone: Zone, findings: Findings): void {
  validateCalculated(zone, findings);
  for (const pool of zone.pools.values()) {
    validateReferences(zone, pool, findings);
    validateGroups(zone, pool, findings);
    if (pool.members) continue;
    validateEndpoints(pool, findings);
    validateShed(pool, findings);
    validateMinUp(pool, findings);
    if (!(pool.minUp >= 0 && pool.minUp <= 1)) {
      findings.add(['pools', pool.name, 'min_up'], 'out-of-range', 'must be a number from 0 to 1');
    }
  }
}

function validateMonitor(monitor: Monitor, findings: Findings): void {
  const at = ['monitors', monitor.name];
  const { intervalMs, timeoutMs, retryMs, quorum } = monitor;
  if (intervalMs < 500 || intervalMs > 3_600_000) {
    findings.add([...at, 'interval'], 'out-of-range', 'must be from 500ms to 1h');
  }
  if (timeoutMs < 10 || timeoutMs > 60_000) {
    findings.add([...at, 'timeout'], 'out-of-range', 'must be from 10ms to 1m');
  }
  if (timeoutMs >= intervalMs) {
    const message = `must be shorter than the interval: ${timeoutMs}ms is not less than ${intervalMs}ms`;
    findings.add([...at, 'timeout'], 'out-of-range', message);
  }
  if (retryMs !== undefined && (retryMs < 500 || retryMs > intervalMs)) {
    const message = `must be from 500ms to the interval, ${intervalMs}ms`;
    findings.add([...at, 'retry_interval'], 'out-of-range', message);
  }
  if (typeof quorum === 'number' && !(Number.isInteger(quorum) && quorum >= 1 && quorum <= QUORUM_MAX)) {
    findings.add([...at, 'quorum'], 'out-of-range', `must be a whole number from 1 to ${QUORUM_MAX}`);
  }
  if (!('status' in monitor)) return;
  for (const { from, to } of monitor.status) {
    if (from <= to) continue;
    findings.add([...at, 'expect'], 'out-of-range', `the range ${from}-${to} is empty: write ${to}-${from}`);
  }
}

function validateReferences(zone: Zone, pool: Pool, findings: Findings): void {
  const at = ['pools', pool.name];
  const { region, monitor, fallback } = pool;
  if (region !== undefined && !zone.regions.has(region)) {
    const message = `no region is named "${region}"${allowed(zone.regions.keys())}`;
    findings.add([...at, 'region'], 'unknown-name', message);
  }
  const monitors = [...zone.monitors.keys(), ...(zone.calculated?.keys() ?? [])];
  if (monitor !== undefined && !monitors.includes(monitor)) {
    const message = `no monitor is named "${monitor}"${allowed(monitors)}`;
    findings.add([...at, 'monitor'], 'unknown-name', message);
  }
  if (fallback === undefined) return;
  if (!zone.pools.has(fallback)) {
    const message = `no pool is named "${fallback}"${allowed(zone.pools.keys())}`;
    findings.add([...at, 'fallback'], 'unknown-name', message);
  } else if (fallback === pool.name) {
    findings.add([...at, 'fallback'], 'loop', 'a pool cannot fall back to itself');
  } else {
    const loop = loopOf(zone, pool);
    if (loop) findings.add([...at, 'fallback'], 'loop', loop);
  }
}

/**
 * What is wrong with the ring of fallbacks that a pool is part of; told once, at the ring's first pool in the
 * file. Two pools may back each other up: their chains end where they would visit a pool again.
 */
function loopOf(zone: Zone, pool: Pool): string | undefined {
  const ring: string[] = [];
  let next: Pool | undefined = pool;
  while (next && !ring.includes(next.name)) {
    ring.push(next.name);
    next = next.fallback === undefined ? undefined : zone.pools.get(next.fallback);
  }
  if (next !== pool || ring.length < 3) return undefined;
  const first = [...zone.pools.keys()].find((name) => ring.includes(name));
  if (first !== pool.name) return undefined;
  return `a loop: ${[...ring, pool.name].join(' → ')}; a chain must end, or two pools back each other up`;
}

function validateEndpoints(pool: Pool, findings: Findings): void {
  const at = ['pools', pool.name, 'endpoints'];
  const seen = new Map<string, number>();
  for (const [index, endpoint] of pool.endpoints.entries()) {
    const families = FAMILIES.filter((family) => endpoint.rdata[family]);
    if (families.length === 0) {
      findings.add([...at, index], 'no-endpoint', 'needs at least one of A, AAAA and CNAME');
    }
    if (families.includes('CNAME') && families.length > 1) {
      findings.add([...at, index], 'beside-cname', 'has either addresses or a CNAME, not both');
    }
    if (!(Number.isInteger(endpoint.weight) && endpoint.weight >= 0 && endpoint.weight <= WEIGHT_MAX)) {
      const message = `must be a whole number from 0 to ${WEIGHT_MAX}`;
      findings.add([...at, index, 'weight'], 'out-of-range', message);
    }
    if (endpoint.service !== undefined && endpoint.proxy === undefined) {
      findings.add([...at, index, 'service'], 'unknown-name', 'needs the key "proxy" beside it');
    }
    for (const family of families) {
      const text = rdataText(TYPE[family], endpoint.rdata[family]!).toLowerCase();
      const first = seen.get(text);
      if (first !== undefined) {
        const message = `${text} is already an endpoint of this pool (number ${first + 1})`;
        findings.add([...at, index, family], 'duplicate', message);
      } else seen.set(text, index);
    }
  }
  if (pool.endpoints.length === 0) findings.add(at, 'no-endpoint', 'must have at least one endpoint');
  else if (pool.endpoints.every((endpoint) => endpoint.weight === 0)) {
    findings.add(at, 'no-weight', 'at least one endpoint needs a weight above 0');
  }
}
