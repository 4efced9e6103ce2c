/** Changes of single records, pools, endpoints and other parts in the text of a zone file. */
import { formatAddress, parseIPv4, parseIPv6 } from '../core/dns/rdata/address.js';
import { type Problem, parseYaml, type YamlReader } from './yaml-document.js';
import { rewriteDocument } from './yaml-edit.js';
import { isPlainMap, renderFile } from './yaml-render.js';
import {
  canonicalTypes,
  type FileRecord,
  fileRecords,
  fullName,
  keyOfName,
  recordMap,
  type Tree,
  type ZoneTree,
  zoneTree,
} from './zone-names.js';
import { ZoneFile } from './zone-schema.js';

/** Parts of a zone file that are maps of names. */
export const SECTIONS = ['regions', 'monitors', 'calculated', 'pools'] as const;
export type Section = (typeof SECTIONS)[number];

/**
 * What is to be changed. `put` replaces or adds, `patch` merges (RFC 7396) into what is there, `delete` takes away.
 * Values are as in a zone file. `name` is relative to the zone, absolute with a trailing dot, or `@`; `types` is `A` or
 * `A,AAAA`. An endpoint is named by one of its addresses.
 */
export type ZoneEdit =
  | { readonly kind: 'zone'; readonly action: 'put' | 'patch'; readonly value: unknown }
  | {
      readonly kind: 'record';
      readonly action: 'put' | 'patch';
      readonly name: string;
      readonly types: string;
      readonly value: unknown;
    }
  | { readonly kind: 'record'; readonly action: 'delete'; readonly name: string; readonly types: string }
  | {
      readonly kind: 'name';
      readonly action: 'put';
      readonly name: string;
      readonly value: readonly unknown[];
    }
  | { readonly kind: 'name'; readonly action: 'delete'; readonly name: string }
  | {
      readonly kind: 'part';
      readonly action: 'put' | 'patch';
      readonly section: Section;
      readonly name: string;
      readonly value: unknown;
    }
  | { readonly kind: 'part'; readonly action: 'delete'; readonly section: Section; readonly name: string }
  | {
      readonly kind: 'endpoint';
      readonly action: 'put' | 'patch';
      readonly pool: string;
      readonly address: string;
      readonly value: unknown;
    }
  | { readonly kind: 'endpoint'; readonly action: 'delete'; readonly pool: string; readonly address: string };

/** Why an edit can't be made: what it names is not there, can't be changed alone, or is no name. */
export interface EditRefusal {
  readonly code: 'not_found' | 'not_alone' | 'not_editable' | 'bad_name' | 'bad_value';
  readonly message: string;
}

export type ZoneEditResult =
  | { readonly text: string; readonly created: boolean }
  | EditRefusal
  | { readonly problems: readonly Problem[] };

/** Applies an edit. What the new text means is not checked here: `loadZoneFile` does that. Never throws. */
export function editZone(
  file: string,
  text: string,
  edit: ZoneEdit,
  read: YamlReader = parseYaml,
): ZoneEditResult {
  const parsed = read(file, text);
  if ('problems' in parsed) return parsed;
  const tree = zoneTree(file, parsed.value);
  if ('message' in tree) return { code: 'not_editable', message: tree.message };
  const change = changed(tree, edit);
  if ('code' in change) return change;
  const order = Object.keys(ZoneFile.properties);
  const result = rewriteDocument(parsed, text, change.value, { order, read });
  return 'problems' in result ? result : { text: result.text, created: change.created };
}

/** The text of a new file. */
export function newZoneText(value: Tree): string {
  const order = Object.keys(ZoneFile.properties);
  const known = order
    .filter((key) => Object.hasOwn(value, key))
    .map((key): [string, unknown] => [key, value[key]]);
  const others = Object.entries(value).filter(([key]) => !order.includes(key));
  return renderFile(Object.fromEntries([...known, ...others]));
}

interface Change {
  readonly value: Tree;
  readonly created: boolean;
}

function changed(tree: ZoneTree, edit: ZoneEdit): Change | EditRefusal {
  switch (edit.kind) {
    case 'zone':
      return changedZone(edit.action === 'put' ? edit.value : mergePatch(tree.value, edit.value));
    case 'record':
      return changedRecord(tree, edit);
    case 'name':
      return changedName(tree, edit.name, edit.action === 'put' ? edit.value : []);
    case 'part':
      return changedPart(tree, edit);
    case 'endpoint':
      return changedEndpoint(tree, edit);
    default: {
      const never: never = edit;
      return never;
    }
  }
}

