import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadZoneFile, type ZoneFileOptions } from './zone-file.js';
import { type LoadedZone, type LoadedZones, versionOf } from './zone-folder.js';
import { decodeZoneImage, encodeZoneImage } from './zone-image.js';

/**
 * The last good text of every zone file (of a master file, its records), kept in the state folder, so that a server that starts while a file is
 * broken answers as before instead of not at all.
 */
export class LastGoodZones {
  readonly #folder: string;
  readonly #options: ZoneFileOptions;
  /** Name of the copy → version of the zone in it. */
  readonly #saved = new Map<string, string>();
  /** Of the last time. */
  #files: Set<string> | undefined;

  /** `state` is the state folder; the copies go to `last-good` in it. `options`: as the zones were loaded. */
  constructor(state: string, options: ZoneFileOptions = {}) {
    this.#folder = join(state, 'last-good');
    this.#options = options;
  }

  /** Adds the last good zone of every file that exists but can't be used now. Never rejects. */
  async fill(loaded: LoadedZones): Promise<LoadedZones> {
    if (loaded.part) return this.#fillSome(loaded, loaded.part.looked);
    const { problems, unreadable, files, zones } = loaded;
    // Nothing is wrong with any of them.
    if (
      problems.length + unreadable.length === 0 &&
      files.length === zones.length + (loaded.same?.size ?? 0)
    ) {
      return loaded;
    }
    const good = new Set([...loaded.zones.map(({ file }) => file), ...(loaded.same?.keys() ?? [])]);
    const origins = new Set([
      ...loaded.zones.map(({ zone }) => zone.origin),
      ...(loaded.same?.values() ?? []),
    ]);
    const kept: LoadedZone[] = [];
    for (const file of [...loaded.files, ...loaded.unreadable]) {
      if (good.has(file)) continue;
      const copy = (await this.#readText(file)) ?? (await this.#readImage(file));
      if (!copy || origins.has(copy.zone.origin)) continue;
      origins.add(copy.zone.origin);
      kept.push(copy);
    }
    return { ...loaded, zones: [...loaded.zones, ...kept] };
  }

  /** Of these files. */
  async #fillSome(loaded: LoadedZones, looked: readonly string[]): Promise<LoadedZones> {
    const { claims, zones } = loaded;
    if (looked.length === zones.length) return loaded;
    const read = new Map(zones.map(({ file, zone }) => [file, zone.origin]));
    const origins = new Set(read.values());
    const kept: LoadedZone[] = [];
    for (const file of looked) {
      if (read.has(file) || loaded.isGood?.(file)) continue;
      const copy = (await this.#readText(file)) ?? (await this.#readImage(file));
      if (!copy || origins.has(copy.zone.origin) || claims?.has(copy.zone.origin)) continue;
      origins.add(copy.zone.origin);
      kept.push(copy);
    }
    return kept.length === 0 ? loaded : { ...loaded, zones: [...zones, ...kept] };
  }

  /** Writes the copies that changed, each in one step, and drops those of deleted files. Rejects on a full disk. */
  async save(loaded: LoadedZones): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    for (const { file, zone, text, version } of loaded.zones) {
      const name = copyName(file, text === undefined ? IMAGE : TEXT);
      if (this.#saved.get(name) === version) continue;
      const draft = join(this.#folder, `.${name}.${process.pid}`);
      const copy = text === undefined ? encodeZoneImage(zone) : JSON.stringify({ file, text });
      await writeFile(draft, copy, { mode: 0o600 });
      await rename(draft, join(this.#folder, name));
      this.#saved.set(name, version);
    }
    if (loaded.part && this.#files) {
      const { looked, gone } = loaded.part;
      await this.#forget(gone.filter((file) => this.#files?.has(file)));
      for (const file of looked) this.#files.add(file);
      for (const file of gone) this.#files.delete(file);
      return;
    }
    // While something can't be looked at nobody knows what was deleted.
    if (loaded.unreadable.length > 0) return;
    const files = new Set(loaded.files);
    if (this.#files) await this.#forget([...this.#files].filter((file) => !files.has(file)));
    else await this.#forgetAllBut(loaded);
    this.#files = files;
  }

  async #forget(files: readonly string[]): Promise<void> {
    for (const name of files.flatMap((file) => [copyName(file, TEXT), copyName(file, IMAGE)])) {
      await rm(join(this.#folder, name), { force: true });
      this.#saved.delete(name);
    }
  }

  /** Also what another process left. */
  async #forgetAllBut(loaded: LoadedZones): Promise<void> {
    const wanted = new Set(loaded.files.flatMap((file) => [copyName(file, TEXT), copyName(file, IMAGE)]));
    for (const name of await readdir(this.#folder)) {
      if ((name.endsWith(TEXT) || name.endsWith(IMAGE)) && !name.startsWith('.') && !wanted.has(name)) {
        await rm(join(this.#folder, name), { force: true });
        this.#saved.delete(name);
      }
    }
  }

  async #readText(file: string): Promise<LoadedZone | undefined> {
    try {
      const copy: unknown = JSON.parse(await readFile(join(this.#folder, copyName(file, TEXT)), 'utf8'));
      if (typeof copy !== 'object' || copy === null || !('file' in copy) || !('text' in copy))
        return undefined;
      const { text } = copy;
      if (copy.file !== file || typeof text !== 'string') return undefined;
      const result = loadZoneFile(file, text, this.#options);
      return 'problems' in result ? undefined : { file, zone: result.zone, text, version: versionOf(text) };
    } catch {
      // None was saved, or it can't be read: then there is no last good version.
      return undefined;
    }
  }

  async #readImage(file: string): Promise<LoadedZone | undefined> {
    try {
      const image = await readFile(join(this.#folder, copyName(file, IMAGE)));
      const zone = decodeZoneImage(image);
      return zone && { file, zone, version: `image ${digestOf(image)}` };
    } catch {
      return undefined;
    }
  }
}

const TEXT = '.json';
const IMAGE = '.records';

function copyName(file: string, ending: string): string {
  return `${digestOf(file).slice(0, 32)}${ending}`;
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
