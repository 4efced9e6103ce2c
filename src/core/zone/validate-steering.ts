/** Dynamic records: pools that exist and have addresses, and rules of which exactly one is the default. */
import { formatAddress } from '../dns/rdata/address.js';
import { parseGeoTarget } from '../geo/regions.js';
import { allowed, type FindingPath, type Findings } from './finding.js';
import type { DynamicRRset, Pool, Rule, Zone } from './model.js';
import { leafPools } from './pool-groups.js';

export function validateSteering(zone: Zone, rrset: DynamicRRset, at: FindingPath, findings: Findings): void {
  const { steering } = rrset;
  const steeringAt = [...at, 'steering'];
  switch (steering.kind) {
    case 'rules':
      validateRules(steering.rules, [...steeringAt, 'rules'], findings);
      break;
    case 'nearest':
      validateLocations(zone, steering.pools, [...steeringAt, 'pools'], findings);
      break;
    case 'weighted':
      if (!steering.pools.some(({ weight }) => weight > 0)) {
        const message = 'at least one pool needs a weight above 0';
        findings.add([...steeringAt, 'pools'], 'no-weight', message);
      }
      break;
    case 'failover':
      break;
    default:
      assertNever(steering);
  }
  validatePoolNames(zone, rrset, at, findings);
  if (typeof rrset.fail === 'object' && !zone.pools.has(rrset.fail.pool)) {
    const message = `no pool is named "${rrset.fail.pool}"${allowed(zone.pools.keys())}`;
    findings.add([...at, 'fail'], 'unknown-name', message);
  }
  validateFamilies(zone, rrset, at, findings);
}

/** The pools that a record names, each with its place, in order. */
function namedPools(rrset: DynamicRRset): readonly { name: string; path: FindingPath }[] {
  const { steering } = rrset;
  if (steering.kind === 'rules') {
    return steering.rules.map(({ pool }, i) => ({ name: pool, path: ['steering', 'rules', i, 'pool'] }));
  }
  if (steering.kind === 'weighted') {
    return steering.pools.map(({ pool }) => ({ name: pool, path: ['steering', 'pools', pool] }));
  }
  return steering.pools.map((name, i) => ({ name, path: ['steering', 'pools', i] }));
}

function validatePoolNames(zone: Zone, rrset: DynamicRRset, at: FindingPath, findings: Findings): void {
  const seen = new Set<string>();
  const named = namedPools(rrset);
  if (named.length === 0) findings.add([...at, 'steering'], 'no-endpoint', 'must name at least one pool');
  for (const { name, path } of named) {
    if (!zone.pools.has(name)) {
      const message = `no pool is named "${name}"${allowed(zone.pools.keys())}`;
      findings.add([...at, ...path], 'unknown-name', message);
    } else if (seen.has(name) && rrset.steering.kind !== 'rules') {
      findings.add([...at, ...path], 'duplicate', `the pool "${name}" is already in this list`);
    }
    seen.add(name);
  }
}

/** Each family needs an endpoint somewhere, or its answers would always be empty. */
function validateFamilies(zone: Zone, rrset: DynamicRRset, at: FindingPath, findings: Findings): void {
  const { families } = rrset;
  if (families.length === 0) findings.add([...at, 'type'], 'no-endpoint', 'must be A, AAAA or CNAME');
  if (new Set(families).size < families.length) {
    findings.add([...at, 'type'], 'duplicate', 'names the same type twice');
  }
  if (families.includes('CNAME') && families.length > 1) {
    findings.add(
      [...at, 'type'],
      'beside-cname',
      'CNAME cannot be together with another type (RFC 1034 §3.6.2)',
    );
  }
  const pools = reachablePools(zone, rrset);
  // Names that lead nowhere were reported already.
  if (pools.length === 0) return;
  for (const family of new Set(families)) {
    if (!pools.some((pool) => pool.endpoints.some((endpoint) => endpoint.rdata[family]))) {
      const names = pools.map((pool) => pool.name).join(', ');
      findings.add(
        [...at, 'type'],
        'no-endpoint',
        `no endpoint of its pools (${names}) has the key ${family}`,
      );
    }
  }
  if (!families.includes('CNAME')) return;
  const many = pools.find((pool) => pool.endpoints.length > 1 && answersOf(pool) > 1);
  const { steering } = rrset;
  if (many) {
    const what = many.pick === 'all' ? 'all of its' : 'several';
    const message = `a name has one CNAME, but the pool "${many.name}" answers with ${what} endpoints`;
    findings.add([...at, 'type'], 'not-single', message);
  } else if (steering.kind === 'nearest' && (steering.regions ?? 1) > 1) {
    const message = 'a name has one CNAME, but the record answers with several regions';
    findings.add([...at, 'type'], 'not-single', message);
  }
}

