/** Zone files, read again and again: a file that did not change is not read, or at least not parsed. */
import { stat } from 'node:fs/promises';
import { sep } from 'node:path';
import { DraftMap } from './draft-map.js';
import { type Problem, sortProblems } from './yaml-document.js';
import { readZoneContent } from './zone-content.js';
import type { ZoneFileOptions } from './zone-file.js';
import type { LoadedZone, LoadedZones } from './zone-folder.js';
import { FILES_MAX, listZoneFiles, signatureOf, wholeFile, ZONE_FILE_NAME } from './zone-listing.js';

export interface ReadWishes {
  /** Files whose zones are served already. */
  readonly owners?: () => Iterable<string>;
  /** Files that are known to have changed, came or went: nothing else is looked at. Without it everything is. */
  readonly only?: readonly string[];
  /** Files whose zones are wanted even if they did not change. */
  readonly whole?: ReadonlySet<string>;
  /** In place of the reading that was kept. */
  readonly since?: ZoneReading;
}

/** What the last reading found of a file. */
interface Note {
  /** Absent: it may change without another signature, so it is read every time. */
  readonly signature?: string;
  readonly version?: string;
  /** Of a good file. */
  readonly origin?: string;
  readonly problems: readonly Problem[];
}

/** What a reading found. `zones` are those that it read; the rest is as it is after the reading. */
export class ZoneReading implements LoadedZones {
  readonly zones: readonly LoadedZone[];
  readonly problems: readonly Problem[];
  readonly unreadable: readonly string[];
  /** Present: only some files were looked at. */
  readonly part: LoadedZones['part'];
  readonly notes: DraftMap<string, Note>;
  /** Zone → its file. */
  readonly claims: DraftMap<string, string>;
  /** Files without a good zone. */
  readonly bad: ReadonlySet<string>;
  /** Files that are read every time. */
  readonly restless: ReadonlySet<string>;

  constructor(found: {
    readonly zones: readonly LoadedZone[];
    readonly problems: readonly Problem[];
    readonly unreadable: readonly string[];
    readonly part?: LoadedZones['part'];
    readonly notes: DraftMap<string, Note>;
    readonly claims: DraftMap<string, string>;
    readonly bad: ReadonlySet<string>;
    readonly restless: ReadonlySet<string>;
  }) {
    this.zones = found.zones;
    this.problems = found.problems;
    this.unreadable = found.unreadable;
    this.part = found.part;
    this.notes = found.notes;
    this.claims = found.claims;
    this.bad = found.bad;
    this.restless = found.restless;
  }

  get isWhole(): boolean {
    return this.part === undefined;
  }

  get files(): readonly string[] {
    return [...this.notes.keys()];
  }

  /** Good files whose zones are not in `zones`, and their zones. */
  get same(): ReadonlyMap<string, string> {
    const read = new Set(this.zones.map(({ file }) => file));
    const same = new Map<string, string>();
    for (const [file, { origin }] of this.notes) {
      if (origin !== undefined && !read.has(file)) same.set(file, origin);
    }
    return same;
  }

  readonly isGood = (file: string): boolean => this.notes.get(file)?.origin !== undefined;

  with(other: Partial<Pick<ZoneReading, 'zones' | 'part'>>): ZoneReading {
    return new ZoneReading({ ...this, ...other });
  }
}

/** A file that changed so shortly before it was looked at may change again without another time stamp. */
const SETTLED_MS = 100;

export class ZoneReader {
  readonly #options: ZoneFileOptions;
  readonly #now: () => number;
  #last: ZoneReading | undefined;
  #paths = '';
  /** Whether nothing was wrong with the folders themselves. */
  #isListed = false;

