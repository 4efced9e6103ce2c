/** Priority groups, and pools of pools. */

import { allowed, type Findings } from './finding.js';
import type { Pool, Zone } from './model.js';
import { priorityGroups } from './pool-groups.js';

const PRIORITY_MAX = 16;

export function validateGroups(zone: Zone, pool: Pool, findings: Findings): void {
  const at = ['pools', pool.name];
  for (const [index, { priority }] of pool.endpoints.entries()) {
    if (priority === undefined || (Number.isInteger(priority) && priority >= 1 && priority <= PRIORITY_MAX))
      continue;
    const message = `must be a whole number from 1 to ${PRIORITY_MAX}`;
    findings.add([...at, 'endpoints', index, 'priority'], 'out-of-range', message);
  }
  const groups = priorityGroups(pool);
  if (groups.length > 1 && groups.some((group) => group.every(({ weight }) => weight === 0))) {
    findings.add([...at, 'endpoints'], 'no-weight', 'each priority needs an endpoint with a weight above 0');
  }
  if (pool.members) validateMembers(zone, pool, pool.members, findings);
}

function validateMembers(zone: Zone, pool: Pool, members: readonly string[], findings: Findings): void {
  const at = ['pools', pool.name, 'pools'];
  for (const [index, name] of members.entries()) {
    if (!zone.pools.has(name)) {
      const message = `no pool is named "${name}"${allowed(zone.pools.keys())}`;
      findings.add([...at, index], 'unknown-name', message);
    } else if (members.indexOf(name) < index) {
      findings.add([...at, index], 'duplicate', `the pool "${name}" is already in this list`);
    } else if (leadsTo(zone, name, pool.name)) {
      findings.add([...at, index], 'loop', `a loop: the pool "${name}" leads back to "${pool.name}"`);
    }
  }
}

/** Whether one pool of pools contains another, or itself. */
function leadsTo(zone: Zone, from: string, wanted: string, seen: Set<string> = new Set()): boolean {
  if (from === wanted) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return (zone.pools.get(from)?.members ?? []).some((member) => leadsTo(zone, member, wanted, seen));
}
