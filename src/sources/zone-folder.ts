/** Zone files on disk: all of a folder, read at once and watched. */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import type { Problem } from './yaml-document.js';
import type { ZoneContent } from './zone-content.js';
import type { ZoneFileOptions } from './zone-file.js';
import { listZoneFiles, MASTER_NAME, signatureOf, ZONE_FILE_NAME } from './zone-listing.js';
import { ZoneReader } from './zone-reader.js';

export { versionOf } from './zone-content.js';
export { FILES_MAX } from './zone-listing.js';

export interface LoadedZone extends ZoneContent {
  readonly file: string;
}

export interface LoadedZones {
  readonly zones: readonly LoadedZone[];
  readonly problems: readonly Problem[];
  /**
   * Every zone file that exists, good or not. A zone whose file is no longer here was deleted; one whose file is
   * here but has problems keeps its last good state.
   */
  readonly files: readonly string[];
  /** Files and folders that could not be looked at: what is behind them may still exist. */
  readonly unreadable: readonly string[];
  /** Of these, good files that did not change, and their zones: these are not among `zones`. */
  readonly same?: ReadonlyMap<string, string>;
  /** Present: only these files were looked at, and the latter are not there; all else is as it was the last time. */
  readonly part?: { readonly looked: readonly string[]; readonly gone: readonly string[] } | undefined;
  /** Zones that good files have. */
  readonly claims?: { has(origin: string): boolean };
  readonly isGood?: (file: string) => boolean;
}

/** Whether a file may still exist, as far as this reading could tell: only then may its zone be forgotten if not. */
export function mayExist(loaded: LoadedZones, file: string): boolean {
  return existence(loaded)(file);
}

/** `mayExist` of many files. */
export function existence({ files, unreadable }: LoadedZones): (file: string) => boolean {
  const known = new Set(files);
  return (file) => known.has(file) || unreadable.some((path) => file === path || file.startsWith(path + sep));
}

/**
 * Reads zone files, and folders for `*.yaml`, `*.yml` and `*.zone` in them and in their folders; what starts with a dot is
 * left out. Two files of one zone are a problem of the second, whereby the file in `owners` (zone → file), which is
 * served already, comes first. Never rejects: what cannot be read is a problem.
 */
export async function loadZones(
  paths: readonly string[],
  options: ZoneFileOptions = {},
  owners: ReadonlyMap<string, string> = new Map(),
): Promise<LoadedZones> {
  const { zones, problems, files, unreadable } = await new ZoneReader(options, Date.now).read(paths, {
    owners: () => owners.values(),
  });
  return { zones, problems, files, unreadable };
}

export interface WatchOptions {
  /** An editor writes in several steps: wait until it is quiet for this long. */
  readonly debounceMs?: number;
  /** Look again without being told: network folders send no events. */
  readonly pollMs?: number;
}

export interface WatchModules {
  readonly timers: {
    set(callback: () => void, ms: number): unknown;
    clear(timer: unknown): void;
  };
}

export interface ZoneWatch {
  close(): void;
}

/**
 * Calls `onChange` with the files that were added, changed or deleted since the last call (or since the start).
 * Compares what is there instead of believing events: so it survives editors that replace files, folders that
 * vanish and come back, and events that are lost.
 */
export function watchZones(
  paths: readonly string[],
  onChange: (files: readonly string[]) => void,
  options: WatchOptions = {},
  modules: WatchModules = { timers: SYSTEM_TIMERS },
): ZoneWatch {
  return new FolderWatch(paths, onChange, options, modules);
}