function changedZone(value: unknown): Change | EditRefusal {
  if (isPlainMap(value)) return { value, created: false };
  return { code: 'bad_value', message: 'a zone is a map with the keys of a zone file' };
}

function changedRecord(
  tree: ZoneTree,
  edit: Extract<ZoneEdit, { readonly kind: 'record' }>,
): Change | EditRefusal {
  const name = fullName(tree, edit.name);
  if (typeof name !== 'string') return { code: 'bad_name', message: name.message };
  const types = canonicalTypes(edit.types.split(','));
  const here = fileRecords(tree).filter((record) => record.name === name);
  const found = here.find((record) => record.types === types);
  const together = here.find((record) => record !== found && sharesType(record.types, types));
  if (!found && together) {
    const message = `${name} has the types ${together.types} in one record: name them together, as ${together.types}`;
    return { code: 'not_alone', message };
  }
  if (edit.action === 'delete') {
    if (!found) return noRecord(name, types, here);
    return { value: withRecords(tree, withoutRecord(recordMap(tree), found)), created: false };
  }
  if (!isPlainMap(edit.value)) return { code: 'bad_value', message: 'a record is a map' };
  if (edit.action === 'patch' && !found) return noRecord(name, types, here);
  const merged = edit.action === 'patch' ? patchRecord(found!.record, edit.value) : edit.value;
  const { type, ...rest } = merged;
  if (type !== undefined && canonicalTypes([type].flat().map(String)) !== types) {
    const given = [type].flat().join(',');
    return { code: 'bad_value', message: `the record says the type ${given}, the request ${types}` };
  }
  const record = { type: type ?? typeAsWritten(types, found), ...rest };
  return { value: withRecords(tree, putRecord(tree, name, here, found, record)), created: !found };
}

/** An old spelling stays. */
function typeAsWritten(types: string, found: FileRecord | undefined): unknown {
  const written = isPlainMap(found?.record) ? found.record['type'] : undefined;
  const list = types.split(',');
  return written ?? (list.length === 1 ? list[0] : list);
}

/** A new `value` takes the place of `values`, and the other way round. */
function patchRecord(record: unknown, patch: Tree): Tree {
  const merged = mergePatch(record, patch) as Tree;
  for (const [given, other] of [
    ['value', 'values'],
    ['values', 'value'],
  ] as const) {
    const has = (key: string) => Object.hasOwn(patch, key) && patch[key] !== null;
    if (has(given) && !has(other)) return withKey(merged, other, undefined);
  }
  return merged;
}

function putRecord(
  tree: ZoneTree,
  name: string,
  here: readonly FileRecord[],
  found: FileRecord | undefined,
  record: Tree,
): Tree {
  const records = recordMap(tree);
  if (found) {
    const list = records[found.key];
    const next = found.index === undefined ? record : (list as unknown[]).with(found.index, record);
    return withKey(records, found.key, next);
  }
  const key = here[0]?.key;
  if (key === undefined) return withKey(records, keyOfName(tree, name), record);
  return withKey(records, key, [...[records[key]].flat(), record]);
}

/** All records of a name, in the place of those that it has. */
function changedName(tree: ZoneTree, asked: string, value: readonly unknown[]): Change | EditRefusal {
  const name = fullName(tree, asked);
  if (typeof name !== 'string') return { code: 'bad_name', message: name.message };
  const here = fileRecords(tree).filter((record) => record.name === name);
  const keys = [...new Set(here.map(({ key }) => key))];
  if (value.length === 0 && keys.length === 0)
    return { code: 'not_found', message: `${name} has no records` };
  let records = recordMap(tree);
  for (const key of keys.slice(value.length === 0 ? 0 : 1)) records = withKey(records, key, undefined);
  if (value.length > 0) {
    const key = keys[0] ?? keyOfName(tree, name);
    const single = value.length === 1 && !Array.isArray(records[key]);
    records = withKey(records, key, single ? value[0] : value);
  }
  return { value: withRecords(tree, records), created: keys.length === 0 };
}

