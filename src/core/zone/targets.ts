import { formatName } from '../dns/name.js';
import { formatAddress } from '../dns/rdata/address.js';
import type { Endpoint, Family, Monitor, Pool, Zone } from './model.js';

/** One thing whose health is watched: an address of an endpoint, by one monitor and perhaps a proxy's reports. */
export interface HealthTarget {
  /** Equal for equal targets, in whatever zone or pool they stand: they share one health word. */
  readonly key: string;
  /** The address in text, or a host name without its trailing dot. */
  readonly host: string;
  readonly monitor?: Monitor;
  readonly proxy?: string;
  readonly service?: string;
}

const FAMILIES: readonly Family[] = ['A', 'AAAA', 'CNAME'];

/** Every target of a zone, each once. */
export function healthTargets(zone: Zone): ReadonlyMap<string, HealthTarget> {
  const targets = new Map<string, HealthTarget>();
  for (const pool of zone.pools.values()) {
    for (const endpoint of pool.endpoints) {
      for (const family of FAMILIES) {
        const target = healthTarget(zone, pool, endpoint, family);
        if (target) targets.set(target.key, target);
      }
    }
  }
  return targets;
}

/**
 * The target behind one family of an endpoint; undefined where nothing watches it (no monitor, no proxy, or
 * the operator fixed its state).
 */
export function healthTarget(
  zone: Zone,
  pool: Pool,
  endpoint: Endpoint,
  family: Family,
): HealthTarget | undefined {
  const rdata = endpoint.rdata[family];
  if (!rdata || endpoint.status !== 'obey') return undefined;
  const monitor = pool.monitor === undefined ? undefined : zone.monitors.get(pool.monitor);
  if (!monitor && endpoint.proxy === undefined) return undefined;
  const host = family === 'CNAME' ? formatName(rdata).slice(0, -1) : formatAddress(rdata);
  return {
    key: JSON.stringify([host, monitor ? check(monitor) : null, endpoint.proxy, endpoint.service]),
    host,
    ...(monitor && { monitor }),
    ...(endpoint.proxy !== undefined && { proxy: endpoint.proxy }),
    ...(endpoint.service !== undefined && { service: endpoint.service }),
  };
}

/** All of a monitor but its name: two zones may name the same check differently. */
function check(monitor: Monitor): object {
  const { name: _, ...rest } = monitor;
  return rest;
}
