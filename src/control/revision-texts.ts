import type { EntryPlace, EntryStore } from '../store/entry-store.js';
import { isStoreFailure, type StoreFailure } from '../store/store-failure.js';
import {
  decodeDifference,
  decodeWhole,
  encodeDifference,
  encodeWhole,
  textHash,
} from '../store/text-blob.js';
import { ENTRY, encodeText } from './revision-entries.js';

interface HeldText {
  readonly place: EntryPlace;
  readonly base?: string;
  /** How many differences lead to it from a whole text. */
  readonly depth: number;
}

/** Reading a text makes as many copies of it as differences lead to it. */
const DEPTH_MAX = 64;
const CHAIN_BYTES_MAX = 64 * 1024 * 1024;

/** Which texts the journal holds, each once, by their hashes. */
export class RevisionTexts {
  readonly #store: EntryStore;
  #held = new Map<string, HeldText>();

  constructor(store: EntryStore) {
    this.#store = store;
  }

  has(hash: string): boolean {
    return this.#held.has(hash);
  }

  /** Takes note of a text that is in the store. */
  note(hash: string, place: EntryPlace, base?: string): void {
    const depth = base === undefined ? 0 : (this.#held.get(base)?.depth ?? 0) + 1;
    this.#held.set(hash, base === undefined ? { place, depth } : { place, base, depth });
  }

  /** Undefined for a text that is not kept. */
  read(hash: string): string | StoreFailure | undefined {
    const bytes = this.#readBytes(hash);
    return Buffer.isBuffer(bytes) ? bytes.toString() : bytes;
  }

  /** The entry to append for a text; `previous`: the hash of one that is probably much the same. */
  async encode(text: string, previous: string | undefined): Promise<Buffer> {
    const held = previous === undefined ? undefined : this.#held.get(previous);
    const depthMax = Math.min(DEPTH_MAX, Math.floor(CHAIN_BYTES_MAX / (text.length + 1)));
    if (held && previous !== undefined && held.depth < depthMax) {
      const other = this.read(previous);
      const difference = typeof other === 'string' ? await encodeDifference(text, other) : undefined;
      if (difference) return encodeText(ENTRY.DIFFERENCE, difference);
    }
    return encodeText(ENTRY.WHOLE, await encodeWhole(text));
  }

  /** These and all that they start from, so that what a text starts from comes before it. */
  closure(hashes: Iterable<string>): ReadonlySet<string> {
    const all = new Set<string>();
    for (const hash of hashes) {
      const chain: string[] = [];
      for (
        let at: string | undefined = hash;
        at !== undefined && !all.has(at);
        at = this.#held.get(at)?.base
      ) {
        if (!this.#held.has(at)) break;
        chain.push(at);
      }
      for (const link of chain.toReversed()) all.add(link);
    }
    return all;
  }

  /** Bytes of the entries of these texts. */
  bytesOf(hashes: ReadonlySet<string>): number {
    let sum = 0;
    for (const hash of hashes) sum += this.#held.get(hash)?.place.bytes ?? 0;
    return sum;
  }

  /** The entry as it is in the store. */
  entryOf(hash: string): Buffer | StoreFailure {
    const held = this.#held.get(hash);
    return held ? this.#store.read(held.place) : { code: 'storage_io', detail: `no text ${hash}` };
  }

  /** After a rewrite: only these are held, at other places. */
  move(places: ReadonlyMap<string, EntryPlace>): void {
    const held = new Map<string, HeldText>();
    for (const [hash, place] of places) held.set(hash, { ...this.#held.get(hash)!, place });
    this.#held = held;
  }

  #readBytes(hash: string): Buffer | StoreFailure | undefined {
    const chain: Buffer[] = [];
    for (let at: string | undefined = hash; at !== undefined; ) {
      const held: HeldText | undefined = this.#held.get(at);
      if (!held) return chain.length === 0 ? undefined : DAMAGED;
      const entry = this.#store.read(held.place);
      if (isStoreFailure(entry)) return entry;
      chain.push(entry.subarray(1));
      at = held.base;
    }
    let text = decodeWhole(chain.pop()!);
    while (text && chain.length > 0) text = decodeDifference(chain.pop()!, text);
    // What is rolled back to goes into service: it must be what once was.
    return text && textHash(text.toString()) === hash ? text : DAMAGED;
  }
}

const DAMAGED: StoreFailure = { code: 'storage_io', detail: 'a text in the journal is damaged' };
