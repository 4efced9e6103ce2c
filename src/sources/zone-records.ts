/** The records of a zone file: owner names, types and values. Dynamic ones go on to `zone-dynamic.ts`. */
import { TYPE, typeName, typeNumber } from '../core/dns/iana.js';
import { isRdataError, type RdataError, rdataError } from '../core/dns/rdata/codec.js';
import { knownTypes, rdataCodec } from '../core/dns/rdata/table.js';
import { unknownType } from '../core/dns/rdata/unknown.js';
import type { Family } from '../core/zone/model.js';
import { nearest, type Path, show } from './schema-problems.js';
import { addRRset, type Draft, readName, report, seconds } from './zone-draft.js';
import { readDynamic } from './zone-dynamic.js';
import { takeAutoHints } from './zone-hints.js';
import type { ZoneRecord, ZoneRecords } from './zone-schema.js';

export function readRecords(draft: Draft, records: ZoneRecords, at: Path): void {
  for (const [key, given] of Object.entries(records)) {
    const name = ownerName(draft, key);
    if ('message' in name) {
      report(draft, [...at, key], name.message, 'key');
      continue;
    }
    if (!Array.isArray(given)) readRecord(draft, key, name.text, given, [...at, key]);
    else
      for (const [i, record] of given.entries()) readRecord(draft, key, name.text, record, [...at, key, i]);
  }
}

/** Relative to the zone; absolute with a trailing dot. Validation tells whether it is within the zone. */
export function ownerName(draft: Draft, key: string): ReturnType<typeof readName> {
  if (key === '') return { text: draft.origin, wire: draft.originWire };
  if (key === '@') return { message: 'the name of the zone itself is written ""' };
  const zone = draft.origin.slice(0, -1);
  const lower = key.toLowerCase();
  if (zone !== '' && (lower === zone || lower.endsWith(`.${zone}`))) {
    const short = lower === zone ? '""' : key.slice(0, -zone.length - 1);
    return { message: `names are relative to the zone: write ${short}, or ${key}. with a trailing dot` };
  }
  return readName(key, draft.originWire);
}

function readRecord(draft: Draft, key: string, name: string, record: ZoneRecord, at: Path): void {
  if (typeof record.type === 'string' && record.type.toUpperCase() === 'ALIAS') {
    readAlias(draft, name, record, at);
    return;
  }
  const types = readTypes(draft, record, at);
  if (!types) return;
  const range = typeof record.ttl === 'object' ? record.ttl : undefined;
  const ttl = seconds(typeof record.ttl === 'object' ? record.ttl.max : record.ttl, draft.ttl);
  const ttlMin = range && seconds(range.min, 0);
  if (ttlMin !== undefined && ttlMin > ttl)
    report(draft, [...at, 'ttl'], '"min" must not be more than "max"');
  if (record.dynamic === undefined) {
    if (range) report(draft, [...at, 'ttl'], 'a range is for dynamic records only');
    if (record.fail !== undefined) report(draft, [...at, 'fail'], 'is for dynamic records only', 'key');
    if (types.length > 1) report(draft, [...at, 'type'], 'a list of types is for dynamic records only');
    else readStatic(draft, name, types[0]!, ttl, record, at);
    return;
  }
  const families = types.map(typeName);
  if (!families.every(isFamily)) {
    report(draft, [...at, 'type'], 'a dynamic record has the type A, AAAA or CNAME, or [A, AAAA]');
    return;
  }
  const octodnsPools = readDynamic(draft, {
    key,
    name,
    families,
    ttl,
    ...(ttlMin !== undefined && { ttlMin }),
    record,
    dynamic: record.dynamic,
    at,
  });
  // octoDNS demands values beside its pools: they are checked, but the pools answer.
  if (octodnsPools) readValues(draft, types[0]!, record, at);
  else if (record.value !== undefined || record.values !== undefined) {
    const given = record.value === undefined ? 'values' : 'value';
    report(draft, [...at, given], 'a record has either values or dynamic', 'key');
  }
}

