import { formatName } from '../dns/name.js';
import { formatAddress } from '../dns/rdata/address.js';
import type { Calculation } from '../health/calculated.js';
import type { ShedRules } from '../health/shed.js';
import type { CalculatedMonitor, Endpoint, Family, Monitor, Pool, Zone } from './model.js';
import { recordParts } from './record-parts.js';

/** One thing whose health is watched: an address of an endpoint, by one monitor and perhaps a proxy's reports. */
export interface HealthTarget {
  /** Equal for equal targets, in whatever zone or pool they stand: they share one health word. */
  readonly key: string;
  /** The address in text, or a host name without its trailing dot. */
  readonly host: string;
  readonly monitor?: Monitor;
  readonly proxy?: string;
  readonly service?: string;
  /** Made from the verdicts of other targets: of the same endpoint, or of all endpoints of a record. */
  readonly calculated?: Calculation & { readonly name: string; readonly of: readonly HealthTarget[] };
  /** Present where this is no endpoint but a pool whose load is watched. */
  readonly shed?: ShedTarget;
}

/** A pool that sheds load, the proxies that tell of its load, and the group of pools that it can hand over to. */
export interface ShedTarget {
  readonly rules: ShedRules;
  /** All shedding pools of a zone are one group. */
  readonly group: string;
  readonly region: string;
  readonly sources: readonly { readonly proxy: string; readonly service?: string }[];
  /** How long clients keep answers: the longest TTL of the zone's dynamic records, seconds. */
  readonly ttlSeconds: number;
}

/** What the zone file calls the monitor of a target; undefined where there is none. */
export function monitorName({ monitor, calculated }: HealthTarget): string | undefined {
  return calculated?.name ?? monitor?.name;
}

const FAMILIES: readonly Family[] = ['A', 'AAAA', 'CNAME'];

/** Every target of a zone, each once. */
export function healthTargets(zone: Zone): ReadonlyMap<string, HealthTarget> {
  const targets = new Map<string, HealthTarget>();
  for (const pool of zone.pools.values()) {
    const shed = shedTarget(zone, pool);
    if (shed) targets.set(shed.key, shed);
    for (const endpoint of pool.endpoints) {
      for (const family of FAMILIES) {
        const target = healthTarget(zone, pool, endpoint, family);
        if (target) addTarget(targets, target);
      }
    }
  }
  return targets;
}

/** Targets that others are made from come first. */
function addTarget(targets: Map<string, HealthTarget>, target: HealthTarget): void {
  if (targets.has(target.key)) return;
  for (const part of target.calculated?.of ?? []) addTarget(targets, part);
  targets.set(target.key, target);
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
  const host = family === 'CNAME' ? formatName(rdata).slice(0, -1) : formatAddress(rdata);
  return targetOf(zone, pool.monitor, host, endpoint);
}

function targetOf(
  zone: Zone,
  name: string | undefined,
  host: string,
  endpoint: Pick<Endpoint, 'proxy' | 'service'>,
): HealthTarget | undefined {
  const calculated = name === undefined ? undefined : zone.calculated?.get(name);
  if (calculated) return calculatedTarget(zone, calculated, host, endpoint);
  const monitor = name === undefined ? undefined : zone.monitors.get(name);
  if (!monitor && endpoint.proxy === undefined) return undefined;
  return {
    key: JSON.stringify([host, monitor ? check(monitor) : null, endpoint.proxy, endpoint.service]),
    host,
    ...(monitor && { monitor }),
    ...(endpoint.proxy !== undefined && { proxy: endpoint.proxy }),
    ...(endpoint.service !== undefined && { service: endpoint.service }),
  };
}

function calculatedTarget(
  zone: Zone,
  monitor: CalculatedMonitor,
  host: string,
  endpoint: Pick<Endpoint, 'proxy' | 'service'>,
): HealthTarget {
  const { name, kind, count, of: names } = monitor;
  if (kind === 'record') return recordTarget(zone, monitor);
  const of = names.flatMap((part) => targetOf(zone, part, host, endpoint) ?? []);
  return {
    key: JSON.stringify([kind, count, of.map(({ key }) => key)]),
    host,
    calculated: { name, kind, ...(count !== undefined && { count }), of },
  };
}

/**
 * The health of a record: one target, whatever depends on it. Kept for each zone: what depends on a record that depends on
 * others would else be made again and again.
 */
function recordTarget(zone: Zone, { name, record = '' }: CalculatedMonitor): HealthTarget {
  const known = recordTargets.get(zone) ?? new Map<string, HealthTarget>();
  recordTargets.set(zone, known);
  const before = known.get(name);
  if (before) return before;
  const { pools, of } = recordParts(zone, record, (pool, endpoint, family) =>
    healthTarget(zone, pool, endpoint, family),
  );
  const target: HealthTarget = {
    key: JSON.stringify(['record', zone.origin, record, name]),
    host: `record ${record}`,
    calculated: { name, kind: 'record', pools, of },
  };
  known.set(name, target);
  return target;
}

const recordTargets = new WeakMap<Zone, Map<string, HealthTarget>>();

/** The load of a pool that sheds; undefined for all others. */
export function shedTarget(zone: Zone, pool: Pool): HealthTarget | undefined {
  if (!pool.shed) return undefined;
  const sources = new Map<string, ShedTarget['sources'][number]>();
  for (const { proxy, service } of pool.endpoints) {
    if (proxy === undefined) continue;
    sources.set(`${proxy}/${service ?? ''}`, { proxy, ...(service !== undefined && { service }) });
  }
  return {
    key: JSON.stringify(['shed', zone.origin, pool.name]),
    host: `pool ${pool.name} of ${zone.origin}`,
    shed: {
      rules: pool.shed,
      group: zone.origin,
      region: pool.region ?? pool.name,
      sources: [...sources.values()],
      ttlSeconds: longestTtl(zone),
    },
  };
}

/** Of the dynamic records; a zone with many pools is counted through once. */
function longestTtl(zone: Zone): number {
  const known = longestTtls.get(zone);
  if (known !== undefined) return known;
  let longest = 1;
  for (const rrset of zone.rrsets) if (rrset.kind === 'dynamic') longest = Math.max(longest, rrset.ttl);
  longestTtls.set(zone, longest);
  return longest;
}

const longestTtls = new WeakMap<Zone, number>();

/**
 * What a probe of this target asks and how its results are counted, the same text on every node: by it DNS nodes tell
 * each other of their views. Undefined where nothing is probed.
 */
export function probeIdentity({ host, monitor }: HealthTarget): string | undefined {
  if (!monitor) return undefined;
  const { name: _, quorum: _quorum, judgement: _judgement, ...question } = monitor;
  return JSON.stringify([host, question]);
}

/** All of a monitor but its name: two zones may name the same check differently. */
function check(monitor: Monitor): object {
  const { name: _, ...rest } = monitor;
  return rest;
}
