/** Work on the texts of zone files that takes long for large ones: editing, checking, comparing, listing. */
import { readFileSync, statSync } from 'node:fs';
import type { ProbePermissions } from '../core/probe/limits.js';
import type { Zone } from '../core/zone/model.js';
import { zoneChanges } from '../core/zone/zone-changes.js';
import { loadMasterFile, MASTER_BYTES_MAX } from '../sources/master-zone.js';
import type { Problem } from '../sources/yaml-document.js';
import { parseYaml } from '../sources/yaml-document.js';
import { YamlShelf } from '../sources/yaml-shelf.js';
import { editZone, newZoneText, type ZoneEdit, type ZoneEditResult } from '../sources/zone-edit.js';
import { loadZoneFile } from '../sources/zone-file.js';
import { reasonOf, wholeFile } from '../sources/zone-listing.js';
import {
  canonicalTypes,
  type FileRecord,
  fileRecords,
  fullName,
  type Tree,
  zoneTree,
} from '../sources/zone-names.js';
import { zoneRecords } from '../sources/zone-yaml.js';
import type { ChangedZone } from './zone-write.js';

/** What the desk knows of the host. */
export interface DeskOptions {
  /** What monitors may run and read; nothing where absent. */
  readonly probes?: ProbePermissions;
  /** DNS nodes that probe, this one among them. */
  readonly observers?: number;
}

/** A file before and after a change; null where there is none. */
export interface Candidate {
  /** In the zone folder. */
  readonly file: string;
  /** On the disk: a master file includes others. */
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface CheckedChange {
  readonly problems: readonly Problem[];
  /** Zones after the change by their file. */
  readonly origins: ReadonlyMap<string, string>;
  readonly zones: readonly ChangedZone[];
  /** Files that were good before the change. */
  readonly sound: readonly string[];
}

export interface RecordQuery {
  /** Relative to the zone, absolute with a trailing dot, or `@`. */
  readonly name?: string;
  /** `A`, or `A,AAAA`: records that have all of them. */
  readonly types?: string;
  readonly offset: number;
  readonly limit: number;
}

export interface RecordPage {
  readonly total: number;
  readonly records: readonly Omit<FileRecord, 'key' | 'index'>[];
}

export type ListResult =
  | RecordPage
  | { readonly problems: readonly Problem[] }
  | { readonly code: 'bad_name'; readonly message: string };

/** A part of a zone file by its path, such as the pools; undefined where there is none. */
export type PartResult = { readonly part: unknown } | { readonly problems: readonly Problem[] };

/** In the thread that calls, or in one of its own. */
export interface ZoneDesk {
  edit(file: string, text: string, edit: ZoneEdit): Promise<ZoneEditResult>;
  /** The text of a new zone file. */
  compose(value: Tree): Promise<string>;
  check(candidates: readonly Candidate[]): Promise<CheckedChange>;
  /** `etag`: of the text; what was read for it is kept for a while. */
  list(file: string, text: string, etag: string, query: RecordQuery): Promise<ListResult>;
  /** The same of what was read before; undefined where that is not kept. */
  listed(file: string, etag: string, query: RecordQuery): Promise<ListResult | undefined>;
  /** The same of a master file, which is read here; `path`: on the disk. */
  listMaster(file: string, path: string, etag: string, query: RecordQuery): Promise<ListResult>;
  part(file: string, text: string, path: readonly string[]): Promise<PartResult>;
}

/** Changes of one zone that are told; `total` says how many there are. */
export const CHANGES_MAX = 10_000;
/** Records of the zones that were listed last. */
const LISTED_RECORDS_MAX = 300_000;

export class DirectDesk implements ZoneDesk {
  readonly #options: DeskOptions;
  /** The one used last is at the end. */
  readonly #listed = new Map<string, Listed>();
  /** What an edit read and made is checked next. */
  readonly #shelf = new YamlShelf();

  constructor(options: DeskOptions = {}) {
    this.#options = options;
  }