  /** `now`: milliseconds since 1970. */
  constructor(options: ZoneFileOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  /** Reads what may have changed since the reading that was kept. Never rejects: what cannot be read is a problem. */
  async read(paths: readonly string[], wishes: ReadWishes = {}): Promise<ZoneReading> {
    const before = wishes.since ?? (this.#paths === paths.join('\n') ? this.#last : undefined);
    const some = before && wishes.only && (await this.#lookAt(before, paths, wishes, wishes.only));
    if (some) return this.#readSome(before, some, wishes);
    const list = await listZoneFiles(paths);
    this.#paths = paths.join('\n');
    const run = new Run(
      { before, notes: new DraftMap(), claims: new DraftMap() },
      this.#options,
      this.#now(),
    );
    await takeAll(run, list.files, list.signatures, wishes);
    const { zones, notes, claims } = run;
    const [bad, restless] = [new Set<string>(), new Set<string>()];
    sortOut(run, list.files, bad, restless);
    this.#isListed = list.problems.length === 0;
    const problems = [
      ...list.problems,
      ...problemsOf(
        run,
        list.files.filter((file) => bad.has(file)),
      ),
    ];
    const { unreadable } = list;
    return new ZoneReading({ zones, problems, unreadable, notes, claims, bad, restless });
  }

  /** The zones of this reading are held: the next one compares with it. Readings before it are of no use any more. */
  keep(reading: ZoneReading): void {
    reading.notes.commit();
    reading.claims.commit();
    this.#last = reading.with({ zones: [] });
  }

  async #readSome(before: ZoneReading, { present, gone }: Look, wishes: ReadWishes): Promise<ZoneReading> {
    const drafts = { before, notes: before.notes.fork(), claims: before.claims.fork() };
    const run = new Run(drafts, this.#options, this.#now());
    const looked = [...present.keys()];
    for (const file of [...looked, ...gone]) run.release(file);
    for (const file of gone) run.forget(file);
    await takeAll(run, looked, present, wishes);
    const { zones, notes, claims } = run;
    const [bad, restless] = [new Set(before.bad), new Set(before.restless)];
    sortOut(run, [...looked, ...gone], bad, restless);
    const problems = problemsOf(run, [...bad].toSorted());
    const part = { looked, gone };
    return new ZoneReading({ zones, problems, unreadable: [], part, notes, claims, bad, restless });
  }

  /** The files that may have changed, as they are now; undefined where only a whole look can tell. */
  async #lookAt(
    before: ZoneReading,
    paths: readonly string[],
    { whole }: ReadWishes,
    only: readonly string[],
  ): Promise<Look | undefined> {
    if (before.unreadable.length > 0 || !this.#isListed) return undefined;
    const present = new Map<string, string>();
    const gone: string[] = [];
    let added = 0;
    for (const file of new Set([...only, ...(whole ?? []), ...before.restless])) {
      if (!isZoneFile(file, paths)) return undefined;
      const info = await stat(file).catch((error: NodeJS.ErrnoException) => error.code);
      if (info === 'ENOENT') gone.push(file);
      else if (info === undefined || typeof info === 'string' || !info.isFile()) return undefined;
      else {
        present.set(file, signatureOf(info));
        if (!before.notes.has(file)) added++;
      }
    }
    return before.notes.size + added > FILES_MAX ? undefined : { present, gone };
  }
}

/** Files that were looked at, with their signatures, and those that are not there. */
interface Look {
  readonly present: ReadonlyMap<string, string>;
  readonly gone: readonly string[];
}

/** What did not change has its zone already; then come files whose zones are served from them. */
async function takeAll(
  run: Run,
  files: readonly string[],
  signatures: ReadonlyMap<string, string>,
  { whole, owners }: ReadWishes,
): Promise<void> {
  const changed: string[] = [];
  for (const file of files) {
    const note = run.before(file);
    const isSame = note?.signature !== undefined && note.signature === signatures.get(file);
    if (isSame && !whole?.has(file)) run.repeat(file, note);
    else changed.push(file);
  }
  const owning = new Set(changed.length > 1 ? owners?.() : []);
  const inOrder = [
    ...changed.filter((file) => owning.has(file)),
    ...changed.filter((file) => !owning.has(file)),
  ];
  for (const file of inOrder) await run.take(file, signatures.get(file), whole?.has(file) ?? false);
}

function sortOut({ notes }: Run, files: Iterable<string>, bad: Set<string>, restless: Set<string>): void {
  for (const file of files) {
    const note = notes.get(file);
    if (note && note.origin === undefined) bad.add(file);
    else bad.delete(file);
    if (note && note.signature === undefined) restless.add(file);
    else restless.delete(file);
  }
}

function problemsOf({ notes }: Run, files: readonly string[]): readonly Problem[] {
  return files.flatMap((file) => notes.get(file)?.problems ?? []);
}

/** A file that a whole look would find, by its name. */
function isZoneFile(file: string, paths: readonly string[]): boolean {
  if (paths.includes(file)) return true;
  const folder = paths.find((path) => file.startsWith(path.endsWith(sep) ? path : path + sep));
  if (folder === undefined || !ZONE_FILE_NAME.test(file)) return false;
  return !file.slice(folder.length).includes(`${sep}.`);
}

/** One reading under way. */
class Run {
  readonly zones: LoadedZone[] = [];
  readonly notes: DraftMap<string, Note>;
  /** Zone → file. */
  readonly claims: DraftMap<string, string>;
  readonly #before: ZoneReading | undefined;
  readonly #options: ZoneFileOptions;
  readonly #nowMs: number;

  constructor(
    drafts: {
      readonly before: ZoneReading | undefined;
      readonly notes: DraftMap<string, Note>;
      readonly claims: DraftMap<string, string>;
    },
    options: ZoneFileOptions,
    nowMs: number,
  ) {
    this.#before = drafts.before;
    this.notes = drafts.notes;
    this.claims = drafts.claims;
    this.#options = options;
    this.#nowMs = nowMs;
  }

  before(file: string): Note | undefined {
    return this.#before?.notes.get(file);
  }

  /** The file has to claim its zone again. */
  release(file: string): void {
    const origin = this.before(file)?.origin;
    if (origin !== undefined && this.claims.get(origin) === file) this.claims.delete(origin);
  }

  forget(file: string): void {
    this.notes.delete(file);
  }

  async take(file: string, signature: string | undefined, isWanted: boolean): Promise<void> {
    const before = this.before(file);
    if (!isWanted && before?.signature !== undefined && before.signature === signature) {
      this.repeat(file, before);
      return;
    }
    const known = isWanted || before?.origin === undefined ? undefined : before.version;
    const result = await readZoneContent(file, this.#options, known);
    const isTelling =
      signature !== undefined && isSettled(signature, this.#nowMs) && !('mayInclude' in result);
    const settled = isTelling ? { signature } : {};
    if ('same' in result) {
      this.repeat(file, { ...before!, ...settled });
      return;
    }
    if ('problems' in result) {
      this.notes.set(file, { ...settled, problems: sortProblems(result.problems) });
      return;
    }
    const { zone, version } = result;
    if (!this.#claim(file, zone.origin)) return;
    this.notes.set(file, { ...settled, version, origin: zone.origin, problems: [] });
    const { mayInclude: _, ...content } = result;
    this.zones.push({ file, ...content });
  }

  /** The file is as it was. */
  repeat(file: string, note: Note): void {
    if (note.origin !== undefined && !this.#claim(file, note.origin)) return;
    this.notes.set(file, note);
  }

  /** The first file of a zone has it. The others are read every time: the first may go. */
  #claim(file: string, origin: string): boolean {
    const other = this.claims.get(origin);
    if (other === undefined) this.claims.set(origin, file);
    else this.notes.set(file, { problems: [wholeFile(file, `the zone ${origin} is already in ${other}`)] });
    return other === undefined;
  }
}

function isSettled(signature: string, nowMs: number): boolean {
  const [, , mtimeMs = 0, ctimeMs = 0] = signature.split(' ').map(Number);
  return nowMs - Math.max(mtimeMs, ctimeMs) > SETTLED_MS;
}