function answersOf({ pick, answers }: Pool): number {
  return answers ?? (pick === 'all' ? 2 : 1);
}

/** Fallbacks included. */
export function reachablePools(zone: Zone, rrset: DynamicRRset): readonly Pool[] {
  const reached = new Map<string, Pool>();
  for (const { name } of namedPools(rrset)) {
    let pool = zone.pools.get(name);
    while (pool && !reached.has(pool.name)) {
      reached.set(pool.name, pool);
      pool = pool.fallback === undefined ? undefined : zone.pools.get(pool.fallback);
    }
  }
  return [...new Set([...reached.keys()].flatMap((name) => leafPools(zone, name)))];
}

function validateLocations(zone: Zone, pools: readonly string[], at: FindingPath, findings: Findings): void {
  for (const [index, name] of pools.entries()) {
    const pool = zone.pools.get(name);
    if (!pool) continue;
    const region = pool.region === undefined ? undefined : zone.regions.get(pool.region);
    if (region?.location) continue;
    const message =
      pool.region === undefined
        ? `steering: nearest needs to know where the pool is: "${name}" has no region`
        : `steering: nearest needs a location: the region "${pool.region}" of the pool "${name}" has none`;
    findings.add([...at, index], 'no-location', message);
  }
}

function validateRules(rules: readonly Rule[], at: FindingPath, findings: Findings): void {
  const seen = new Map<string, number>();
  let defaultAt: number | undefined;
  for (const [index, rule] of rules.entries()) {
    if (isDefault(rule)) {
      if (defaultAt !== undefined) {
        const message = `is a second default (the first is rule ${defaultAt + 1}): add subnets, asns or geos`;
        findings.add([...at, index], 'duplicate', message);
      } else if (index < rules.length - 1) {
        findings.add(
          [...at, index],
          'no-default',
          'the rule without targets is the default and must be last',
        );
      }
      defaultAt ??= index;
    }
    for (const { key, path } of targets(rule)) {
      const first = seen.get(key);
      if (first === undefined) seen.set(key, index);
      else {
        const where = first === index ? 'this rule' : `rule ${first + 1}`;
        findings.add([...at, index, ...path], 'duplicate', `${key} is already in ${where}`);
      }
    }
    validateGeos(rule, [...at, index, 'geos'], findings);
  }
  if (defaultAt === undefined) {
    const message = 'need a default: a last rule with only a pool';
    findings.add(at, 'no-default', message);
  }
}

function validateGeos(rule: Rule, at: FindingPath, findings: Findings): void {
  for (const [index, geo] of rule.geos.entries()) {
    const target = parseGeoTarget(geo);
    if ('code' in target) findings.add([...at, index], 'bad-geo', target.message);
  }
}

function isDefault(rule: Rule): boolean {
  return rule.subnets.length === 0 && rule.asns.length === 0 && rule.geos.length === 0;
}

function targets(rule: Rule): readonly { key: string; path: FindingPath }[] {
  return [
    ...rule.subnets.map(({ bytes, length }, i) => ({
      key: `${formatAddress(bytes)}/${length}`,
      path: ['subnets', i],
    })),
    ...rule.asns.map((asn, i) => ({ key: `AS${asn}`, path: ['asns', i] })),
    ...rule.geos.map((geo, i) => ({ key: geo, path: ['geos', i] })),
  ];
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
