/** Monitors that ask for more observers than there are: their verdict could never change, or never as they say. */

import type { Findings } from './finding.js';
import type { Monitor, Pool, Zone } from './model.js';

/** `observers`: DNS nodes that probe, the one that loads the zone among them. */
export function validateObservers(zone: Zone, observers: number, findings: Findings): void {
  const owned = monitorsOfProxiesOnly(zone);
  for (const monitor of zone.monitors.values()) {
    // The proxy that owns an address has a vote on it, but is no observer more for min_observers.
    validateQuorum(monitor, observers, owned.has(monitor.name), findings);
    const { minObservers } = monitor.judgement;
    if (minObservers <= observers) continue;
    const message = `is more than the observers: ${nodes(observers)}; so the verdict could never change`;
    findings.add(['monitors', monitor.name, 'min_observers'], 'out-of-range', message);
  }
}

function validateQuorum(
  { name, quorum }: Monitor,
  observers: number,
  isOwned: boolean,
  findings: Findings,
): void {
  const votes = observers + (isOwned ? 1 : 0);
  if (typeof quorum !== 'number' || quorum <= votes) return;
  const proxy = isOwned ? ', and the proxy of each endpoint' : '';
  const message = `is more than the observers, ${votes}: ${nodes(observers)}${proxy}`;
  findings.add(['monitors', name, 'quorum'], 'out-of-range', message);
}

function nodes(observers: number): string {
  if (observers === 1) return 'this node alone (report_to in meridian.yaml names no other node)';
  return `${observers} DNS nodes (this one, and those that report_to in meridian.yaml names)`;
}

/** Monitors of which every endpoint has a proxy that observes it, too. */
function monitorsOfProxiesOnly(zone: Zone): ReadonlySet<string> {
  const owned = new Set<string>();
  const others = new Set<string>();
  for (const pool of zone.pools.values()) {
    for (const name of monitorsOf(zone, pool)) {
      const hasOwners = pool.endpoints.every(({ proxy }) => proxy !== undefined);
      (hasOwners ? owned : others).add(name);
    }
  }
  return new Set([...owned].filter((name) => !others.has(name)));
}

/** Its own, or those that it is made from; calculated ones are made from calculated ones at most once more. */
function monitorsOf(zone: Zone, { monitor }: Pool): readonly string[] {
  if (monitor === undefined) return [];
  const parts = (name: string) => zone.calculated?.get(name)?.of ?? [name];
  return parts(monitor).flatMap(parts);
}
