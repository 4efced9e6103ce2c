import { halfSipHash } from './half-siphash.js';

/**
 * The account of a request: 64 bits of its key, by a hash that only those with the secret can compute (HalfSipHash, chained).
 * What a client sent, such as an API key, is kept and sent nowhere else than in this form.
 */
export class KeyHash {
  readonly #key0: number;
  readonly #key1: number;
  readonly #state: Int32Array = new Int32Array(2);

  /** `key`: two secret words, the same for all who have to agree. */
  constructor(key: readonly [number, number]) {
    this.#key0 = key[0] | 0;
    this.#key1 = key[1] | 0;
  }

  /** The set of the table. */
  get first(): number {
    return this.#state[0]!;
  }

  /** Tells accounts of one set apart. */
  get second(): number {
    return this.#state[1]!;
  }

  begin(limit: number): void {
    this.#state[0] = limit;
    this.#state[1] = 0;
  }

  words(a: number, b: number): void {
    const state = this.#state;
    halfSipHash(this.#key0, this.#key1, state[0]!, state[1]!, a, b, state);
  }

  /** The length comes first, so that two keys never run into each other. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    this.words(end - start, -1);
    for (let at = start; at < end; at += 8) this.words(wordAt(bytes, at, end), wordAt(bytes, at + 4, end));
  }

  /** Of characters below 256, as the same bytes. */
  text(text: string): void {
    this.words(text.length, -1);
    for (let at = 0; at < text.length; at += 8) this.words(wordIn(text, at), wordIn(text, at + 4));
  }
}

function wordAt(bytes: Uint8Array, at: number, end: number): number {
  let word = 0;
  for (let i = 0; i < 4 && at + i < end; i++) word |= bytes[at + i]! << (8 * i);
  return word;
}

function wordIn(text: string, at: number): number {
  let word = 0;
  for (let i = 0; i < 4 && at + i < text.length; i++) word |= (text.charCodeAt(at + i) & 0xff) << (8 * i);
  return word;
}
