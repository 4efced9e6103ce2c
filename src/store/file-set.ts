/** Files of one folder that are replaced together: all of them or none, over crashes too. */
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import * as system from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { type StoreFailure, storeFailure } from './store-failure.js';

/** Why files were not read or written. Nothing was changed. */
export type FileFailure =
  | StoreFailure
  | { readonly code: 'outside_folder' | 'bad_file_name' | 'edited'; readonly detail: string };

/** What of `node:fs/promises` is used: a test makes it fail. */
export type FileSystem = Pick<
  typeof system,
  'lstat' | 'mkdir' | 'open' | 'readdir' | 'readFile' | 'realpath' | 'rename' | 'rm' | 'stat' | 'unlink'
>;

/** New contents that are on the disk beside the files, and wait. Either of the two is called, once. */
export interface PreparedFiles {
  /**
   * Puts them in place. A failure: what was done is undone as far as the disk lets us. `edited`: somebody else wrote a
   * file since, and all stay as they are.
   */
  commit(): Promise<FileFailure | undefined>;
  abort(): Promise<void>;
}

export interface FileSetOptions {
  /** The folder that all files are in. */
  readonly folder: string;
  /** What is about to happen is noted here, outside of that folder. */
  readonly intent: string;
  readonly bytesMax: number;
}

interface Step {
  readonly target: string;
  /** Absent where the file goes. */
  readonly draft?: string;
  readonly before: Stats | undefined;
}

/** Such files in the folder are left from a crash. The dot keeps them from being read as zones. */
const DRAFT_NAME = /^\..+\.\d+-\d+\.meridian-new$/;
/** Digests that are kept: one for each zone file. */
const DIGESTS_MAX = 10_000;
const DIGEST_PART_BYTES = 256 * 1024;
const SETTLED_MS = 1000;
const DEPTH_MAX = 9;
const PATH_CHARS_MAX = 1024;
const NAME_BYTES_MAX = 200;

export class FileSet {
  readonly #options: FileSetOptions;
  readonly #fs: FileSystem;
  readonly #digests = new Map<string, { readonly signature: string; readonly digest: Buffer }>();
  #drafts = 0;

  constructor(options: FileSetOptions, fs: FileSystem = system) {
    this.#options = options;
    this.#fs = fs;
  }

  /**
   * Finishes what a crash interrupted, and removes what is left over. To be called before files are read. Returns the
   * files that were put in place or removed.
   */
  async recover(): Promise<readonly string[] | FileFailure> {
    const { folder, intent } = this.#options;
    try {
      const steps = await this.#readIntent();
      const root = await this.#fs.realpath(folder);
      const done: string[] = [];
      for (const { target, draft } of steps) {
        if (!isInside(root, target)) continue;
        const moved =
          draft === undefined ? await this.#remove(target) : await this.#moveIfThere(draft, target);
        if (moved) done.push(relative(root, target));
      }
      await this.#syncFolders(steps.map(({ target }) => dirname(target)));
      await this.#fs.rm(intent, { force: true });
      await this.#sweep(root, 0);
      return done;
    } catch (error) {
      return storeFailure(error, `finish the changes in ${intent}`);
    }
  }

