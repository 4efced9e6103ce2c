/** A difference of two zones in words: what people read in a plan, and programs show. */
import { typeName } from '../dns/iana.js';
import { formatName } from '../dns/name.js';
import { formatAddress } from '../dns/rdata/address.js';
import { rdataText } from '../dns/rdata/table.js';
import { zoneDifference } from './difference.js';
import type { Endpoint, Pool, RRset, Rule, Steering, Zone } from './model.js';

export interface ZoneChange {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly what: 'record' | 'pool' | 'monitor' | 'region' | 'soa' | 'rate_limit';
  /** The owner of a record, else the name in the zone file; the origin for what concerns the zone. */
  readonly name: string;
  /** Of a record: `MX`, or `A, AAAA`. */
  readonly type?: string;
  /** What was and is no longer, a line for each fact: `ttl 300`, `192.0.2.1`, `endpoint 192.0.2.1 weight 10`. */
  readonly before: readonly string[];
  /** What is and was not. */
  readonly after: readonly string[];
}

/**
 * Everything that differs, in the order records, pools, monitors, regions, the rest. A zone that is new or gone is
 * compared with `undefined`. A serial alone is no difference.
 */
export function zoneChanges(before: Zone | undefined, after: Zone | undefined): readonly ZoneChange[] {
  const difference = zoneDifference(before, after);
  const origin = (after ?? before)?.origin ?? '';
  const records = difference.rrsets.map(({ kind, name, type, before: old, after: now }): ZoneChange => {
    return { kind, what: 'record', name, type, ...facts(old && rrsetFacts(old), now && rrsetFacts(now)) };
  });
  const parts = <T>(
    what: ZoneChange['what'],
    names: readonly string[],
    of: (zone: Zone, name: string) => T | undefined,
    describe: (part: T) => readonly string[],
  ): readonly ZoneChange[] =>
    names.map((name) => {
      const old = before && of(before, name);
      const now = after && of(after, name);
      const kind = old === undefined ? 'added' : now === undefined ? 'removed' : 'changed';
      return { kind, what, name, ...facts(old && describe(old), now && describe(now)) };
    });
  const kind = before ? (after ? 'changed' : 'removed') : 'added';
  const whole = (what: ZoneChange['what'], of: (zone: Zone) => object | undefined): ZoneChange => {
    const old = before && of(before);
    const now = after && of(after);
    return { kind, what, name: origin, ...facts(old && fieldFacts(old), now && fieldFacts(now)) };
  };
  return [
    ...records,
    ...parts('pool', difference.pools, (zone, name) => zone.pools.get(name), poolFacts),
    ...parts<object>(
      'monitor',
      difference.monitors,
      (zone, name) => zone.monitors.get(name) ?? zone.calculated?.get(name),
      fieldFacts,
    ),
    ...parts<object>('region', difference.regions, (zone, name) => zone.regions.get(name), fieldFacts),
    ...(difference.soa ? [whole('soa', ({ soa: { serial: _, ...soa } }) => soa)] : []),
    ...(difference.rateLimit ? [whole('rate_limit', ({ rateLimit }) => rateLimit)] : []),
  ];
}

/** Facts of one side only. Where just their order differs all of them, numbered. */
function facts(
  before: readonly string[] = [],
  after: readonly string[] = [],
): { readonly before: readonly string[]; readonly after: readonly string[] } {
  const gone = without(before, after);
  const come = without(after, before);
  if (gone.length + come.length > 0) return { before: gone, after: come };
  const numbered = (lines: readonly string[]) => lines.map((line, i) => `${i + 1}. ${line}`);
  const [old, now] = [numbered(before), numbered(after)];
  return { before: without(old, now), after: without(now, old) };
}

/** What is in `lines` more often than in `others`. */
function without(lines: readonly string[], others: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const line of others) counts.set(line, (counts.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const left = counts.get(line) ?? 0;
    counts.set(line, left - 1);
    return left <= 0;
  });
}