function changedPart(
  tree: ZoneTree,
  edit: Extract<ZoneEdit, { readonly kind: 'part' }>,
): Change | EditRefusal {
  if (!tree.native) return notNative();
  const { section, name } = edit;
  const given = tree.value[section];
  const parts = isPlainMap(given) ? given : {};
  const there = Object.hasOwn(parts, name);
  if (!there && edit.action !== 'put') {
    return { code: 'not_found', message: `the zone has no ${name} in ${section}` };
  }
  if (edit.action === 'delete')
    return { value: withSection(tree, section, withKey(parts, name, undefined)), created: false };
  const value = edit.action === 'patch' ? mergePatch(parts[name], edit.value) : edit.value;
  return { value: withSection(tree, section, withKey(parts, name, value)), created: !there };
}

function changedEndpoint(
  tree: ZoneTree,
  edit: Extract<ZoneEdit, { readonly kind: 'endpoint' }>,
): Change | EditRefusal {
  if (!tree.native) return notNative();
  const pools = tree.value['pools'];
  const pool = isPlainMap(pools) ? pools[edit.pool] : undefined;
  if (!isPlainMap(pool)) return { code: 'not_found', message: `the zone has no pool ${edit.pool}` };
  const given = pool['endpoints'];
  const endpoints: readonly unknown[] = Array.isArray(given) ? given : [];
  const places = endpoints.flatMap((endpoint, i) => (isAt(endpoint, edit.address) ? [i] : []));
  const [at] = places;
  if (places.length > 1) {
    return {
      code: 'not_alone',
      message: `${edit.address} is in ${places.length} endpoints of ${edit.pool}: change the pool`,
    };
  }
  if (at === undefined && edit.action !== 'put') {
    return { code: 'not_found', message: `the pool ${edit.pool} has no endpoint ${edit.address}` };
  }
  const put = (list: readonly unknown[]) =>
    withSection(tree, 'pools', withKey(pools as Tree, edit.pool, withKey(pool, 'endpoints', list)));
  if (edit.action === 'delete') return { value: put(endpoints.toSpliced(at!, 1)), created: false };
  const value = edit.action === 'patch' ? mergePatch(endpoints[at!], edit.value) : edit.value;
  if (!isAt(value, edit.address)) {
    const message = `the endpoint must have ${edit.address} as one of A, AAAA and CNAME: the request names it so`;
    return { code: 'bad_value', message };
  }
  return {
    value: put(at === undefined ? [...endpoints, value] : endpoints.with(at, value)),
    created: at === undefined,
  };
}

/** JSON merge patch (RFC 7396 §2): null takes a key away. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isPlainMap(patch)) return patch;
  const merged = new Map(isPlainMap(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

function sharesType(a: string, b: string): boolean {
  const types = b.split(',');
  return a.split(',').some((type) => types.includes(type));
}

function noRecord(name: string, types: string, here: readonly FileRecord[]): EditRefusal {
  const has = here.length === 0 ? 'no records' : `only ${here.map((record) => record.types).join(' and ')}`;
  return { code: 'not_found', message: `there is no ${types} of ${name}: it has ${has}` };
}

function notNative(): EditRefusal {
  return {
    code: 'not_editable',
    message: 'a file of octoDNS has records alone: put the whole zone to change its form',
  };
}

function withoutRecord(records: Tree, { key, index }: FileRecord): Tree {
  const list = records[key];
  if (index === undefined || !Array.isArray(list) || list.length === 1)
    return withKey(records, key, undefined);
  return withKey(records, key, list.toSpliced(index, 1));
}

function withRecords({ native, value }: ZoneTree, records: Tree): Tree {
  return native ? withKey(value, 'records', records) : records;
}

/** A section without anything in it goes. */
function withSection({ value }: ZoneTree, section: Section, parts: Tree): Tree {
  return withKey(value, section, Object.keys(parts).length === 0 ? undefined : parts);
}

/** Another value of one key in its place, at the end if it is new; undefined takes it away. Safe for `__proto__`. */
function withKey(map: Tree, key: string, value: unknown): Tree {
  if (value === undefined) return Object.fromEntries(Object.entries(map).filter(([other]) => other !== key));
  return Object.fromEntries(new Map(Object.entries(map)).set(key, value));
}

function isAt(endpoint: unknown, address: string): boolean {
  if (!isPlainMap(endpoint)) return false;
  const wanted = canonicalAddress(address);
  return ['A', 'AAAA', 'CNAME'].some((key) => {
    const given = endpoint[key];
    return typeof given === 'string' && canonicalAddress(given) === wanted;
  });
}

function canonicalAddress(text: string): string {
  const bytes = parseIPv4(text) ?? parseIPv6(text);
  return bytes ? formatAddress(bytes) : text.toLowerCase();
}
