import { readFile, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { TEXT_BYTES_MAX, textHash } from '../store/text-blob.js';
import { ownersOf } from './file-owners.js';
import type { ZoneSummary } from './loader.js';
import { isRefusal } from './revision.js';
import type { RevisionBook } from './revisions.js';

export interface RecorderModules {
  readonly book: RevisionBook;
  readonly log: {
    info(facts: object, message: string): void;
    error(facts: object, message: string): void;
  };
}

/** Texts that are in memory at once: what is more becomes further revisions. */
const PART_CHARS_MAX = 32 * 1024 * 1024;
const MASTER = /\.zone$/i;

interface Part {
  readonly files: Map<string, string | null>;
  readonly unkept: Map<string, string>;
  readonly zones: Map<string, string>;
  /** Path → version as it was loaded. */
  readonly loaded: Map<string, string>;
  readonly owners: Set<number>;
  chars: number;
}

interface Compared {
  readonly zones: readonly ZoneSummary[];
  /** By path. */
  readonly served: Map<string, ZoneSummary>;
}

/**
 * Makes a revision of what somebody changed in the zone folder, also while the node was down. Compares what is served
 * with the newest revision, so only good zones are recorded, and what came through the API is not recorded twice.
 */
export class ZoneFileRecorder {
  readonly #folder: string;
  readonly #prefix: string;
  readonly #modules: RecorderModules;
  /** Path → version that was loaded, and version at the head that stands for it, where these two differ. */
  readonly #seen = new Map<string, string>();
  /** What was compared last: only what differs from it has to be looked at. */
  #compared: Compared | undefined;
  /** Paths that revisions changed since. */
  readonly #touched = new Set<string>();
  #latest: readonly ZoneSummary[] | undefined;
  #running: Promise<void> | undefined;
  #holds = 0;

  /** `folder`: that of the zone files, or the one file. */
  constructor(folder: string, modules: RecorderModules) {
    this.#folder = folder;
    this.#prefix = `${resolve(folder)}${sep}`;
    this.#modules = modules;
    modules.book.subscribe(({ files }) => {
      for (const { path } of files) this.#touched.add(path);
    });
  }

  /** These zones are served now. */
  served(zones: readonly ZoneSummary[]): void {
    this.#latest = zones;
    this.#start();
  }

  /**
   * Records nothing until what it resolves with is called, which is when whoever writes files has made its own revision of
   * them, and they are loaded. What was edited meanwhile is recorded then.
   */
  async hold(): Promise<() => void> {
    this.#holds++;
    await this.#running;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds--;
      this.#start();
    };
  }

  /** Resolves when everything that is served is recorded, as far as that is possible. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #start(): void {
    if (this.#running || this.#holds > 0 || !this.#latest) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      this.#start();
    });
  }

  async #run(): Promise<void> {
    const zones = this.#latest ?? [];
    this.#latest = undefined;
    try {
      await this.#record(zones);
    } catch (error) {
      this.#modules.log.error({ error: String(error) }, 'edited zone files could not be recorded');
    }
  }

  async #record(zones: readonly ZoneSummary[]): Promise<void> {
    const { book } = this.#modules;
    const first = book.headOf('zones') === 0;
    let part = newPart();
    const { looked, served, away } = this.#compare(zones);
    for (const { file, origin, version } of looked) {
      const path = this.#pathOf(file);
      // An image is of a master file that is broken now.
      if (version.startsWith('image ') || this.#isKnown(path, version)) continue;
      await this.#take(part, path, origin, version);
      if (part.chars < PART_CHARS_MAX && part.files.size < PART_FILES_MAX) continue;
      await this.#append(part, first);
      part = newPart();
    }
    for (const path of away) if (await isGone(this.#fileOf(path))) part.files.set(path, null);
    await this.#append(part, first);
    for (const path of this.#seen.keys()) if (!served.has(path)) this.#seen.delete(path);
    // What could not be recorded is looked at again after the next load.
    for (const path of away) if (book.fileAtHead(path)) this.#touched.add(path);
    for (const { file, version } of looked) {
      const path = this.#pathOf(file);
      if (!this.#isKnown(path, version)) this.#touched.add(path);
    }
    this.#compared = { zones, served };
  }

  /** Zones that may differ from the head, and files of the head that are not served: all of them only the first time. */
  #compare(zones: readonly ZoneSummary[]): {
    readonly looked: Iterable<ZoneSummary>;
    readonly served: Map<string, ZoneSummary>;
    readonly away: readonly string[];
  } {
    const { book } = this.#modules;
    const before = this.#compared;
    // Absent until all is compared: what fails in between is done from the begin.
    this.#compared = undefined;
    const touched = [...this.#touched];
    this.#touched.clear();
    if (!before) {
      const all = new Map(zones.map((zone) => [this.#pathOf(zone.file), zone]));
      return { looked: zones, served: all, away: book.pathsAtHead().filter((path) => !all.has(path)) };
    }
    const { served } = before;
    const { changed, left } = differing(before.zones, zones);
    const leftPaths = left.map(({ file }) => this.#pathOf(file));
    for (const path of leftPaths) served.delete(path);
    for (const zone of changed) served.set(this.#pathOf(zone.file), zone);
    const again = touched.flatMap((path) => served.get(path) ?? []);
    const away = [...new Set([...leftPaths, ...touched])].filter(
      (path) => !served.has(path) && book.fileAtHead(path) !== undefined,
    );
    return { looked: new Set([...changed, ...again]), served, away };
  }

  /** Reads a file that is served, if it is still as it was loaded. */
  async #take(part: Part, path: string, origin: string, version: string): Promise<void> {
    const found = await readText(this.#fileOf(path));
    if (!found) return;
    const { text, uid } = found;
    const isMaster = MASTER.test(path);
    if (text === undefined) part.unkept.set(path, version);
    else {
      const hash = textHash(text);
      // Edited since it was loaded: the next load is on its way. A master file's version counts included files, too.
      if (!isMaster && hash !== version) return;
      if (hash === this.#modules.book.fileAtHead(path)?.version) {
        this.#note(path, version);
        return;
      }
      part.files.set(path, text);
      part.chars += text.length;
    }
    part.zones.set(path, origin);
    part.loaded.set(path, version);
    part.owners.add(uid);
  }

  async #append(part: Part, first: boolean): Promise<void> {
    const { files, unkept, zones } = part;
    const paths = [...files.keys(), ...unkept.keys()];
    if (paths.length === 0) return;
    const { book, log } = this.#modules;
    const result = await book.append({
      kind: 'zones',
      source: 'file',
      author: await ownersOf(part.owners),
      message: first ? `the zone folder as it was found: ${count(paths)}` : describe(part),
      files,
      unkept,
      zones,
    });
    if (!isRefusal(result))
      log.info({ revision: result.id, files: paths.length }, 'edited zone files recorded');
    else if (result.code !== 'unchanged') {
      // What is served stays; the next load tries again.
      log.error({ code: result.code, detail: result.detail }, 'edited zone files could not be recorded');
      return;
    }
    for (const [path, version] of part.loaded) this.#note(path, version);
  }

  #isKnown(path: string, version: string): boolean {
    const head = this.#modules.book.fileAtHead(path)?.version;
    return head === version || (head !== undefined && this.#seen.get(path) === `${version} ${head}`);
  }

  #note(path: string, version: string): void {
    const head = this.#modules.book.fileAtHead(path)?.version;
    if (head !== undefined && head !== version) this.#seen.set(path, `${version} ${head}`);
  }

  #pathOf(file: string): string {
    if (file.startsWith(this.#prefix)) return file.slice(this.#prefix.length).split(sep).join('/');
    const path = relative(this.#folder, file);
    return path === '' ? basename(file) : path.split(sep).join('/');
  }

  #fileOf(path: string): string {
    return path === basename(this.#folder) && isFile(path) ? this.#folder : join(this.#folder, path);
  }
}

/** Zones that are in one list at a place where the other has another. */
function differing(
  before: readonly ZoneSummary[],
  after: readonly ZoneSummary[],
): { readonly changed: readonly ZoneSummary[]; readonly left: readonly ZoneSummary[] } {
  const changed: ZoneSummary[] = [];
  const left: ZoneSummary[] = [];
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    const [old, now] = [before[i], after[i]];
    if (old === now) continue;
    if (old) left.push(old);
    if (now) changed.push(now);
  }
  return { changed, left };
}

const PART_FILES_MAX = 5000;

function isFile(path: string): boolean {
  return /\.(?:ya?ml|zone)$/i.test(path);
}

function newPart(): Part {
  return {
    files: new Map(),
    unkept: new Map(),
    zones: new Map(),
    loaded: new Map(),
    owners: new Set(),
    chars: 0,
  };
}

/** Without text where it can't be kept; undefined where it can't be read now. */
async function readText(file: string): Promise<{ readonly text?: string; readonly uid: number } | undefined> {
  try {
    const { size, uid } = await stat(file);
    if (size > TEXT_BYTES_MAX) return { uid };
    const bytes = await readFile(file);
    try {
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), uid };
    } catch {
      return { uid };
    }
  } catch {
    return undefined;
  }
}

/** Whether a file certainly is not there; one that can't be looked at may be. */
async function isGone(file: string): Promise<boolean> {
  try {
    await stat(file);
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR';
  }
}

function describe({ files, unkept }: Part): string {
  const gone = [...files].flatMap(([path, text]) => (text === null ? [path] : []));
  const kept = [...files].flatMap(([path, text]) => (text === null ? [] : [path]));
  const edited = [...kept, ...unkept.keys()];
  return [
    ...(edited.length > 0 ? [`edited: ${names(edited)}`] : []),
    ...(gone.length > 0 ? [`deleted: ${names(gone)}`] : []),
  ].join('; ');
}

function names(paths: readonly string[]): string {
  const some = paths.slice(0, 5).join(', ');
  return (paths.length > 5 ? `${some} and ${paths.length - 5} more` : some).slice(0, 900);
}

function count(paths: readonly string[]): string {
  return paths.length === 1 ? '1 file' : `${paths.length} files`;
}