function rrsetFacts(rrset: RRset): readonly string[] {
  switch (rrset.kind) {
    case 'static':
      return [
        `ttl ${rrset.ttl}`,
        ...rrset.rdata.map((rdata, i) => {
          const { v4 = false, v6 = false } = rrset.hinted?.[i] ?? {};
          const hints = `${v4 ? ' ipv4hint=auto' : ''}${v6 ? ' ipv6hint=auto' : ''}`;
          return `${rdataText(rrset.type, rdata)}${hints}`;
        }),
      ];
    case 'alias':
      return [`ttl ${rrset.ttl}`, `alias of ${formatName(rrset.target)}`];
    case 'dynamic':
      return [
        rrset.ttlMin === undefined ? `ttl ${rrset.ttl}` : `ttl ${rrset.ttlMin} to ${rrset.ttl}`,
        `fail ${typeof rrset.fail === 'object' ? `to pool ${rrset.fail.pool}` : rrset.fail}`,
        ...steeringFacts(rrset.steering),
      ];
    default:
      throw assertNever(rrset);
  }
}

function steeringFacts(steering: Steering): readonly string[] {
  switch (steering.kind) {
    case 'rules':
      return steering.rules.map((rule) => `${ruleTargets(rule)} -> pool ${rule.pool}`);
    case 'nearest':
      return [
        `nearest of ${steering.pools.join(', ')}`,
        ...(steering.regions === undefined ? [] : [`regions ${steering.regions}`]),
      ];
    case 'weighted':
      return steering.pools.map(({ pool, weight }) => `pool ${pool} weight ${weight}`);
    case 'failover':
      return [`failover ${steering.pools.join(', ')}`];
    default:
      throw assertNever(steering);
  }
}

function ruleTargets({ subnets, asns, geos }: Rule): string {
  const targets = [
    ...subnets.map(({ bytes, length }) => `${formatAddress(bytes)}/${length}`),
    ...asns.map((asn) => `AS${asn}`),
    ...geos,
  ];
  return targets.length > 0 ? targets.join(', ') : 'default';
}

function poolFacts(pool: Pool): readonly string[] {
  const { name: _, endpoints, members, ...fields } = pool;
  return [
    ...fieldFacts(fields),
    ...(members === undefined ? [] : [`members ${members.join(', ')}`]),
    ...endpoints.map(endpointFact),
  ];
}

function endpointFact({ rdata, weight, status, priority, proxy, service }: Endpoint): string {
  const addresses = Object.entries(rdata).map(([family, bytes]) =>
    family === 'CNAME' ? formatName(bytes) : formatAddress(bytes),
  );
  return [
    'endpoint',
    ...addresses,
    `weight ${weight}`,
    ...(status === 'obey' ? [] : [`status ${status}`]),
    ...(priority === undefined ? [] : [`priority ${priority}`]),
    ...(proxy === undefined ? [] : [`proxy ${proxy}`]),
    ...(service === undefined ? [] : [`service ${service}`]),
  ].join(' ');
}

/** `interval 5s`, `location latitude 53.35, longitude -6.26`: each field of plain data, about as zone files name it. */
function fieldFacts(part: object): readonly string[] {
  return Object.entries(part).flatMap(([key, value]: [string, unknown]) => {
    if (value === undefined || key === 'name') return [];
    const name = key.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [`${name} ${fieldText(key, value)}`];
  });
}

function fieldText(key: string, value: unknown): string {
  if (typeof value === 'number') {
    if (key === 'queryType') return typeName(value);
    if (key.endsWith('Ms')) return value % 1000 === 0 ? `${value / 1000}s` : `${value}ms`;
  }
  if (Array.isArray(value)) return value.map((item) => fieldText('', item)).join(', ');
  if (typeof value === 'object' && value !== null) return fieldFacts(value).join(', ');
  return String(value);
}

function assertNever(value: never): Error {
  return new Error(`unexpected ${JSON.stringify(value)}`);
}
