/** What the health of a dynamic record is made of: its pools, and the targets behind their endpoints. */

import type { RecordPool } from '../health/calculated.js';
import type { DynamicRRset, Endpoint, Family, Pool, Zone } from './model.js';
import { neededOf, PRIORITY_DEFAULT, priorityGroups } from './pool-groups.js';
import type { HealthTarget } from './targets.js';
import { reachablePools } from './validate-steering.js';

export interface RecordParts {
  readonly pools: readonly RecordPool[];
  /** Each once; what the `part`s of the pools count in. */
  readonly of: readonly HealthTarget[];
}

/** The target behind one family of an endpoint; undefined where nothing watches it. */
type TargetOf = (pool: Pool, endpoint: Endpoint, family: Family) => HealthTarget | undefined;

/** The dynamic RRsets of a name: one of its own for each family perhaps. */
export function dynamicRecords(zone: Zone, name: string): readonly DynamicRRset[] {
  return zone.rrsets.filter((rrset) => rrset.kind === 'dynamic' && rrset.name === name) as DynamicRRset[];
}

/** The pools that a name may be answered from before everything counts as down, fallbacks included. */
export function recordPools(zone: Zone, name: string): readonly Pool[] {
  return [...new Set(dynamicRecords(zone, name).flatMap((rrset) => reachablePools(zone, rrset)))];
}

export function recordParts(zone: Zone, name: string, targetOf: TargetOf): RecordParts {
  const of = new Map<string, HealthTarget>();
  const places = new Map<string, number>();
  const partOf = (target: HealthTarget): number => {
    const place = places.get(target.key) ?? of.size;
    places.set(target.key, place);
    of.set(target.key, target);
    return place;
  };
  const rrsets = dynamicRecords(zone, name);
  const families = [...new Set(rrsets.flatMap((rrset) => rrset.families))];
  const pools = families.flatMap((family) => {
    const reached = rrsets.filter((rrset) => rrset.families.includes(family));
    const whole = [...new Set(reached.flatMap((rrset) => reachablePools(zone, rrset)))];
    return whole.flatMap((pool) =>
      priorityGroups(pool).flatMap((group) => {
        const endpoints = group.filter(({ rdata }) => rdata[family]);
        if (endpoints.length === 0) return [];
        const members = endpoints.flatMap((endpoint) => {
          if (endpoint.status === 'down') return [];
          const target = targetOf(pool, endpoint, family);
          return [{ weight: endpoint.weight, ...(target && { part: partOf(target) }) }];
        });
        const priority = endpoints[0]!.priority ?? PRIORITY_DEFAULT;
        const which = priorityGroups(pool).length > 1 ? ` (priority ${priority})` : '';
        const label = families.length > 1 ? ` ${family}` : '';
        return [{ name: `${pool.name}${which}${label}`, needed: neededOf(pool, endpoints), members }];
      }),
    );
  });
  return { pools, of: [...of.values()] };
}
