import { isStoreFailure } from '../store/store-failure.js';
import type { FileState } from './revision-entries.js';
import type { RevisionTexts } from './revision-texts.js';

/**
 * The texts of zone files as they were at a revision. A text is read from the journal when it is asked for; a file that is
 * too large to be kept has none. A journal that can't be read makes `get` throw.
 */
export class RevisionFiles implements ReadonlyMap<string, string> {
  readonly #files: ReadonlyMap<string, FileState>;
  readonly #texts: RevisionTexts;

  constructor(files: ReadonlyMap<string, FileState>, texts: RevisionTexts) {
    this.#files = files;
    this.#texts = texts;
  }

  get size(): number {
    return this.#files.size;
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  get(path: string): string | undefined {
    const file = this.#files.get(path);
    const text = file && this.#texts.read(file.version);
    if (typeof text === 'object' && isStoreFailure(text)) throw new Error(text.detail);
    return text;
  }

  keys(): MapIterator<string> {
    return this.#files.keys();
  }

  *entries(): MapIterator<[string, string]> {
    for (const path of this.#files.keys()) {
      const text = this.get(path);
      if (text !== undefined) yield [path, text];
    }
  }

  *values(): MapIterator<string> {
    for (const [, text] of this.entries()) yield text;
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.entries();
  }

  forEach(call: (text: string, path: string, map: ReadonlyMap<string, string>) => void): void {
    for (const [path, text] of this.entries()) call(text, path, this);
  }
}
