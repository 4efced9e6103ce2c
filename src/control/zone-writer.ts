import { join, relative, sep } from 'node:path';
import { type Problem, YAML_BYTES_MAX } from '../sources/yaml-document.js';
import { versionOf } from '../sources/zone-folder.js';
import type { FileFailure, FileSet } from '../store/file-set.js';
import { alreadyIn, type Candidate, type CheckedChange, type ZoneDesk } from './zone-desk.js';
import { DeskError } from './zone-desk-thread.js';
import type { ZoneList } from './zone-list.js';
import {
  type Expectation,
  etagOf,
  etagOfDigest,
  type FailedWrite,
  type FileChanges,
  type StagedChange,
  type WriteConflict,
  type WriteFailure,
  type WriteOptions,
  type WriteResult,
  type ZoneFile,
  type ZoneText,
} from './zone-write.js';

/** Where changes are recorded: the RevisionBook. */
export interface RevisionLog {
  /** A file as the newest revision has it. */
  fileAtHead?(path: string): { readonly version: string | null } | undefined;
  append(draft: {
    readonly kind: 'zones';
    readonly source: WriteOptions['source'] | 'file';
    readonly author: string;
    readonly message: string;
    readonly expectedOfKind?: number;
    readonly files: ReadonlyMap<string, string | null>;
    readonly zones: ReadonlyMap<string, string>;
  }): Promise<
    | { readonly id: number }
    | { readonly code: string; readonly detail: string; readonly expected?: number; readonly head?: number }
  >;
}

export interface ZoneWriterModules {
  readonly files: FileSet;
  readonly desk: ZoneDesk;
  /** The zones that are served, with files as the loader names them. */
  readonly served: () => ZoneList;
  /** Loads these files; resolves when that is published, or was refused. */
  readonly load: (files: readonly string[]) => Promise<void>;
  /** Without it no history is kept. */
  readonly revisions?: RevisionLog;
  /** Keeps what watches the files from recording a change that is about to get a revision of its own, until the call. */
  readonly hold?: () => Promise<() => void>;
  /** Why zones may not be changed through the API at all; undefined: they may. */
  readonly refuse?: () => string | undefined;
  readonly timers?: { set(callback: () => void, ms: number): unknown; clear(timer: unknown): void };
}

export interface ZoneWriterOptions {
  /** The zone folder, as the loader gets it. */
  readonly folder: string;
  /** The one file in it that is read. */
  readonly only?: string;
  /** How long a write waits until it is published. */
  readonly publishMs?: number;
}

/** A change, and how it is to be done. */
export interface PlannedWrite {
  readonly changes: FileChanges;
  readonly options: WriteOptions;
}

const FILES_MAX = 10_000;
const BYTES_MAX = 64 * 1024 * 1024;
const WAITING_MAX = 64;
const PUBLISH_MS = 30_000;

/**
 * Changes zone files: checks them together with the zones that are served, writes them in one step, records the revision
 * and has them loaded. One change at a time. Whatever fails leaves the files, and what is served, as they were.
 */
export class ZoneWriter {
  readonly #options: ZoneWriterOptions;
  readonly #modules: ZoneWriterModules;
  #work: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: ZoneWriterOptions, modules: ZoneWriterModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** The file of a zone as it is on disk now, good or not; undefined where the zone has none. `zone`: with a dot at its end. */
  async text(zone: string): Promise<ZoneText | FailedWrite | undefined> {
    for (const file of this.#filesOf(zone)) {
      const text = await this.#modules.files.read(file);
      if (typeof text === 'string') return { file, text, etag: etagOf(text) };
      if (text !== null) return failed(text);
    }
    return undefined;
  }

