/** Pools that are answered one after another under one name: the priority groups of a pool, and pools of pools. */
import type { Endpoint, Pool, Zone } from './model.js';

export const PRIORITY_DEFAULT = 1;
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