const SYSTEM_TIMERS: WatchModules['timers'] = {
  set: (callback, ms) => setTimeout(callback, ms),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

const DEBOUNCE_MS = 30;
/** Events in a row that put off a look. */
const WAITS_MAX = 20;
/** Files in one look; more of them are a look at everything. */
const NAMED_MAX = 200;
/** Looking at everything takes at most one part in so many of the time. */
const POLL_PART = 50;

class FolderWatch implements ZoneWatch {
  readonly #paths: readonly string[];
  readonly #onChange: (files: readonly string[]) => void;
  readonly #debounceMs: number;
  readonly #pollMs: number;
  readonly #timers: WatchModules['timers'];
  readonly #watchers = new Map<string, FSWatcher>();
  #signatures: Map<string, string> | undefined;
  /** Paths that events named; undefined: any may have changed. */
  #named: Set<string> | undefined = new Set();
  #folders: ReadonlySet<string> = new Set();
  #pollNowMs: number;
  #waits = 0;
  #timer: unknown;
  #scanning = false;
  #again = false;
  #closed = false;

  constructor(
    paths: readonly string[],
    onChange: (files: readonly string[]) => void,
    options: WatchOptions,
    modules: WatchModules,
  ) {
    this.#paths = paths;
    this.#onChange = onChange;
    this.#debounceMs = options.debounceMs ?? DEBOUNCE_MS;
    this.#pollMs = options.pollMs ?? 5000;
    this.#pollNowMs = this.#pollMs;
    this.#timers = modules.timers;
    void this.#scan();
  }

  close(): void {
    this.#closed = true;
    this.#timers.clear(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #schedule(ms: number): void {
    if (this.#closed) return;
    this.#timers.clear(this.#timer);
    this.#timer = this.#timers.set(() => void this.#scan(), ms);
  }

  async #scan(): Promise<void> {
    if (this.#scanning) {
      this.#again = true;
      return;
    }
    this.#scanning = true;
    this.#again = false;
    const named = this.#named;
    this.#named = new Set();
    this.#waits = 0;
    const changed =
      (named && named.size > 0 ? await this.#lookAt(named) : undefined) ?? (await this.#lookAtAll());
    this.#scanning = false;
    if (this.#closed) return;
    if (changed.length > 0) this.#onChange(changed);
    this.#schedule(this.#again ? this.#debounceMs : this.#pollNowMs);
  }

  async #lookAtAll(): Promise<readonly string[]> {
    const startMs = performance.now();
    const listing = await listZoneFiles(this.#paths);
    // A folder of thousands is not looked at all the time.
    this.#pollNowMs = Math.max(this.#pollMs, POLL_PART * (performance.now() - startMs));
    if (this.#closed) return [];
    this.#folders = new Set(listing.folders.values());
    this.#follow(listing.folders);
    // Master files may include any file of their folder.
    const wanted = listing.files.some((file) => MASTER_NAME.test(file))
      ? [...listing.files, ...listing.others]
      : listing.files;
    const before = this.#signatures;
    this.#signatures = new Map(wanted.flatMap((file) => entryOf(listing.signatures, file)));
    return before ? changedFiles(before, this.#signatures) : [];
  }

  /** The changed ones of these; undefined where only a look at everything can tell. */
  async #lookAt(paths: ReadonlySet<string>): Promise<readonly string[] | undefined> {
    const signatures = this.#signatures;
    if (!signatures) return undefined;
    const hasMasters = [...signatures.keys()].some((file) => MASTER_NAME.test(file));
    const changed: string[] = [];
    for (const path of paths) {
      const info = await stat(path).catch(() => undefined);
      if (info ? !info.isFile() : this.#folders.has(path)) return undefined;
      const before = signatures.get(path);
      if (before === undefined && !hasMasters && !ZONE_FILE_NAME.test(path)) continue;
      const now = info && signatureOf(info);
      if (now === before) continue;
      if (now === undefined) signatures.delete(path);
      else signatures.set(path, now);
      changed.push(path);
    }
    return changed.toSorted();
  }

  /** One watcher per folder; a folder that was replaced has another key, since its inode is part of it. */
  #follow(folders: ReadonlyMap<string, string>): void {
    for (const [key, watcher] of this.#watchers) {
      if (folders.has(key)) continue;
      watcher.close();
      this.#watchers.delete(key);
    }
    for (const [key, folder] of folders) {
      if (this.#watchers.has(key)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, (_event, name) => this.#onEvent(folder, name));
        watcher.on('error', () => {
          watcher.close();
          this.#watchers.delete(key);
        });
        this.#watchers.set(key, watcher);
      } catch {
        // No watches left, or a file system without them: the poll still sees the change.
      }
    }
  }

  #onEvent(folder: string, name: string | null): void {
    // The folder itself has its own name in its events.
    if (name === null || name === basename(folder) || (this.#named?.size ?? 0) >= NAMED_MAX) {
      this.#named = undefined;
    } else if (!name.startsWith('.')) this.#named?.add(join(folder, name));
    else if (this.#named?.size === 0) return;
    if (this.#scanning) this.#again = true;
    // Files that are written all the time are read all the same.
    else if (this.#waits++ < WAITS_MAX) this.#schedule(this.#debounceMs);
  }
}

function changedFiles(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  const all = new Set([...before.keys(), ...after.keys()]);
  return [...all].filter((file) => before.get(file) !== after.get(file)).toSorted();
}

function entryOf(map: ReadonlyMap<string, string>, key: string): readonly [string, string][] {
  const value = map.get(key);
  return value === undefined ? [] : [[key, value]];
}
