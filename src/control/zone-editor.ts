import type { Problem } from '../sources/yaml-document.js';
import { isPlainMap } from '../sources/yaml-render.js';
import { readName } from '../sources/zone-draft.js';
import type { EditRefusal, ZoneEdit } from '../sources/zone-edit.js';
import type { Tree } from '../sources/zone-names.js';
import { isMaster, type RecordPage, type RecordQuery, type ZoneDesk } from './zone-desk.js';
import type {
  ChangedZone,
  Expectation,
  FailedWrite,
  FileChanges,
  WriteConflict,
  WriteOptions,
  ZoneFile,
  ZoneText,
} from './zone-write.js';
import { conflictOf, deskFailure, type ZoneWriter } from './zone-writer.js';

/** What a change of one zone comes with. */
export interface EditOptions extends Pick<WriteOptions, 'author' | 'message'> {
  /** What the zone's file must be. */
  readonly ifMatch: Expectation;
  /** Say what would happen, and change nothing. */
  readonly dryRun?: boolean;
}

/** What a change of one zone did. */
export interface EditedZone {
  readonly outcome: 'written';
  readonly file: string;
  /** Null where the zone is gone. */
  readonly etag: string | null;
  readonly revision?: number;
  readonly published: boolean;
  /** Nothing was written: this is what would happen. */
  readonly dryRun?: true;
  /** The zone, or the record or part that was named, was not there before. */
  readonly created: boolean;
  readonly zones: readonly ChangedZone[];
}

export interface RefusedEdit {
  readonly outcome: 'refused';
  readonly code: EditRefusal['code'];
  readonly message: string;
}

export interface EditProblems {
  readonly outcome: 'problems';
  readonly problems: readonly Problem[];
}

export type EditResult = EditedZone | RefusedEdit | EditProblems | WriteConflict | FailedWrite;

/** Reads and changes single zones by their names, for the API. */
export class ZoneEditor {
  readonly #writer: ZoneWriter;
  readonly #desk: ZoneDesk;

  constructor(writer: ZoneWriter, desk: ZoneDesk) {
    this.#writer = writer;
    this.#desk = desk;
  }

