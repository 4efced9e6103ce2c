/** Dynamic records: Meridian's own steering over pools of the zone, and octoDNS's rules over pools of the record. */
import { parsePrefix } from '../core/dns/rdata/address.js';
import type { Check } from '../core/zone/check.js';
import type { Family, Prefix, Rule, Steering } from '../core/zone/model.js';
import { type Path, schemaProblems } from './schema-problems.js';
import { HTTP_DEFAULTS } from './zone-checks.js';
import { addRRset, type Draft, report } from './zone-draft.js';
import { MONITOR_DEFAULTS, POOL_DEFAULTS, readRdata } from './zone-pools.js';
import {
  type FileDynamic,
  type FileOctodnsPool,
  OctodnsHealthcheck,
  type ZoneRecord,
} from './zone-schema.js';

export interface DynamicRecord {
  /** The name as it is written. */
  readonly key: string;
  readonly name: string;
  readonly families: readonly Family[];
  readonly ttl: number;
  /** Where the TTL follows from health: the least. */
  readonly ttlMin?: number;
  readonly record: ZoneRecord;
  readonly dynamic: FileDynamic;
  readonly at: Path;
}

/** Adds the RRset, and for octoDNS its pools and monitor; returns whether it was of that kind. */
export function readDynamic(draft: Draft, source: DynamicRecord): boolean {
  const { name, families, ttl, ttlMin, record, dynamic } = source;
  const octodns = octodnsPools(dynamic.pools);
  const steering = octodns ? readOctodns(draft, source, octodns) : readSteering(draft, source);
  if (steering) {
    const fail = record.fail ?? draft.fail;
    const least = ttlMin === undefined ? {} : { ttlMin };
    addRRset(draft, { kind: 'dynamic', name, families, ttl, ...least, steering, fail }, { path: source.at });
  }
  return octodns !== undefined;
}

function readSteering(draft: Draft, { dynamic, at }: DynamicRecord): Steering | undefined {
  const { rules, steering, pools } = dynamic;
  const dynamicAt = [...at, 'dynamic'];
  if (dynamic.regions !== undefined && steering !== 'nearest')
    report(draft, [...dynamicAt, 'regions'], 'is for steering: nearest only', 'key');
  if (steering === undefined) {
    if (pools !== undefined)
      report(draft, dynamicAt, 'pools need the key "steering": nearest, failover or weighted');
    else if (rules === undefined)
      report(draft, dynamicAt, 'needs the key "rules", or "steering" and "pools"');
    else return { kind: 'rules', rules: readRules(draft, rules, [...dynamicAt, 'rules'], (pool) => pool) };
    return undefined;
  }
  if (rules !== undefined) report(draft, [...dynamicAt, 'rules'], 'use either rules or steering', 'key');
  if (pools === undefined) {
    report(draft, dynamicAt, `the key "pools" is missing: ${expectedPools(steering)}`);
    return undefined;
  }
  if (steering === 'weighted') {
    if (!Array.isArray(pools)) {
      const weights = Object.entries(pools).map(([pool, weight]) => ({ pool, weight: Number(weight) }));
      return { kind: 'weighted', pools: weights };
    }
  } else if (Array.isArray(pools)) {
    const regions = dynamic.regions;
    return steering === 'nearest' && regions !== undefined
      ? { kind: steering, pools, regions }
      : { kind: steering, pools };
  }
  report(draft, [...dynamicAt, 'pools'], `must be ${expectedPools(steering)}`);
  return undefined;
}

function expectedPools(steering: NonNullable<FileDynamic['steering']>): string {
  return steering === 'weighted' ? 'a map such as { eu: 95, us: 5 }' : 'a list such as [eu, us]';
}

function readRules(
  draft: Draft,
  rules: NonNullable<FileDynamic['rules']>,
  at: Path,
  poolName: (pool: string) => string,
): readonly Rule[] {
  return rules.map((rule, index) => ({
    subnets: readSubnets(draft, rule.subnets ?? [], [...at, index, 'subnets']),
    asns: rule.asns ?? [],
    geos: rule.geos ?? [],
    pool: poolName(rule.pool),
  }));
}

function readSubnets(draft: Draft, subnets: readonly string[], at: Path): readonly Prefix[] {
  return subnets.map((text, index) => {
    const prefix = parsePrefix(text);
    if (!('code' in prefix)) return prefix;
    report(draft, [...at, index], prefix.message);
    // A placeholder that is equal to no other.
    return { bytes: Uint8Array.of(0, 0, index >> 8, index & 0xff), length: 32 };
  });
}