  /** As `text`, for those who do not need it: a file that did not change is not read again, however large it is. */
  async file(zone: string): Promise<ZoneFile | FailedWrite | undefined> {
    for (const file of this.#filesOf(zone)) {
      const found = await this.#modules.files.digest(file);
      if (found === null) continue;
      if ('detail' in found) return failed(found);
      return { file, etag: etagOfDigest(found.digest), path: join(this.#options.folder, file) };
    }
    return undefined;
  }

  /** Where the file of a zone is, or would be if the zone is new. */
  fileOf(zone: string): string {
    const { only } = this.#options;
    const files = this.#filesOf(zone);
    return only ?? files.find((file) => file.endsWith('.yaml')) ?? files[0]!;
  }

  /** Checks a change as the loader would, without doing it. */
  async stage(
    changes: FileChanges,
    { zones }: Pick<WriteOptions, 'zones'> = {},
  ): Promise<StagedChange | FailedWrite> {
    const before = await this.#read(changes);
    if ('outcome' in before) return before;
    return this.#check(changes, before, zones).catch(deskFailure);
  }

  /** Does a change. Never rejects for what a client or the disk does. */
  write(changes: FileChanges, options: WriteOptions): Promise<WriteResult> {
    return this.change<never>(async () => ({ changes, options }));
  }

  /**
   * Does a change that is made of what is there: `make` is called when all writes before are done. What it gives instead
   * of changes is passed on.
   */
  async change<T extends { readonly outcome: string }>(
    make: () => Promise<PlannedWrite | T>,
  ): Promise<WriteResult | T> {
    if (this.#waiting >= WAITING_MAX) return failure('busy', `${WAITING_MAX} writes wait already: try again`);
    this.#waiting++;
    const turn = this.#work.then(async (): Promise<WriteResult | T> => {
      const refused = this.#modules.refuse?.();
      if (refused !== undefined) return failure('gitops', refused);
      const planned = await make();
      return 'outcome' in planned ? planned : this.#write(planned.changes, planned.options);
    });
    const done = turn.catch(deskFailure);
    this.#work = done.catch(() => undefined);
    return done.finally(() => this.#waiting--);
  }

  async #write(changes: FileChanges, options: WriteOptions): Promise<WriteResult> {
    const before = await this.#read(changes);
    if ('outcome' in before) return before;
    const conflict = conflictOf(before, options);
    if (conflict) return conflict;
    const staged = await this.#check(changes, before, options.zones);
    if (staged.problems.length > 0) return { outcome: 'problems', problems: staged.problems };
    const etags = new Map([...changes].map(([file, text]) => [file, text === null ? null : etagOf(text)]));
    if ([...changes].every(([file, text]) => before.get(file) === text)) {
      return { outcome: 'written', etags, published: this.#isPublished(changes), zones: [] };
    }
    // Checking takes a while, in which somebody may have edited a file by hand.
    const late = await this.#editedSince(before);
    if (late) return late;
    const release = await this.#modules.hold?.();
    try {
      return await this.#store(changes, options, staged, etags, before);
    } finally {
      release?.();
    }
  }

  async #store(
    changes: FileChanges,
    options: WriteOptions,
    { origins, zones, sound }: CheckedChange,
    etags: ReadonlyMap<string, string | null>,
    before: ReadonlyMap<string, string | null>,
  ): Promise<WriteResult> {
    const prepared = await this.#modules.files.prepare(changes);
    if ('detail' in prepared) return failed(prepared);
    const edited = await this.#editedSince(before);
    if (edited) {
      await prepared.abort();
      return edited;
    }
    const { author, message, source } = options;
    const known = new Map([...zones.map(({ file, zone }): [string, string] => [file, zone]), ...origins]);
    // As for edits that are loaded, what has mistakes is not recorded.
    const old = new Map([...before].filter(([file]) => sound.includes(file)));
    let revision: number | undefined;
    try {
      const head = (await this.#recordEdits(old, options, known)) ?? options.head;
      const appended = await this.#modules.revisions?.append({
        kind: 'zones',
        source,
        author,
        message,
        files: changes,
        zones: known,
        ...(head !== undefined && { expectedOfKind: head }),
      });
      // The book may know already what somebody has undone by hand since.
      if (appended && 'code' in appended && appended.code !== 'unchanged') {
        await prepared.abort();
        return refusal(appended);
      }
      if (appended && 'id' in appended) revision = appended.id;
    } catch (error) {
      await prepared.abort();
      return failure(
        'storage_failed',
        `the revision could not be recorded: ${String(error)}; nothing was changed`,
      );
    }
    const broken = await prepared.commit();
    if (broken) return (broken.code === 'edited' && (await this.#editedSince(before))) || failed(broken);
    await this.#load(changes);
    const published = this.#isPublished(changes);
    return { outcome: 'written', etags, published, zones, ...(revision !== undefined && { revision }) };
  }

  /**
   * A revision of what somebody edited by hand just now and nobody has recorded: it would be lost under the change. Gives its
   * number.
   */
  async #recordEdits(
    before: ReadonlyMap<string, string | null>,
    { head }: WriteOptions,
    known: ReadonlyMap<string, string>,
  ): Promise<number | undefined> {
    const { revisions } = this.#modules;
    if (!revisions?.fileAtHead) return undefined;
    const edited = [...before].filter(
      ([file, text]) => text !== null && revisions.fileAtHead?.(file)?.version !== fileVersion(text),
    );
    if (edited.length === 0) return undefined;
    const appended = await revisions.append({
      kind: 'zones',
      source: 'file',
      author: 'file',
      message: `edited: ${edited.map(([file]) => file).join(', ')}`.slice(0, MESSAGE_CHARS_MAX),
      files: new Map(edited),
      zones: known,
      ...(head !== undefined && { expectedOfKind: head }),
    });
    // What is wrong with the journal is told when the change itself is recorded.
    return 'id' in appended ? appended.id : undefined;
  }

  /** Whether somebody wrote files by hand since these texts were read. */
  async #editedSince(
    before: ReadonlyMap<string, string | null>,
  ): Promise<WriteConflict | FailedWrite | undefined> {
    const now = await this.#read(before);
    return 'outcome' in now ? now : conflictOf(now, { ifMatch: new Map([...before].map(expected)) });
  }