  /** The file of a zone; undefined where there is none. */
  async text(zone: string): Promise<ZoneText | RefusedEdit | FailedWrite> {
    const origin = originOf(zone);
    if (typeof origin !== 'string') return origin;
    return (await this.#writer.text(origin)) ?? noZone(zone);
  }

  /** Its file without the text: cheap, however large it is. */
  async file(zone: string): Promise<ZoneFile | RefusedEdit | FailedWrite> {
    const origin = originOf(zone);
    if (typeof origin !== 'string') return origin;
    return (await this.#writer.file(origin)) ?? noZone(zone);
  }

  async records(
    zone: string,
    query: RecordQuery,
  ): Promise<
    | (RecordPage & { readonly outcome: 'read'; readonly etag: string })
    | RefusedEdit
    | EditProblems
    | FailedWrite
  > {
    const found = await this.file(zone);
    if ('outcome' in found) return found;
    const listed = await this.#list(zone, found, query).catch(deskFailure);
    if ('outcome' in listed) return listed;
    if ('problems' in listed) return { outcome: 'problems', problems: listed.problems };
    if ('code' in listed) return { outcome: 'refused', ...listed };
    return { outcome: 'read', etag: found.etag, ...listed };
  }

  async #list(zone: string, { file, etag, path }: ZoneFile, query: RecordQuery) {
    const known = await this.#desk.listed(file, etag, query);
    if (known) return known;
    // A master file may be larger than what is read for an edit.
    if (isMaster(file)) return this.#desk.listMaster(file, path, etag, query);
    const found = await this.text(zone);
    return 'outcome' in found ? found : this.#desk.list(file, found.text, found.etag, query);
  }

  /** A part of a zone's file by its path; undefined where there is none. */
  async part(
    zone: string,
    path: readonly string[],
  ): Promise<
    | { readonly outcome: 'read'; readonly etag: string; readonly part: unknown }
    | RefusedEdit
    | EditProblems
    | FailedWrite
  > {
    const found = await this.text(zone);
    if ('outcome' in found) return found;
    if (isMaster(found.file)) return masterFile(found.file);
    const result = await this.#desk.part(found.file, found.text, path).catch(deskFailure);
    if ('outcome' in result) return result;
    if ('problems' in result) return { outcome: 'problems', problems: result.problems };
    return { outcome: 'read', etag: found.etag, part: result.part };
  }

  /** Changes a part of a zone that is there. */
  async edit(zone: string, edit: ZoneEdit, options: EditOptions): Promise<EditResult> {
    if ('value' in edit && isTooDeep(edit.value)) return tooDeep();
    return this.#change(zone, options, async (found) => {
      if (!found) return noZone(zone);
      if (isMaster(found.file)) return masterFile(found.file);
      const edited = await this.#desk.edit(found.file, found.text, edit);
      if ('problems' in edited) return { outcome: 'problems', problems: edited.problems };
      return 'code' in edited ? { outcome: 'refused', ...edited } : edited;
    });
  }

  /** Puts a whole zone, as the text of a file or as data. A file that is there keeps comments where data comes. */
  async put(
    zone: string,
    content: { readonly text: string } | { readonly value: unknown },
    options: EditOptions,
  ): Promise<EditResult> {
    if ('value' in content && isTooDeep(content.value)) return tooDeep();
    return this.#change(zone, options, async (found, origin) => {
      if (found && isMaster(found.file)) return masterFile(found.file);
      if ('text' in content) return { text: content.text, created: !found };
      const value = named(content.value, origin, found?.text);
      if ('outcome' in value) return value;
      if (!found) return { text: await this.#desk.compose(value.value), created: true };
      const edited = await this.#desk.edit(found.file, found.text, {
        kind: 'zone',
        action: 'put',
        value: value.value,
      });
      // A file that can't be read is mended by what replaces it.
      if (!('text' in edited)) return { text: await this.#desk.compose(value.value), created: false };
      return edited;
    });
  }

  remove(zone: string, options: EditOptions): Promise<EditResult> {
    return this.#change(zone, options, async (found) =>
      found ? { text: null, created: false } : noZone(zone),
    );
  }

  /** All of it in the writer's turn, so that what is read is what is written over. */
  async #change(
    zone: string,
    options: EditOptions,
    make: (
      found: ZoneText | undefined,
      origin: string,
    ) => Promise<
      { readonly text: string | null; readonly created: boolean } | RefusedEdit | EditProblems | FailedWrite
    >,
  ): Promise<EditResult> {
    const origin = originOf(zone);
    if (typeof origin !== 'string') return origin;
    let [file, created] = ['', false];
    const { author, message, dryRun = false } = options;
    const result = await this.#writer.change<EditResult>(async () => {
      const found = await this.#writer.text(origin);
      if (found && 'outcome' in found) return found;
      file = found?.file ?? this.#writer.fileOf(origin);
      const ifMatch = new Map([[file, options.ifMatch]]);
      const conflict = conflictOf(new Map([[file, found?.text ?? null]]), { ifMatch });
      if (conflict) return found || options.ifMatch === null ? conflict : noZone(zone);
      const made = await make(found, origin);
      if ('outcome' in made) return made;
      created = made.created;
      const changes: FileChanges = new Map([[file, made.text]]);
      const zones = new Map([[file, origin]]);
      if (!dryRun) return { changes, options: { author, message, source: 'api', zones, ifMatch } };
      const staged = await this.#writer.stage(changes, { zones });
      if ('outcome' in staged) return staged;
      if (staged.problems.length > 0) return { outcome: 'problems', problems: staged.problems };
      const etag = found?.etag ?? null;
      return { outcome: 'written', file, etag, published: false, dryRun: true, created, zones: staged.zones };
    });
    if (result.outcome !== 'written' || 'file' in result) return result;
    const { revision, published, zones, etags } = result;
    const etag = etags.get(file) ?? null;
    return {
      outcome: 'written',
      file,
      etag,
      published,
      created,
      zones,
      ...(revision !== undefined && { revision }),
    };
  }
}

/** The name of a zone as people write it, with or without a dot at its end, as the zones are named inside. */
function originOf(zone: string): string | RefusedEdit {
  const name = readName(zone.endsWith('.') ? zone : `${zone}.`);
  if ('text' in name) return name.text;
  return { outcome: 'refused', code: 'bad_name', message: `${zone} is no name of a zone: ${name.message}` };
}

/** Data of a zone, which may leave its name out. */
function named(value: unknown, origin: string, text = 'zone:'): { readonly value: Tree } | RefusedEdit {
  if (!isPlainMap(value)) {
    return { outcome: 'refused', code: 'bad_value', message: 'a zone is a map with the keys of a zone file' };
  }
  // A file of octoDNS stays one.
  if (Object.hasOwn(value, 'zone') || !/^["']?zone["']?[ \t]*:/m.test(text)) return { value };
  return { value: { zone: origin === '.' ? '.' : origin.slice(0, -1), ...value } };
}

/** Far more than any zone file has. */
const DEPTH_MAX = 32;

/** Whether data is nested deeper than any zone's: what is made of it needs a stack. */
export function isTooDeep(value: unknown): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}

function tooDeep(): RefusedEdit {
  return { outcome: 'refused', code: 'bad_value', message: `maps and lists may be nested ${DEPTH_MAX} deep` };
}

function noZone(zone: string): RefusedEdit {
  return { outcome: 'refused', code: 'not_found', message: `there is no zone ${zone}` };
}

function masterFile(file: string): RefusedEdit {
  const message = `${file} is a master file: turn it into a zone file with "meridian import" to change it here`;
  return { outcome: 'refused', code: 'not_editable', message };
}
