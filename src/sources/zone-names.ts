/** Names, types and records as a zone file writes them, found again whatever their spelling. */
import { basename } from 'node:path';
import { typeName, typeNumber } from '../core/dns/iana.js';
import { isPlainMap } from './yaml-render.js';
import { readName } from './zone-draft.js';

export type Tree = Readonly<Record<string, unknown>>;

/** What a zone file says, with the zone that it is of. */
export interface ZoneTree {
  /** Lower case, with a trailing dot. */
  readonly origin: string;
  readonly originWire: Uint8Array;
  /** False: as octoDNS writes it, records alone. */
  readonly native: boolean;
  readonly value: Tree;
}

/** One record of a file, and where it is. */
export interface FileRecord {
  readonly key: string;
  /** Its place in the list of its key; absent where the key has one record. */
  readonly index?: number;
  /** In full, lower case, with a trailing dot. */
  readonly name: string;
  /** `A`, or `A,AAAA`: sorted, in upper case. */
  readonly types: string;
  readonly record: unknown;
}

/** Why a text is no zone, or no name of one. */
export interface NameMistake {
  readonly message: string;
}

export function zoneTree(file: string, value: unknown): ZoneTree | NameMistake {
  if (!isPlainMap(value)) return { message: 'the file is not a map' };
  const native = typeof value['zone'] === 'string';
  const given = native ? String(value['zone']) : basename(file).replace(/\.ya?ml$/i, '');
  const origin = readName(given.endsWith('.') ? given : `${given}.`);
  if ('message' in origin) return origin;
  return { origin: origin.text, originWire: origin.wire, native, value };
}

export function recordMap({ native, value }: ZoneTree): Tree {
  const records = native ? value['records'] : value;
  return isPlainMap(records) ? records : {};
}

/** Every record of a file in its order. A key that is no name is left out: the file has a mistake. */
export function fileRecords(tree: ZoneTree): readonly FileRecord[] {
  return Object.entries(recordMap(tree)).flatMap(([key, given]): FileRecord[] => {
    const name = fullName(tree, key);
    if (typeof name !== 'string') return [];
    if (!Array.isArray(given)) return [{ key, name, types: typesOf(given), record: given }];
    return given.map((record, index) => ({ key, index, name, types: typesOf(record), record }));
  });
}

/** A name in full. `@` and the empty text are the zone itself; a name with a trailing dot is absolute. */
export function fullName(tree: ZoneTree, name: string): string | NameMistake {
  if (name === '' || name === '@') return tree.origin;
  const read = readName(name, tree.originWire);
  if ('message' in read) return read;
  const { text } = read;
  if (text === tree.origin || tree.origin === '.' || text.endsWith(`.${tree.origin}`)) return text;
  return { message: `the name ${text} is not in the zone ${tree.origin}` };
}

/** As a new key of the file: relative to the zone where that is understood so. */
export function keyOfName({ origin }: ZoneTree, name: string): string {
  if (name === origin) return '';
  if (origin === '.') return name;
  const relative = name.slice(0, -origin.length - 1);
  const zone = origin.slice(0, -1);
  return relative === zone || relative.endsWith(`.${zone}`) ? name : relative;
}

/** `A,AAAA` of `["aaaa", "A"]`; types by number get their names. */
export function typesOf(record: unknown): string {
  const type = isPlainMap(record) ? record['type'] : undefined;
  return canonicalTypes([type].flat().map(String));
}

export function canonicalTypes(types: readonly string[]): string {
  const names = types.map((text) => {
    const number = typeNumber(text.trim());
    return number === undefined || text === '' ? text.trim().toUpperCase() : typeName(number);
  });
  return [...new Set(names)].toSorted().join(',');
}