  async edit(file: string, text: string, edit: ZoneEdit): Promise<ZoneEditResult> {
    return editZone(file, text, edit, this.#shelf.read);
  }

  async compose(value: Tree): Promise<string> {
    return newZoneText(value);
  }

  async check(candidates: readonly Candidate[]): Promise<CheckedChange> {
    const problems: Problem[] = [];
    const origins = new Map<string, string>();
    const before = new Map<string, { readonly file: string; readonly zone: Zone }>();
    const after = new Map<string, { readonly file: string; readonly zone: Zone }>();
    for (const candidate of candidates) {
      const { file } = candidate;
      const old = candidate.before === null ? undefined : this.#zoneOf(candidate, candidate.before);
      if (old && 'zone' in old) before.set(old.zone.origin, { file, zone: old.zone });
      if (candidate.after === null) continue;
      const now = this.#zoneOf(candidate, candidate.after);
      if ('problems' in now) {
        problems.push(...now.problems);
        continue;
      }
      const other = after.get(now.zone.origin);
      if (other) problems.push(alreadyIn(file, now.zone.origin, other.file));
      else after.set(now.zone.origin, { file, zone: now.zone });
      origins.set(file, now.zone.origin);
    }
    this.#shelf.clear();
    const sound = [...before.values()].map(({ file }) => file);
    const zones = problems.length > 0 ? [] : changedZones(before, after);
    return { problems, origins, zones, sound };
  }

  async list(file: string, text: string, etag: string, query: RecordQuery): Promise<ListResult> {
    const listed = this.#listed.get(`${file} ${etag}`) ?? readRecords(file, text);
    return 'problems' in listed ? listed : this.#page(file, etag, listed, query);
  }

  async listed(file: string, etag: string, query: RecordQuery): Promise<ListResult | undefined> {
    const known = this.#listed.get(`${file} ${etag}`);
    return known && this.#page(file, etag, known, query);
  }

  async listMaster(file: string, path: string, etag: string, query: RecordQuery): Promise<ListResult> {
    const listed = this.#listed.get(`${file} ${etag}`) ?? readMaster(file, path);
    return 'problems' in listed ? listed : this.#page(file, etag, listed, query);
  }

  #page(file: string, etag: string, listed: Listed, query: RecordQuery): ListResult {
    this.#keep(`${file} ${etag}`, listed);
    let found = listed.records;
    if (query.name !== undefined) {
      const tree = zoneTree(file, { zone: listed.origin });
      const name = 'message' in tree ? tree : fullName(tree, query.name);
      if (typeof name !== 'string') return { code: 'bad_name', message: name.message };
      found = found.filter((record) => record.name === name);
    }
    if (query.types !== undefined) {
      const wanted = canonicalTypes(query.types.split(',')).split(',');
      const [only] = wanted;
      found = found.filter(({ types }) =>
        types.includes(',') || wanted.length > 1
          ? wanted.every((type) => types.split(',').includes(type))
          : types === only,
      );
    }
    const page = found.slice(query.offset, query.offset + query.limit);
    return { total: found.length, records: page.map(({ name, types, record }) => ({ name, types, record })) };
  }

  async part(file: string, text: string, path: readonly string[]): Promise<PartResult> {
    const document = parseYaml(file, text);
    if ('problems' in document) return document;
    let part: unknown = document.value;
    for (const key of path) {
      const map: unknown = part;
      part =
        typeof map === 'object' && map !== null && Object.hasOwn(map, key) ? (map as Tree)[key] : undefined;
    }
    return { part };
  }

  #zoneOf(
    { file, path }: Candidate,
    text: string,
  ): { readonly zone: Zone } | { readonly problems: readonly Problem[] } {
    if (!isMaster(file)) return loadZoneFile(file, text, { ...this.#options, read: this.#shelf.read });
    const result = loadMasterFile(path, Buffer.from(text));
    if ('zone' in result) return result;
    return { problems: result.problems.map((problem) => ({ ...problem, file })) };
  }

  /** The one used last is kept, however large it is. */
  #keep(key: string, listed: Listed): void {
    this.#listed.delete(key);
    this.#listed.set(key, listed);
    let sum = 0;
    for (const { records } of this.#listed.values()) sum += records.length + 100;
    for (const [oldest, { records }] of this.#listed) {
      if (sum <= LISTED_RECORDS_MAX || oldest === key) return;
      this.#listed.delete(oldest);
      sum -= records.length + 100;
    }
  }
}

/** Whether a file is in the form of RFC 1035. */
export function isMaster(file: string): boolean {
  return /\.zone$/i.test(file);
}

/** The mistake of a file whose zone another file has. */
export function alreadyIn(file: string, origin: string, other: string): Problem {
  return { file, line: 1, column: 1, path: 'zone', message: `the zone ${origin} is already in ${other}` };
}

type Zones = ReadonlyMap<string, { readonly file: string; readonly zone: Zone }>;

function changedZones(before: Zones, after: Zones): readonly ChangedZone[] {
  const origins = [...new Set([...before.keys(), ...after.keys()])];
  return origins.flatMap((origin): ChangedZone[] => {
    const [old, now] = [before.get(origin), after.get(origin)];
    const changes = zoneChanges(old?.zone, now?.zone);
    if (changes.length === 0 && old && now) return [];
    const kind = old ? (now ? 'changed' : 'removed') : 'added';
    const { file } = (now ?? old)!;
    const told = { zone: origin, file, kind, changes: changes.slice(0, CHANGES_MAX) } as const;
    return [changes.length > CHANGES_MAX ? { ...told, total: changes.length } : told];
  });
}

/** The records of a file in its order; what is asked for of a record is made when it is. */
interface Listed {
  readonly origin: string;
  readonly records: readonly Pick<FileRecord, 'name' | 'types' | 'record'>[];
}

function readMaster(file: string, path: string): Listed | { readonly problems: readonly Problem[] } {
  const mistake = (message: string) => ({ problems: [wholeFile(file, message)] });
  try {
    if (statSync(path).size > MASTER_BYTES_MAX) return mistake(`is larger than ${MASTER_BYTES_MAX} bytes`);
    const master = loadMasterFile(path, readFileSync(path));
    if ('problems' in master) return { problems: master.problems.map((one) => ({ ...one, file })) };
    const { zone } = master;
    return { origin: zone.origin, records: zoneRecords(zone) };
  } catch (error) {
    return mistake(`cannot be read: ${reasonOf(error)}`);
  }
}

function readRecords(file: string, text: string): Listed | { readonly problems: readonly Problem[] } {
  if (isMaster(file)) {
    const master = loadMasterFile(file, Buffer.from(text));
    if ('problems' in master) return master;
    return { origin: master.zone.origin, records: zoneRecords(master.zone) };
  }
  const document = parseYaml(file, text);
  if ('problems' in document) return document;
  const tree = zoneTree(file, document.value);
  if ('message' in tree) return { problems: [document.problem(['zone'], tree.message)] };
  return { origin: tree.origin, records: fileRecords(tree) };
}