/** octoDNS's pools are maps of maps; the pools of `steering: weighted` are a map of numbers. */
function octodnsPools(pools: FileDynamic['pools']): Readonly<Record<string, FileOctodnsPool>> | undefined {
  if (pools === undefined || Array.isArray(pools)) return undefined;
  const entries = Object.entries(pools).filter(
    (entry): entry is [string, FileOctodnsPool] => typeof entry[1] === 'object',
  );
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

/** Pools become pools of the zone named `<record>/<type>/<pool>`, the health check a monitor `<record>/<type>`. */
function readOctodns(
  draft: Draft,
  source: DynamicRecord,
  pools: Readonly<Record<string, FileOctodnsPool>>,
): Steering | undefined {
  const { key, families, dynamic, at } = source;
  const dynamicAt = [...at, 'dynamic'];
  const [family] = families;
  if (family === undefined || families.length > 1) {
    report(draft, [...at, 'type'], 'a record with pools of its own has one type: A, AAAA or CNAME');
    return undefined;
  }
  for (const pool of Object.keys(dynamic.pools ?? {})) {
    if (!Object.hasOwn(pools, pool))
      report(draft, [...dynamicAt, 'pools', pool], 'must be a pool, not a weight');
  }
  if (dynamic.steering !== undefined) {
    report(
      draft,
      [...dynamicAt, 'steering'],
      'is for pools of the zone; pools of the record need rules',
      'key',
    );
  }
  const prefix = `${key === '' ? '@' : key}/${family}`;
  const monitor = readHealthcheck(draft, source, prefix);
  for (const [name, pool] of Object.entries(pools)) {
    readOctodnsPool(draft, { prefix, name, family, monitor, at: [...dynamicAt, 'pools', name] }, pool);
  }
  if (dynamic.rules === undefined) {
    report(draft, dynamicAt, 'the key "rules" is missing: a list of rules, each with a pool');
    return undefined;
  }
  const rules = readRules(draft, dynamic.rules, [...dynamicAt, 'rules'], (pool) => `${prefix}/${pool}`);
  return { kind: 'rules', rules };
}

function readOctodnsPool(
  draft: Draft,
  source: { prefix: string; name: string; family: Family; monitor: string | undefined; at: Path },
  pool: FileOctodnsPool,
): void {
  const { prefix, family, monitor, at } = source;
  const name = `${prefix}/${source.name}`;
  draft.poolPlaces.set(name, at);
  draft.pools.set(name, {
    name,
    ...(monitor === undefined ? {} : { monitor }),
    pick: POOL_DEFAULTS.pick,
    minUp: POOL_DEFAULTS.minUp,
    endpoints: pool.values.map(({ value, weight, status }, index) => ({
      rdata: { [family]: readRdata(draft, family, value, [...at, 'values', index, 'value'], index) },
      weight: weight ?? POOL_DEFAULTS.weight,
      status: status ?? 'obey',
    })),
    ...(pool.fallback ? { fallback: `${prefix}/${pool.fallback}` } : {}),
  });
}

/** octoDNS's defaults: HTTPS, port 443 (or 80), the path /_dns, and the record's name as host. */
function readHealthcheck(draft: Draft, source: DynamicRecord, name: string): string | undefined {
  const octodns = source.record.octodns;
  const given = isMap(octodns) ? octodns['healthcheck'] : undefined;
  if (given === undefined || given === null) return undefined;
  const at = [...source.at, 'octodns', 'healthcheck'];
  const problems = schemaProblems(OctodnsHealthcheck, given, at);
  for (const problem of problems) report(draft, problem.path, problem.message, problem.at);
  if (problems.length > 0) return undefined;
  const check = given as OctodnsHealthcheck;
  const type = ({ HTTP: 'http', HTTPS: 'https', TCP: 'tcp' } as const)[check.protocol ?? 'HTTPS'];
  // A wildcard's name is no host: the endpoint's address is asked for.
  const host = check.host ?? (source.name.startsWith('*.') ? undefined : source.name.slice(0, -1));
  draft.monitorPlaces.set(name, at);
  const port = check.port ?? (type === 'http' ? 80 : 443);
  const question: Check =
    type === 'tcp'
      ? { type, port }
      : { ...HTTP_DEFAULTS, type, port, path: check.path ?? '/_dns', ...(host !== undefined && { host }) };
  draft.monitors.set(name, { ...MONITOR_DEFAULTS, ...question, name });
  return name;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
