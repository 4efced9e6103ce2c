/** Which zone files there are, and whether they are still as they were. */
import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Problem } from './yaml-document.js';

export const FILES_MAX = 10_000;
const DEPTH_MAX = 8;
/** Looked at together. */
const STATS_AT_ONCE = 64;

/** Files in the form of RFC 1035 §5. */
export const MASTER_NAME: RegExp = /\.zone$/i;
/** What is taken for a zone file in a folder. */
export const ZONE_FILE_NAME: RegExp = /\.(?:ya?ml|zone)$/i;

export interface Listing {
  readonly files: readonly string[];
  /** In the folders, but not by their names zone files. */
  readonly others: readonly string[];
  /** Path with inode → path. */
  readonly folders: ReadonlyMap<string, string>;
  /** Of files and others. */
  readonly signatures: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
  readonly unreadable: readonly string[];
}

/** Lists files, and folders with their folders; what starts with a dot is left out. Never rejects. */
export async function listZoneFiles(paths: readonly string[]): Promise<Listing> {
  const list = new Lister();
  for (const path of paths) await list.visit(path, await statsOf(path), 0);
  return list.result();
}

/** Another for every other file at a path, and after each change of it that the file system notes. */
export function signatureOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

export function wholeFile(file: string, message: string): Problem {
  return { file, line: 1, column: 1, path: '', message };
}

export function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
}

class Lister {
  readonly #files = new Set<string>();
  readonly #others: string[] = [];
  readonly #folders = new Map<string, string>();
  readonly #signatures = new Map<string, string>();
  readonly #problems: Problem[] = [];
  readonly #unreadable: string[] = [];

  async visit(path: string, info: Stats | { readonly error: unknown }, depth: number): Promise<void> {
    if ('error' in info) return this.#fail(path, info.error);
    if (info.isFile()) this.#take(path, info, depth);
    if (!info.isDirectory() || depth > DEPTH_MAX) return;
    this.#folders.set(`${path} ${info.ino}`, path);
    try {
      await this.#visitAll(path, await readdir(path), depth + 1);
    } catch (error) {
      this.#fail(path, error);
    }
  }

  result(): Listing {
    const list = [...this.#files];
    const problems = [...this.#problems];
    if (list.length > FILES_MAX) {
      problems.push(wholeFile(list[FILES_MAX]!, `is one too many: at most ${FILES_MAX} zone files are read`));
    }
    return {
      files: list.slice(0, FILES_MAX),
      others: this.#others,
      folders: this.#folders,
      signatures: this.#signatures,
      problems,
      unreadable: this.#unreadable,
    };
  }

  async #visitAll(folder: string, names: readonly string[], depth: number): Promise<void> {
    const paths = names.filter((name) => !name.startsWith('.')).toSorted();
    for (let i = 0; i < paths.length; i += STATS_AT_ONCE) {
      const some = paths.slice(i, i + STATS_AT_ONCE).map((name) => join(folder, name));
      const infos = await Promise.all(some.map(statsOf));
      for (const [at, path] of some.entries()) {
        if (this.#files.size > FILES_MAX) return;
        await this.visit(path, infos[at]!, depth);
      }
    }
  }

  #take(path: string, info: Stats, depth: number): void {
    const isZone = depth === 0 || ZONE_FILE_NAME.test(path);
    if (isZone) this.#files.add(path);
    else if (this.#others.length < FILES_MAX) this.#others.push(path);
    else return;
    this.#signatures.set(path, signatureOf(info));
  }

  #fail(path: string, error: unknown): void {
    this.#problems.push(wholeFile(path, `cannot be read: ${reasonOf(error)}`));
    this.#unreadable.push(path);
  }
}

async function statsOf(path: string): Promise<Stats | { readonly error: unknown }> {
  try {
    return await stat(path);
  } catch (error) {
    return { error };
  }
}