/** The addresses of another name; everything but its value is as for a static record. */
function readAlias(draft: Draft, name: string, record: ZoneRecord, at: Path): void {
  for (const key of ['dynamic', 'fail'] as const) {
    if (record[key] !== undefined) report(draft, [...at, key], 'is not for ALIAS: its target decides', 'key');
  }
  if (record.value === undefined && record.values === undefined) {
    report(draft, at, 'an ALIAS needs the key value: the name whose addresses it answers');
    return;
  }
  const rdata = readValues(draft, TYPE.CNAME, record, at);
  if (rdata.length !== 1) report(draft, [...at, 'values'], 'a name has only one ALIAS');
  const [target] = rdata;
  // Two bytes are a placeholder after a report.
  if (!target || target.length === 2) return;
  const { ttl: given } = record;
  if (typeof given === 'object') report(draft, [...at, 'ttl'], 'a range is for dynamic records only');
  const ttl = seconds(typeof given === 'object' ? given.max : given, draft.ttl);
  const place = { path: at, rdata: record.values ? 'values' : 'value' } as const;
  addRRset(draft, { kind: 'alias', name, families: ['A', 'AAAA'], ttl, target }, place);
}

function readStatic(
  draft: Draft,
  name: string,
  type: number,
  ttl: number,
  record: ZoneRecord,
  at: Path,
): void {
  if (record.value === undefined && record.values === undefined) {
    report(draft, at, 'a record needs one of the keys value, values and dynamic');
    return;
  }
  const auto = takeAutoHints(draft, type, record, at);
  const rdata = readValues(draft, type, auto?.record ?? record, at);
  const place = { path: at, rdata: record.values ? 'values' : 'value' } as const;
  const hinted = auto && { hinted: auto.hinted };
  addRRset(draft, { kind: 'static', name, type, ttl, rdata, ...hinted }, place);
}

function readValues(draft: Draft, type: number, record: ZoneRecord, at: Path): readonly Uint8Array[] {
  if (record.value !== undefined && record.values !== undefined) {
    report(draft, [...at, 'value'], 'a record has either value or values', 'key');
  }
  const single = record.values === undefined;
  const values = record.values ?? (record.value === undefined ? [] : [record.value]);
  return values.map((value, i) => {
    const wire = isGeneric(record, value) ? readGeneric(type, value) : rdataCodec(type).parse(value);
    if (!isRdataError(wire)) return wire;
    const valueAt = single ? [...at, 'value'] : [...at, 'values', i];
    report(draft, [...valueAt, ...wire.path], wire.message);
    // Keeps its place, and differs from the others, so that validation has nothing to add.
    return Uint8Array.of(i >> 8, i & 0xff);
  });
}

/** `TYPE15` with `\\# 4 …`: any rdata as bytes, also of a type with fields of its own (RFC 3597 §5). */
function isGeneric(record: ZoneRecord, value: unknown): boolean {
  return (
    /^TYPE\d+$/i.test([record.type].flat()[0] ?? '') && typeof value === 'string' && value.startsWith('\\#')
  );
}

function readGeneric(type: number, value: unknown): Uint8Array | RdataError {
  const wire = unknownType(type).parse(value);
  if (isRdataError(wire) || rdataCodec(type).toText(wire) !== undefined) return wire;
  return rdataError(`these bytes are no rdata of the type ${typeName(type)}`);
}

function readTypes(draft: Draft, record: ZoneRecord, at: Path): readonly number[] | undefined {
  const given = [record.type].flat();
  const types: number[] = [];
  for (const [i, text] of given.entries()) {
    const type = typeNumber(text);
    if (type !== undefined && text !== '') types.push(type);
    else report(draft, Array.isArray(record.type) ? [...at, 'type', i] : [...at, 'type'], wrongType(text));
  }
  return types.length === given.length ? types : undefined;
}

function wrongType(text: string): string {
  if (text.toUpperCase() === 'ALIAS') return 'ALIAS stands alone: it answers both A and AAAA';
  const names = knownTypes()
    .filter((type) => type !== TYPE.SOA)
    .map(typeName);
  const near = nearest(text, names);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return `${show(text)} is not an RR type${hint}${hint ? ' Allowed' : '; allowed'}: ${names.join(', ')}, or TYPE123`;
}

function isFamily(text: string): text is Family {
  return text === 'A' || text === 'AAAA' || text === 'CNAME';
}
