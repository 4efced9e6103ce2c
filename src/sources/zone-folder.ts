/** Zone files on disk: all of a folder, read at once and watched. */
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Zone } from '../core/zone/model.js';
import { loadMasterFile, MASTER_BYTES_MAX } from './master-zone.js';
import { type Problem, sortProblems, YAML_BYTES_MAX } from './yaml-document.js';
import { loadZoneFile, type ZoneFileOptions } from './zone-file.js';

export interface LoadedZone {
  readonly file: string;
  readonly zone: Zone;
  /** As it was read; absent for a master file, which may be large and include others. */
  readonly text?: string;
  /** Another for every other content. */
  readonly version: string;
  /** What was left out of a master file. */
  readonly warnings?: readonly Problem[];
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
}

/** Whether a file may still exist, as far as this reading could tell: only then may its zone be forgotten if not. */
export function mayExist({ files, unreadable }: LoadedZones, file: string): boolean {
  return files.includes(file) || unreadable.some((path) => file === path || file.startsWith(path + sep));
}

export const FILES_MAX = 10_000;
const DEPTH_MAX = 8;
/** Files in the form of RFC 1035 §5. */
const MASTER_NAME = /\.zone$/i;

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
  const { files, problems: listProblems, unreadable } = await listZoneFiles(paths);
  const problems = [...listProblems];
  const zones: LoadedZone[] = [];
  const fileOf = new Map<string, string>();
  for (const file of ownersFirst(files, owners)) {
    const result = MASTER_NAME.test(file) ? await readMaster(file) : await readYaml(file, options);
    if ('problems' in result) {
      problems.push(...sortProblems(result.problems));
      continue;
    }
    const { zone, ...rest } = result;
    const other = fileOf.get(zone.origin);
    if (other === undefined) {
      fileOf.set(zone.origin, file);
      zones.push({ file, zone, ...rest });
    } else problems.push(wholeFile(file, `the zone ${zone.origin} is already in ${other}`));
  }
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

class FolderWatch implements ZoneWatch {
  readonly #paths: readonly string[];
  readonly #onChange: (files: readonly string[]) => void;
  readonly #debounceMs: number;
  readonly #pollMs: number;
  readonly #timers: WatchModules['timers'];
  readonly #watchers = new Map<string, FSWatcher>();
  #signatures: ReadonlyMap<string, string> | undefined;
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
    this.#debounceMs = options.debounceMs ?? 100;
    this.#pollMs = options.pollMs ?? 5000;
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
    const { files, others, folders } = await listZoneFiles(this.#paths);
    // Master files may include any file of their folder.
    const included = files.some((file) => MASTER_NAME.test(file)) ? others : [];
    const signatures = await signaturesOf([...files, ...included]);
    this.#scanning = false;
    if (this.#closed) return;
    this.#follow(folders);
    const before = this.#signatures;
    this.#signatures = signatures;
    const changed = before ? changedFiles(before, signatures) : [];
    if (changed.length > 0) this.#onChange(changed);
    this.#schedule(this.#again ? this.#debounceMs : this.#pollMs);
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
        const watcher = watch(folder, { persistent: false }, () => this.#onEvent());
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

  #onEvent(): void {
    if (this.#scanning) this.#again = true;
    else this.#schedule(this.#debounceMs);
  }
}

interface Listing {
  readonly files: readonly string[];
  /** In the folders, but not by their names zone files. */
  readonly others: readonly string[];
  /** Path with inode → path. */
  readonly folders: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
  readonly unreadable: readonly string[];
}

function ownersFirst(files: readonly string[], owners: ReadonlyMap<string, string>): readonly string[] {
  const owning = new Set(owners.values());
  return [...files.filter((file) => owning.has(file)), ...files.filter((file) => !owning.has(file))];
}

async function listZoneFiles(paths: readonly string[]): Promise<Listing> {
  const files = new Set<string>();
  const others: string[] = [];
  const folders = new Map<string, string>();
  const problems: Problem[] = [];
  const unreadable: string[] = [];
  const visit = async (path: string, depth: number): Promise<void> => {
    try {
      const info = await stat(path);
      if (info.isFile()) {
        if (depth === 0 || /\.(?:ya?ml|zone)$/i.test(path)) files.add(path);
        else if (others.length < FILES_MAX) others.push(path);
      }
      if (!info.isDirectory() || depth > DEPTH_MAX) return;
      folders.set(`${path} ${info.ino}`, path);
      const names = await readdir(path);
      for (const name of names.toSorted()) {
        if (!name.startsWith('.') && files.size <= FILES_MAX) await visit(join(path, name), depth + 1);
      }
    } catch (error) {
      problems.push(wholeFile(path, `cannot be read: ${reasonOf(error)}`));
      unreadable.push(path);
    }
  };
  for (const path of paths) await visit(path, 0);
  const list = [...files];
  if (list.length > FILES_MAX) {
    problems.push(wholeFile(list[FILES_MAX]!, `is one too many: at most ${FILES_MAX} zone files are read`));
  }
  return { files: list.slice(0, FILES_MAX), others, folders, problems, unreadable };
}

type ReadResult = Omit<LoadedZone, 'file'> | { readonly problems: readonly Problem[] };

async function readYaml(file: string, options: ZoneFileOptions): Promise<ReadResult> {
  const text = await readText(file);
  if (typeof text !== 'string') return { problems: [text] };
  const result = loadZoneFile(file, text, options);
  if ('problems' in result) return result;
  return { zone: result.zone, text, version: versionOf(text) };
}

/** The `version` of a file that is all there is of its zone. */
export function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

async function readMaster(file: string): Promise<ReadResult> {
  try {
    const { size } = await stat(file);
    if (size <= MASTER_BYTES_MAX) return loadMasterFile(file, await readFile(file));
    return { problems: [wholeFile(file, `is larger than ${MASTER_BYTES_MAX} bytes (256 MiB)`)] };
  } catch (error) {
    return { problems: [wholeFile(file, `cannot be read: ${reasonOf(error)}`)] };
  }
}

/** Fatal decoding, so that a file in another encoding is not served with wrong characters. */
async function readText(file: string): Promise<string | Problem> {
  try {
    const { size } = await stat(file);
    if (size > YAML_BYTES_MAX) return wholeFile(file, `is larger than ${YAML_BYTES_MAX} bytes (16 MiB)`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    return wholeFile(
      file,
      error instanceof TypeError ? 'is not UTF-8' : `cannot be read: ${reasonOf(error)}`,
    );
  }
}

async function signaturesOf(files: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const signatures = new Map<string, string>();
  for (const file of files) {
    try {
      const { ino, size, mtimeMs, ctimeMs } = await stat(file);
      signatures.set(file, `${ino} ${size} ${mtimeMs} ${ctimeMs}`);
    } catch {
      // Deleted since it was listed: its absence is the change.
    }
  }
  return signatures;
}

function changedFiles(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  const all = new Set([...before.keys(), ...after.keys()]);
  return [...all].filter((file) => before.get(file) !== after.get(file)).toSorted();
}

function wholeFile(file: string, message: string): Problem {
  return { file, line: 1, column: 1, path: '', message };
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
}
