/** Pools that are answered one after another under one name: the priority groups of a pool, and pools of pools. */
import type { Endpoint, Pool, Zone } from './model.js';

export const PRIORITY_DEFAULT = 1;

/** What a priority group is called where a pool has several. */
export function groupName(pool: string, priority: number): string {
  return `${pool} (priority ${priority})`;
}

/** The pool that a group belongs to. Names of pools hold neither spaces nor brackets. */
export function poolOfGroup(name: string): string {
  const end = name.indexOf(' ');
  return end < 0 ? name : name.slice(0, end);
}

/** The endpoints of a pool by priority, the first to be used first. */
export function priorityGroups({ endpoints }: Pool): readonly (readonly Endpoint[])[] {
  const groups = new Map<number, Endpoint[]>();
  for (const endpoint of endpoints) {
    const priority = endpoint.priority ?? PRIORITY_DEFAULT;
    const group = groups.get(priority);
    if (group) group.push(endpoint);
    else groups.set(priority, [endpoint]);
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group);
}

/**
 * What must be up of the endpoints of one family of a pool: weight, or below 0 so many endpoints with a weight. A family
 * that has fewer endpoints than the pool needs has to have all of them up.
 */
export function neededOf({ minUp, minUpCount }: Pool, endpoints: readonly Endpoint[]): number {
  if (minUpCount !== undefined) {
    return -Math.min(minUpCount, endpoints.filter(({ weight }) => weight > 0).length);
  }
  const total = endpoints.reduce((sum, { weight }) => sum + weight, 0);
  // 0.55 × 100 is 55.00000000000001 in binary: what is within rounding of a whole number is that number.
  return Math.ceil(minUp * total - 1e-6);
}

/**
 * The pools with endpoints that stand behind a name, in order, each once. Names that lead nowhere are left out; what
 * was visited is not visited again, so neither loops nor many ways to one pool matter.
 */
export function leafPools(zone: Zone, name: string): readonly Pool[] {
  const leaves: Pool[] = [];
  const seen = new Set<string>();
  const visit = (next: string): void => {
    const pool = zone.pools.get(next);
    if (!pool || seen.has(next)) return;
    seen.add(next);
    if (!pool.members) leaves.push(pool);
    for (const member of pool.members ?? []) visit(member);
  };
  visit(name);
  return leaves;
}