  /** A file's text; null where there is none. */
  async read(path: string): Promise<string | null | FileFailure> {
    const target = await this.#targetOf(path, false);
    if (target === null) return null;
    if (typeof target !== 'string') return target;
    try {
      const { size } = await this.#fs.stat(target);
      if (size > this.#options.bytesMax) {
        return { code: 'too_large', detail: `${path} has more than ${this.#options.bytesMax} bytes` };
      }
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        await this.#fs.readFile(target),
      );
    } catch (error) {
      if (isMissing(error)) return null;
      if (error instanceof TypeError) return { code: 'bad_file_name', detail: `${path} is not UTF-8` };
      return storeFailure(error, `read ${path}`);
    }
  }

  /**
   * The SHA-256 of a file of any size; null where there is none. What did not change since is not read again.
   */
  async digest(path: string): Promise<{ readonly digest: Buffer } | null | FileFailure> {
    const target = await this.#targetOf(path, false);
    if (target === null) return null;
    if (typeof target !== 'string') return target;
    try {
      const { ino, size, mtimeMs, ctimeMs } = await this.#fs.stat(target);
      const signature = `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
      const known = this.#digests.get(target);
      if (known?.signature === signature) return known;
      const digest = await this.#digestOf(target);
      // What changed just now may change again without another time stamp.
      if (Date.now() - Math.max(mtimeMs, ctimeMs) < SETTLED_MS) return { digest };
      if (this.#digests.size >= DIGESTS_MAX) this.#digests.clear();
      this.#digests.set(target, { signature, digest });
      return { digest };
    } catch (error) {
      return isMissing(error) ? null : storeFailure(error, `read ${path}`);
    }
  }

  /** Part by part, so that others get their turns. */
  async #digestOf(target: string): Promise<Buffer> {
    const hash = createHash('sha256');
    const handle = await this.#fs.open(target, 'r');
    try {
      const buffer = Buffer.allocUnsafe(DIGEST_PART_BYTES);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length);
        if (bytesRead === 0) return hash.digest();
        hash.update(buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  }

  /** Writes all new texts beside their files, to the disk. `changes`: by path in the folder; null: the file goes. */
  async prepare(changes: ReadonlyMap<string, string | null>): Promise<PreparedFiles | FileFailure> {
    const steps: Step[] = [];
    for (const [path, text] of changes) {
      const step = await this.#prepareOne(path, text);
      if ('detail' in step) {
        await this.#discard(steps);
        return step;
      }
      steps.push(step);
    }
    try {
      await this.#writeIntent(steps);
    } catch (error) {
      await this.#discard(steps);
      return storeFailure(error, `write ${this.#options.intent}`);
    }
    return { commit: () => this.#commit(steps), abort: () => this.#discard(steps) };
  }

  async #prepareOne(path: string, text: string | null): Promise<Step | FileFailure> {
    const target = await this.#targetOf(path, text !== null);
    // Gone already is as good as removed.
    if (target === null) return { target: resolve(this.#options.folder, path), before: undefined };
    if (typeof target !== 'string') return target;
    const draft = join(dirname(target), `.${basename(target)}.${process.pid}-${++this.#drafts}.meridian-new`);
    try {
      const before = await this.#statOf(target);
      if (text === null) return { target, before };
      await this.#writeDraft(draft, text, before);
      return { target, draft, before };
    } catch (error) {
      await this.#fs.rm(draft, { force: true }).catch(() => undefined);
      return storeFailure(error, `write ${path}`);
    }
  }

  /** With the mode and the owner of the file that it replaces. */
  async #writeDraft(draft: string, text: string, before: Stats | undefined): Promise<void> {
    const handle = await this.#fs.open(draft, 'wx', before ? before.mode & 0o777 : 0o644);
    try {
      await handle.writeFile(text);
      if (before) {
        await handle.chmod(before.mode & 0o7777);
        // Only root may give files away; for anybody else the new owner is who writes.
        await handle.chown(before.uid, before.gid).catch(() => undefined);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async #commit(steps: readonly Step[]): Promise<FileFailure | undefined> {
    const olds = new Map<Step, Uint8Array>();
    const done: Step[] = [];
    try {
      for (const { target, before } of steps) {
        if (isSame(before, await this.#statOf(target))) continue;
        await this.#discard(steps);
        return { code: 'edited', detail: `${basename(target)} was written by somebody else just now` };
      }
      for (const step of steps) {
        const { target, draft, before } = step;
        if (before && steps.length > 1) olds.set(step, await this.#fs.readFile(target));
        if (draft === undefined) await this.#remove(target);
        else await this.#fs.rename(draft, target);
        done.push(step);
      }
      await this.#syncFolders(steps.map(({ target }) => dirname(target)));
      await this.#dropIntent(steps.some(({ draft }) => draft === undefined));
      return undefined;
    } catch (error) {
      for (const step of done) await this.#undo(step, olds.get(step)).catch(() => undefined);
      await this.#discard(steps);
      return storeFailure(error, `put ${steps.map(({ target }) => basename(target)).join(', ')} in place`);
    }
  }

  async #undo({ target, before }: Step, old: Uint8Array | undefined): Promise<void> {
    if (!before) {
      await this.#remove(target);
      return;
    }
    if (!old) return;
    const handle = await this.#fs.open(target, 'w', before.mode & 0o777);
    await handle.writeFile(old).finally(() => handle.close());
  }

  async #discard(steps: readonly Step[]): Promise<void> {
    // First the note: drafts that are left do nothing without it.
    await this.#dropIntent(true).catch(() => undefined);
    for (const { draft } of steps) {
      if (draft !== undefined) await this.#fs.rm(draft, { force: true }).catch(() => undefined);
    }
  }

  async #writeIntent(steps: readonly Step[]): Promise<void> {
    const { intent } = this.#options;
    const text = JSON.stringify({ format: 1, steps: steps.map(({ target, draft }) => ({ target, draft })) });
    await this.#fs.mkdir(dirname(intent), { recursive: true });
    const handle = await this.#fs.open(`${intent}.new`, 'w', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await this.#fs.rename(`${intent}.new`, intent);
    await this.#syncFolders([dirname(intent)]);
  }

  async #dropIntent(sync: boolean): Promise<void> {
    const { intent } = this.#options;
    await this.#fs.rm(intent, { force: true });
    // A note that comes back after a power failure finds no drafts; but it could remove a file once more.
    if (sync) await this.#syncFolders([dirname(intent)]);
  }

  async #readIntent(): Promise<readonly Pick<Step, 'target' | 'draft'>[]> {
    let text: string;
    try {
      text = await this.#fs.readFile(this.#options.intent, 'utf8');
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
    try {
      const note: unknown = JSON.parse(text);
      if (typeof note !== 'object' || note === null || !('steps' in note) || !Array.isArray(note.steps))
        return [];
      return note.steps.filter(isStep);
    } catch {
      // It is renamed into place when it is whole: this one is not ours.
      return [];
    }
  }

  /** The file that a path stands for, links followed; null where it and its folder do not exist and `make` is false. */
  async #targetOf(path: string, make: boolean): Promise<string | null | FileFailure> {
    const mistake = pathMistake(path);
    if (mistake !== undefined) {
      return { code: 'bad_file_name', detail: `${JSON.stringify(path.slice(0, 100))}: ${mistake}` };
    }
    const outside = { code: 'outside_folder', detail: `${path} leads out of the folder` } as const;
    try {
      const root = await this.#fs.realpath(this.#options.folder);
      const wanted = join(root, path);
      const existing = await this.#deepestFolder(root, dirname(wanted));
      if (!isInside(root, existing.real) && existing.real !== root) return outside;
      if (existing.missing !== '') {
        if (!make) return null;
        await this.#fs.mkdir(join(existing.real, existing.missing), { recursive: true });
      }
      const place = join(existing.real, existing.missing, basename(wanted));
      const info = await this.#lstatOf(place);
      if (info?.isDirectory()) return { code: 'bad_file_name', detail: `${path} is a folder` };
      if (!info?.isSymbolicLink()) return place;
      const real = await this.#fs.realpath(place).catch(() => undefined);
      return real !== undefined && isInside(root, real) ? real : outside;
    } catch (error) {
      return storeFailure(error, `look at ${path}`);
    }
  }

  async #deepestFolder(
    root: string,
    folder: string,
  ): Promise<{ readonly real: string; readonly missing: string }> {
    for (let path = folder; ; path = dirname(path)) {
      try {
        return { real: await this.#fs.realpath(path), missing: relative(path, folder) };
      } catch (error) {
        if (!isMissing(error) || path === root || path === dirname(path)) throw error;
      }
    }
  }

  async #statOf(path: string): Promise<Stats | undefined> {
    try {
      return await this.#fs.stat(path);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #lstatOf(path: string): Promise<Stats | undefined> {
    try {
      return await this.#fs.lstat(path);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #remove(path: string): Promise<boolean> {
    try {
      await this.#fs.unlink(path);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async #moveIfThere(from: string, to: string): Promise<boolean> {
    try {
      await this.#fs.rename(from, to);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async #syncFolders(folders: readonly string[]): Promise<void> {
    for (const folder of new Set(folders)) {
      const handle = await this.#fs.open(folder, 'r');
      await handle.sync().finally(() => handle.close());
    }
  }

  async #sweep(folder: string, depth: number): Promise<void> {
    for (const entry of await this.#fs.readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && depth < DEPTH_MAX) await this.#sweep(join(folder, entry.name), depth + 1);
      else if (DRAFT_NAME.test(entry.name)) await this.#fs.rm(join(folder, entry.name), { force: true });
    }
  }
}

/** What is wrong with a path in the folder: `a.yaml`, `team/b.yaml`. */
function pathMistake(path: string): string | undefined {
  if (path === '' || path.length > PATH_CHARS_MAX) return `want 1 to ${PATH_CHARS_MAX} characters`;
  if (/[\p{Cc}\\]/u.test(path)) return 'want no control characters and no backslash';
  const parts = path.split('/');
  if (parts.length > DEPTH_MAX) return `want at most ${DEPTH_MAX - 1} folders`;
  if (parts.some((part) => part === '' || part.startsWith('.'))) return 'want names without a dot in front';
  if (parts.some((part) => Buffer.byteLength(part) > NAME_BYTES_MAX))
    return `want names of at most ${NAME_BYTES_MAX} bytes`;
  if (!/\.(?:ya?ml|zone)$/i.test(path)) return 'want a name that ends in .yaml, .yml or .zone';
  return undefined;
}

function isSame(before: Stats | undefined, now: Stats | undefined): boolean {
  if (!before || !now) return before === now;
  return before.ino === now.ino && before.size === now.size && before.mtimeMs === now.mtimeMs;
}

function isInside(root: string, path: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep);
}

function isStep(step: unknown): step is Pick<Step, 'target' | 'draft'> {
  if (typeof step !== 'object' || step === null || !('target' in step) || typeof step.target !== 'string')
    return false;
  return !('draft' in step) || (typeof step.draft === 'string' && DRAFT_NAME.test(basename(step.draft)));
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
