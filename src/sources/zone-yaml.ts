/** A zone of static records as a zone file in Meridian's own form. */
import { Document, isMap, YAMLMap, YAMLSeq } from 'yaml';
import { typeName } from '../core/dns/iana.js';
import { isRdataError } from '../core/dns/rdata/codec.js';
import { rdataCodec } from '../core/dns/rdata/table.js';
import { formatUnknown } from '../core/dns/rdata/unknown.js';
import { frequentTtl } from '../core/zone/master/format.js';
import type { StaticRRset, Zone } from '../core/zone/model.js';

/**
 * Text of a file that `loadZoneFile` reads as the same zone, but for its serial, which is made of the content. Records are
 * grouped by name, in the order of their first ones. Dynamic RRsets are left out.
 */
export function formatZoneYaml(zone: Zone): string {
  const ttl = frequentTtl(zone.rrsets);
  const { mname, rname, refresh, retry, expire, minimum, ttl: soaTtl } = zone.soa;
  const document = new Document({
    zone: zone.origin === '.' ? '.' : zone.origin.slice(0, -1),
    ttl,
    soa: { contact: rname, mname, refresh, retry, expire, minimum, ttl: soaTtl },
  });
  const soa = document.get('soa');
  if (isMap(soa)) soa.flow = true;
  const records = new YAMLMap();
  for (const [name, rrsets] of byName(zone)) {
    const nodes = rrsets.map((rrset) => flowMap(document, recordOf(rrset, ttl)));
    const key = document.createNode(relativeKey(name, zone.origin));
    if (nodes.length === 1) records.items.push(document.createPair(key, nodes[0]));
    else {
      const list = new YAMLSeq();
      list.items.push(...nodes);
      records.items.push(document.createPair(key, list));
    }
  }
  document.set('records', records);
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** The records of a zone as that file has them. What a record says is made when it is asked for: there may be a million. */
export function zoneRecords(
  zone: Zone,
): readonly { readonly name: string; readonly types: string; readonly record: object }[] {
  const ttl = frequentTtl(zone.rrsets);
  return [...byName(zone).values()].flatMap((rrsets) => rrsets.map((rrset) => new LazyRecord(rrset, ttl)));
}

class LazyRecord {
  readonly #rrset: StaticRRset;
  readonly #ttl: number;

  constructor(rrset: StaticRRset, ttl: number) {
    this.#rrset = rrset;
    this.#ttl = ttl;
  }

  get name(): string {
    return this.#rrset.name;
  }

  get types(): string {
    return typeName(this.#rrset.type);
  }

  get record(): object {
    return recordOf(this.#rrset, this.#ttl);
  }
}

function byName(zone: Zone): ReadonlyMap<string, readonly StaticRRset[]> {
  const names = new Map<string, StaticRRset[]>();
  for (const rrset of zone.rrsets) {
    if (rrset.kind !== 'static') continue;
    const list = names.get(rrset.name);
    if (list) list.push(rrset);
    else names.set(rrset.name, [rrset]);
  }
  return names;
}

interface FileRecord {
  readonly type: string;
  readonly ttl?: number;
  readonly value?: unknown;
  readonly values?: readonly unknown[];
}

function recordOf({ type, ttl, rdata }: StaticRRset, defaultTtl: number): FileRecord {
  const known = rdata.map((wire) => fileValue(type, wire));
  const generic = known.includes(undefined);
  const values = generic ? rdata.map(formatUnknown) : known;
  return {
    type: generic ? `TYPE${type}` : typeName(type),
    ...(ttl !== defaultTtl && { ttl }),
    ...(values.length === 1 ? { value: values[0] } : { values }),
  };
}

/** What a zone file says for it; undefined where that is not exactly the same again. */
function fileValue(type: number, wire: Uint8Array): unknown {
  const codec = rdataCodec(type);
  const value = codec.toValue(wire);
  if (value === undefined) return undefined;
  const again = codec.parse(value);
  if (isRdataError(again) || again.length !== wire.length) return undefined;
  return again.every((byte, i) => byte === wire[i]) ? value : undefined;
}

function flowMap(document: Document, record: FileRecord) {
  return document.createNode(record, { flow: true });
}

/** Relative to the zone where that is understood so; else absolute. */
function relativeKey(name: string, origin: string): string {
  if (name === origin) return '';
  if (origin === '.' || !name.endsWith(`.${origin}`)) return name;
  const relative = name.slice(0, -origin.length - 1);
  const zone = origin.slice(0, -1);
  return relative === zone || relative.endsWith(`.${zone}`) ? name : relative;
}