  async #read(changes: FileChanges): Promise<ReadonlyMap<string, string | null> | FailedWrite> {
    if (changes.size > FILES_MAX)
      return failure('too_large', `${changes.size} files: at most ${FILES_MAX} at once`);
    const { only } = this.#options;
    const texts = new Map<string, string | null>();
    let bytes = 0;
    for (const [file, text] of changes) {
      if (only !== undefined && file !== only) {
        return failure('outside_folder', `the node reads the one file ${only}: ${file} would not be served`);
      }
      const size = text === null ? 0 : Buffer.byteLength(text);
      bytes += size;
      if (size > YAML_BYTES_MAX)
        return failure('too_large', `${file} has more than ${YAML_BYTES_MAX} bytes (16 MiB)`);
      if (bytes > BYTES_MAX) return failure('too_large', 'the files of one change have more than 64 MiB');
      const now = await this.#modules.files.read(file);
      if (typeof now === 'object' && now !== null) return failed(now);
      texts.set(file, now);
    }
    return texts;
  }

  async #check(
    changes: FileChanges,
    before: ReadonlyMap<string, string | null>,
    zones: ReadonlyMap<string, string> = new Map(),
  ): Promise<CheckedChange> {
    const { folder } = this.#options;
    const candidates = [...changes].map(
      ([file, after]): Candidate => ({
        file,
        path: join(folder, file),
        before: before.get(file) ?? null,
        after,
      }),
    );
    const checked = await this.#modules.desk.check(candidates);
    if (checked.problems.length > 0) return checked;
    const files = this.#modules.served();
    const problems = [...checked.origins].flatMap(([file, origin]) => {
      const wanted = zones.get(file);
      if (wanted !== undefined && wanted !== origin) return [otherZone(file, origin, wanted)];
      const served = files.get(origin)?.file;
      const other = served === undefined ? undefined : relative(folder, served);
      return other === undefined || changes.has(other) ? [] : [alreadyIn(file, origin, other)];
    });
    return { ...checked, problems };
  }

  /** At most for a while: a large load goes on behind. */
  async #load(changes: FileChanges): Promise<void> {
    const { folder } = this.#options;
    const { timers = SYSTEM_TIMERS, load } = this.#modules;
    let timer: unknown;
    const late = new Promise<void>((resolve) => {
      timer = timers.set(resolve, this.#options.publishMs ?? PUBLISH_MS);
    });
    const loaded = load([...changes.keys()].map((file) => join(folder, file))).catch(() => undefined);
    await Promise.race([loaded, late]);
    timers.clear(timer);
  }

  #isPublished(changes: FileChanges): boolean {
    const { folder, only } = this.#options;
    const zones = this.#modules.served();
    return [...changes].every(([file, text]) => {
      const served = (only === undefined ? zones.byFile(join(folder, file)) : zones.list[0])?.version;
      return text === null ? served === undefined : served === fileVersion(text) || isOther(file, served);
    });
  }

  /** First the one that is served, then those that a zone would have by its name, unless another zone is served from them. */
  #filesOf(zone: string): readonly string[] {
    const { folder, only } = this.#options;
    const zones = this.#modules.served();
    const served = zones.get(zone);
    if (served) return [relative(folder, served.file)];
    if (only !== undefined) return zones.list.length > 0 ? [] : [only];
    const name = fileName(zone);
    const other = `${name}-${etagOf(zone).slice(1, 9)}.yaml`;
    return [`${name}.yaml`, `${name}.yml`, `${name}.zone`, other].filter(
      (file) => !zones.byFile(join(folder, file)),
    );
  }
}

