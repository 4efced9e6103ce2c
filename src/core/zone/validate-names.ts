/**
 * Names and RRsets: what may stand beside and below what (RFC 1034 §3.6.2, §4.2.1; RFC 2181 §5; RFC 4592 §4;
 * RFC 6672 §2.4).
 */
import { TYPE, typeName } from '../dns/iana.js';
import { formatName } from '../dns/name.js';
import { rdataText } from '../dns/rdata/table.js';
import type { FindingPath, Findings } from './finding.js';
import type { RRset, StaticRRset, Zone } from './model.js';

const TTL_MAX = 604_800;
const RRSET_BYTES_MAX = 60_000;
/** The server makes these itself, or they exist only in messages. */
const NEVER_STORED: ReadonlySet<number> = new Set([
  0,
  65_535,
  ...[TYPE.OPT, TYPE.SOA, TYPE.RRSIG, TYPE.NSEC, TYPE.NSEC3, TYPE.NSEC3PARAM, TYPE.TSIG, TYPE.TKEY],
  ...[TYPE.AXFR, TYPE.IXFR, TYPE.MAILA, TYPE.MAILB, TYPE.ANY, TYPE.NULL],
]);

export function validateNames(zone: Zone, nameservers: 'required' | 'optional', findings: Findings): void {
  const index = indexOf(zone);
  for (const [i, rrset] of zone.rrsets.entries()) {
    const at: FindingPath = ['rrsets', i];
    if (!isWithin(rrset.name, zone.origin)) {
      findings.add(at, 'outside-zone', `${rrset.name} is outside the zone ${zone.origin}`);
      continue;
    }
    if (!(Number.isInteger(rrset.ttl) && rrset.ttl >= 0 && rrset.ttl <= TTL_MAX)) {
      findings.add([...at, 'ttl'], 'out-of-range', `must be a whole number from 0 to ${TTL_MAX}`);
    }
    if (rrset.kind === 'static') validateStatic(rrset, at, findings);
    if (rrset.kind === 'alias' && formatName(rrset.target).toLowerCase() === rrset.name) {
      findings.add([...at, 'rdata', 0], 'loop', 'an ALIAS cannot lead to its own name');
    }
    validateBeside(zone, index, rrset, i, findings);
    validateAbove(zone, index, rrset, at, findings);
  }
  validateNameservers(zone, index, nameservers, findings);
}

interface NameIndex {
  /** The number of the first RRset at each owner name. */
  readonly first: ReadonlyMap<string, number>;
  /** Numbers of the RRsets at each owner name that has several; most have one, and are not looked for twice. */
  readonly several: ReadonlyMap<string, readonly number[]>;
  /** Names below the apex with NS records. */
  readonly cuts: ReadonlySet<string>;
  readonly dnames: ReadonlySet<string>;
  /** Names that NS records point to: their addresses may be glue. */
  readonly servers: ReadonlySet<string>;
}

function indexOf(zone: Zone): NameIndex {
  const first = new Map<string, number>();
  const several = new Map<string, number[]>();
  const cuts = new Set<string>();
  const dnames = new Set<string>();
  const servers = new Set<string>();
  for (const [i, rrset] of zone.rrsets.entries()) {
    const number = first.get(rrset.name);
    if (number === undefined) first.set(rrset.name, i);
    else getOrMake(several, rrset.name, () => [number]).push(i);
    if (rrset.kind !== 'static') continue;
    if (rrset.type === TYPE.DNAME) dnames.add(rrset.name);
    if (rrset.type !== TYPE.NS) continue;
    if (rrset.name !== zone.origin) cuts.add(rrset.name);
    for (const wire of rrset.rdata) servers.add(formatName(wire).toLowerCase());
  }
  return { first, several, cuts, dnames, servers };
}

function numbersAt({ first, several }: NameIndex, name: string): readonly number[] {
  const number = first.get(name);
  return several.get(name) ?? (number === undefined ? [] : [number]);
}

function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function validateStatic(rrset: StaticRRset, at: FindingPath, findings: Findings): void {
  const { type, name, rdata } = rrset;
  if (NEVER_STORED.has(type)) {
    findings.add([...at, 'type'], 'not-allowed', `a zone file cannot hold ${typeName(type)} records`);
  }
  if (name.startsWith('*.') && (type === TYPE.NS || type === TYPE.DNAME)) {
    const message = `${typeName(type)} at a wildcard has no defined meaning (RFC 4592 §4)`;
    findings.add(at, 'wildcard', message);
  }
  if (rdata.length === 0) findings.add(at, 'no-endpoint', 'must have at least one value');
  if (rdata.length > 1 && (type === TYPE.CNAME || type === TYPE.DNAME)) {
    findings.add(at, 'not-single', `a name has only one ${typeName(type)}`);
  }
  if (rdata.length > 1) validateTwice(rrset, at, findings);
  // Owner as a pointer, type, class, TTL and length come before the rdata.
  const bytes = rdata.reduce((sum, wire) => sum + 12 + wire.length, 0);
  if (bytes > RRSET_BYTES_MAX) {
    findings.add(at, 'too-large', `has ${bytes} bytes; a message has room for ${RRSET_BYTES_MAX}`);
  }
}

function validateTwice({ type, rdata }: StaticRRset, at: FindingPath, findings: Findings): void {
  const seen = new Set<string>();
  for (const [i, wire] of rdata.entries()) {
    const text = rdataText(type, wire);
    if (seen.has(text)) findings.add([...at, 'rdata', i], 'duplicate', 'this value is there twice');
    seen.add(text);
  }
}

