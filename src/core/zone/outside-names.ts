import { TYPE } from '../dns/iana.js';
import { formatName } from '../dns/name.js';
import type { RRset, Zone } from './model.js';
import { selfAndParents } from './validate-names.js';
import { reachablePools } from './validate-steering.js';

/** As many steps as the compiler of ALIAS records follows. */
const STEPS_MAX = 9;

/**
 * Names that ALIAS records of these zones lead to and that no zone here answers for: they have to be resolved.
 * Lower case, absolute, sorted. Names that only another client or another health would reach are among them.
 */
export function outsideNames(zones: readonly Zone[]): readonly string[] {
  let names = new Set<string>();
  for (const { rrsets } of zones) {
    for (const rrset of rrsets) if (rrset.kind === 'alias') names.add(textOf(rrset.target));
  }
  if (names.size === 0) return [];
  const map = mapOf(zones);
  const outside = new Set<string>();
  const seen = new Set<string>();
  for (let step = 0; step < STEPS_MAX && names.size > 0; step++) {
    const next = new Set<string>();
    const owners = new Set<string>();
    for (const name of names) {
      if (seen.has(name)) continue;
      seen.add(name);
      locate(map, name, { outside, next, owners });
    }
    for (const zone of zones) {
      for (const rrset of zone.rrsets) {
        if (!owners.has(rrset.name)) continue;
        for (const target of targetsOf(zone, rrset)) next.add(target);
      }
    }
    names = next;
  }
  return [...outside].sort();
}

interface NameMap {
  readonly origins: ReadonlySet<string>;
  readonly cuts: ReadonlySet<string>;
  readonly dnames: ReadonlyMap<string, string>;
}

function mapOf(zones: readonly Zone[]): NameMap {
  const cuts = new Set<string>();
  const dnames = new Map<string, string>();
  for (const { origin, rrsets } of zones) {
    for (const rrset of rrsets) {
      if (rrset.kind !== 'static') continue;
      if (rrset.type === TYPE.NS && rrset.name !== origin) cuts.add(rrset.name);
      if (rrset.type === TYPE.DNAME) dnames.set(rrset.name, textOf(rrset.rdata[0]!));
    }
  }
  return { origins: new Set(zones.map(({ origin }) => origin)), cuts, dnames };
}

interface Found {
  readonly outside: Set<string>;
  readonly next: Set<string>;
  readonly owners: Set<string>;
}

/** Tells whether a name is outside, redirected by a DNAME, or answered by one of a few owner names. */
function locate({ origins, cuts, dnames }: NameMap, name: string, { outside, next, owners }: Found): void {
  const above = [...selfAndParents(name, '.'), '.'];
  const depth = above.findIndex((at) => origins.has(at));
  if (depth < 0 || above.slice(0, depth).some((at) => cuts.has(at))) {
    outside.add(name);
    return;
  }
  owners.add(name);
  for (const at of above.slice(1, depth + 1)) {
    owners.add(at === '.' ? '*.' : `*.${at}`);
    const target = dnames.get(at);
    if (target === undefined) continue;
    const prefix = at === '.' ? name.slice(0, -1) : name.slice(0, -at.length - 1);
    next.add(target === '.' ? `${prefix}.` : `${prefix}.${target}`);
  }
}

function targetsOf(zone: Zone, rrset: RRset): readonly string[] {
  switch (rrset.kind) {
    case 'alias':
      return [textOf(rrset.target)];
    case 'static':
      return rrset.type === TYPE.CNAME ? rrset.rdata.map(textOf) : [];
    default: {
      if (!rrset.families.includes('CNAME')) return [];
      const endpoints = reachablePools(zone, rrset).flatMap((pool) => pool.endpoints);
      return endpoints.flatMap(({ rdata }) => (rdata.CNAME ? [textOf(rdata.CNAME)] : []));
    }
  }
}

function textOf(wire: Uint8Array): string {
  return formatName(wire).toLowerCase();
}
