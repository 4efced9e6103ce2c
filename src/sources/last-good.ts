import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadZoneFile } from './zone-file.js';
import type { LoadedZone, LoadedZones } from './zone-folder.js';

/**
 * The last good text of every zone file, kept in the state folder, so that a server that starts while a file is
 * broken answers as before instead of not at all.
 */
export class LastGoodZones {
  readonly #folder: string;
  /** Name of the copy → digest of what it holds. */
  readonly #saved = new Map<string, string>();

  /** `state` is the state folder; the copies go to `last-good` in it. */
  constructor(state: string) {
    this.#folder = join(state, 'last-good');
  }

  /** Adds the last good zone of every file that exists but can't be used now. Never rejects. */
  async fill(loaded: LoadedZones): Promise<LoadedZones> {
    const good = new Set(loaded.zones.map(({ file }) => file));
    const origins = new Set(loaded.zones.map(({ zone }) => zone.origin));
    const kept: LoadedZone[] = [];
    for (const file of [...loaded.files, ...loaded.unreadable]) {
      if (good.has(file)) continue;
      const copy = await this.#read(file);
      const result = copy === undefined ? undefined : loadZoneFile(file, copy);
      if (!result || 'problems' in result || origins.has(result.zone.origin)) continue;
      origins.add(result.zone.origin);
      kept.push({ file, zone: result.zone, text: copy! });
    }
    return { ...loaded, zones: [...loaded.zones, ...kept] };
  }

  /** Writes the copies that changed, each in one step, and drops those of deleted files. Rejects on a full disk. */
  async save(loaded: LoadedZones): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    for (const { file, text } of loaded.zones) {
      const name = copyName(file);
      const digest = digestOf(text);
      if (this.#saved.get(name) === digest) continue;
      const draft = join(this.#folder, `.${name}.${process.pid}`);
      await writeFile(draft, JSON.stringify({ file, text }), { mode: 0o600 });
      await rename(draft, join(this.#folder, name));
      this.#saved.set(name, digest);
    }
    // While something can't be looked at nobody knows what was deleted.
    if (loaded.unreadable.length > 0) return;
    const wanted = new Set(loaded.files.map(copyName));
    for (const name of await readdir(this.#folder)) {
      if (name.endsWith('.json') && !name.startsWith('.') && !wanted.has(name)) {
        await rm(join(this.#folder, name), { force: true });
        this.#saved.delete(name);
      }
    }
  }

  async #read(file: string): Promise<string | undefined> {
    try {
      const copy: unknown = JSON.parse(await readFile(join(this.#folder, copyName(file)), 'utf8'));
      if (typeof copy !== 'object' || copy === null || !('file' in copy) || !('text' in copy))
        return undefined;
      return copy.file === file && typeof copy.text === 'string' ? copy.text : undefined;
    } catch {
      // None was saved, or it can't be read: then there is no last good version.
      return undefined;
    }
  }
}

function copyName(file: string): string {
  return `${digestOf(file).slice(0, 32)}.json`;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