const SYSTEM_TIMERS: NonNullable<ZoneWriterModules['timers']> = {
  set: (callback, ms) => setTimeout(callback, ms),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

/** `example.com` of `example.com.`; what a file name can't have is replaced. */
export function fileName(zone: string): string {
  const name = zone === '.' ? 'root' : zone.replace(/\.$/, '');
  const safe = name.replaceAll(/[^a-z0-9._-]/g, '_').replace(/^\./, '_');
  if (safe === name && name.length <= NAME_CHARS_MAX) return name;
  return `${safe.slice(0, NAME_CHARS_MAX)}-${etagOf(zone).slice(1, 9)}`;
}

const NAME_CHARS_MAX = 180;

/** A thread that failed is told as such; anything else is a bug. */
export function deskFailure(error: unknown): FailedWrite {
  if (error instanceof DeskError) return failure('edit_failed', error.message);
  throw error;
}

function otherZone(file: string, origin: string, wanted: string): Problem {
  const message = `must be ${wanted}, the zone that the request names, not ${origin}`;
  return { file, line: 1, column: 1, path: 'zone', message };
}

/** The first file that is not as it was expected; `texts` are the files as they are. */
export function conflictOf(
  texts: ReadonlyMap<string, string | null>,
  { ifMatch }: Pick<WriteOptions, 'ifMatch'>,
): WriteConflict | undefined {
  for (const [file, wanted] of ifMatch ?? []) {
    const text = texts.get(file);
    const actual = typeof text === 'string' ? etagOf(text) : null;
    if (fits(wanted, actual)) continue;
    const message =
      wanted === null
        ? `${file} is there already, as ${actual}`
        : `${file} ${actual === null ? 'is not there' : `is ${actual} now`}, not ${[wanted].flat().join(' or ')}`;
    return { outcome: 'conflict', what: 'file', message, expected: wanted, actual, file };
  }
  return undefined;
}

/** As the loader and the history name the version of a text. */
function fileVersion(text: string): string {
  return versionOf(text.replace(/^\uFEFF/, ''));
}

const MESSAGE_CHARS_MAX = 2000;

function fits(wanted: Expectation, actual: string | null): boolean {
  if (wanted === null) return actual === null;
  return actual !== null && (wanted === '*' || wanted.includes(actual));
}

function expected([file, text]: [string, string | null]): [string, Expectation] {
  return [file, text === null ? null : [etagOf(text)]];
}

/** A master file has a version of another kind. */
function isOther(file: string, version: string | undefined): boolean {
  return version !== undefined && file.split(sep).join('/').endsWith('.zone');
}

function refusal({
  code,
  detail,
  expected: wanted,
  head,
}: {
  readonly code: string;
  readonly detail: string;
  readonly expected?: number;
  readonly head?: number;
}): WriteConflict | FailedWrite {
  if (code === 'conflict' && wanted !== undefined && head !== undefined) {
    return { outcome: 'conflict', what: 'revision', message: detail, expected: wanted, actual: head };
  }
  const known =
    code === 'storage_full' || code === 'read_only' || code === 'too_large' ? code : 'storage_failed';
  return failure(known, `${detail}; nothing was changed`);
}

function failed({ code, detail }: FileFailure): FailedWrite {
  switch (code) {
    case 'storage_full':
    case 'read_only':
    case 'outside_folder':
    case 'bad_file_name':
    case 'too_large':
      return failure(code, `${detail}; nothing was changed`);
    default:
      return failure('storage_failed', `${detail}; nothing was changed`);
  }
}

function failure(code: WriteFailure, message: string): FailedWrite {
  return { outcome: 'failed', code, message };
}