/** What else is at the same name. */
function validateBeside(zone: Zone, index: NameIndex, rrset: RRset, self: number, findings: Findings): void {
  const types = typesOf(rrset);
  if (rrset.name === zone.origin && types.includes(TYPE.CNAME)) {
    const message = 'the apex has SOA and NS records, so it cannot have a CNAME (RFC 1034 §3.6.2)';
    findings.add(['rrsets', self], 'beside-cname', message);
    return;
  }
  for (const number of index.several.get(rrset.name) ?? []) {
    // Each pair is looked at once, and the later one is to blame.
    if (number >= self) break;
    const otherTypes = typesOf(zone.rrsets[number]!);
    const twice = types.find((type) => otherTypes.includes(type));
    if (twice !== undefined) {
      const isAlias = rrset.kind === 'alias' || zone.rrsets[number]!.kind === 'alias';
      const message = isAlias
        ? `${rrset.name} has an ALIAS, which answers A and AAAA: no other record may have these types`
        : `${rrset.name} already has ${typeName(twice)} records: write all values in one record`;
      findings.add(['rrsets', self], 'duplicate', message);
    } else if (types.includes(TYPE.CNAME) || otherTypes.includes(TYPE.CNAME)) {
      const both = [...otherTypes, ...types].map(typeName).join(' and ');
      const message = `${rrset.name} has ${both}, but nothing may stand beside a CNAME (RFC 1034 §3.6.2)`;
      findings.add(['rrsets', self], 'beside-cname', message);
    }
  }
  if (types.includes(TYPE.DS) && !index.cuts.has(rrset.name)) {
    findings.add(
      ['rrsets', self],
      'below-cut',
      'DS needs NS records at the same name: it belongs to a delegation',
    );
  }
}

/** Delegations and DNAMEs at or above the name. */
function validateAbove(
  zone: Zone,
  index: NameIndex,
  rrset: RRset,
  at: FindingPath,
  findings: Findings,
): void {
  if (index.cuts.size === 0 && index.dnames.size === 0) return;
  if (rrset.name !== zone.origin && index.dnames.has(zone.origin)) {
    belowDname(rrset, zone.origin, at, findings);
    return;
  }
  for (const ancestor of selfAndParents(rrset.name, zone.origin)) {
    const own = ancestor === rrset.name;
    if (index.cuts.has(ancestor) && !mayStandAtCut(index, rrset, own)) {
      const place = own ? 'is' : `is below ${ancestor}, which is`;
      const message = `${rrset.name} ${place} delegated by NS records: only NS, DS and glue addresses may stand here`;
      findings.add(at, 'below-cut', message);
      return;
    }
    if (!own && index.dnames.has(ancestor)) {
      belowDname(rrset, ancestor, at, findings);
      return;
    }
  }
}

function belowDname(rrset: RRset, owner: string, at: FindingPath, findings: Findings): void {
  const message = `${rrset.name} is below ${owner}, which has a DNAME: nothing may stand there (RFC 6672 §2.4)`;
  findings.add(at, 'below-dname', message);
}

function mayStandAtCut(index: NameIndex, rrset: RRset, own: boolean): boolean {
  if (rrset.kind !== 'static') return false;
  if (own && (rrset.type === TYPE.NS || rrset.type === TYPE.DS)) return true;
  const address = rrset.type === TYPE.A || rrset.type === TYPE.AAAA;
  return address && index.servers.has(rrset.name);
}

/** The apex needs name servers, and those within the zone need addresses (RFC 1034 §4.2.1). */
function validateNameservers(
  zone: Zone,
  index: NameIndex,
  nameservers: 'required' | 'optional',
  findings: Findings,
): void {
  let apex = false;
  for (const [i, rrset] of zone.rrsets.entries()) {
    if (rrset.kind !== 'static' || rrset.type !== TYPE.NS) continue;
    apex ||= rrset.name === zone.origin;
    for (const [j, wire] of rrset.rdata.entries()) {
      const server = formatName(wire).toLowerCase();
      if (!needsAddress(zone, index, rrset.name, server)) continue;
      const message = `the name server ${server} is in this zone and needs an address (A or AAAA)`;
      findings.add(['rrsets', i, 'rdata', j], 'no-glue', message);
    }
  }
  if (!apex && nameservers === 'required') {
    findings.add(['nameservers'], 'no-nameserver', 'the zone needs at least one name server');
  }
}

function needsAddress(zone: Zone, index: NameIndex, owner: string, server: string): boolean {
  if (!isWithin(server, zone.origin)) return false;
  const addressed = numbersAt(index, server).some((i) => {
    const types = typesOf(zone.rrsets[i]!);
    return types.includes(TYPE.A) || types.includes(TYPE.AAAA);
  });
  if (addressed) return false;
  // A server below another delegation has its addresses there; without a wildcard it has none here.
  const elsewhere = selfAndParents(server, zone.origin).find((name) => index.cuts.has(name));
  if (elsewhere !== undefined && elsewhere !== owner) return false;
  return !selfAndParents(server, zone.origin).some((name) => index.first.has(`*.${name}`));
}

function typesOf(rrset: RRset): readonly number[] {
  return rrset.kind === 'static' ? [rrset.type] : rrset.families.map((family) => TYPE[family]);
}

function isWithin(name: string, origin: string): boolean {
  return origin === '.' || name === origin || name.endsWith(`.${origin}`);
}

/** `name` and the names above it, down from but without the apex. */
export function selfAndParents(name: string, origin: string): readonly string[] {
  const names: string[] = [];
  for (let at = name; at !== origin && at !== '.' && at !== ''; at = withoutFirstLabel(at)) names.push(at);
  return names;
}

/** An escaped dot is part of its label. */
function withoutFirstLabel(name: string): string {
  for (let i = 0; i < name.length; i++) {
    if (name[i] === '\\') i++;
    else if (name[i] === '.') return name.slice(i + 1);
  }
  return '';
}
