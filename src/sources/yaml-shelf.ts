import { parseYaml, type YamlDocument, type YamlReader } from './yaml-document.js';

/** Nodes take about a hundred times the text. */
const CHARS_MAX = 64 * 1024;
const DOCUMENTS_MAX = 2;

/** The documents that were read last, for who reads the same texts in several steps. Nobody may change what is on it. */
export class YamlShelf {
  /** The oldest is the first. */
  readonly #documents: { readonly text: string; readonly document: YamlDocument }[] = [];

  readonly read: YamlReader = (file, text) => {
    const known = this.#documents.find(
      ({ document, text: other }) => other === text && document.file === file,
    );
    if (known) return known.document;
    const document = parseYaml(file, text);
    if ('problems' in document || text.length > CHARS_MAX) return document;
    this.#documents.push({ text, document });
    if (this.#documents.length > DOCUMENTS_MAX) this.#documents.shift();
    return document;
  };

  clear(): void {
    this.#documents.length = 0;
  }
}
