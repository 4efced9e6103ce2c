/**
 * Tables that grow while they are built and end as views on SharedArrayBuffers. They grow by whole chunks: nothing is
 * copied until the end, when each chunk goes as soon as its content is in its place.
 */

const CHUNK_BITS = 16;
const CHUNK = 1 << CHUNK_BITS;
const MASK = CHUNK - 1;

/** An Int32Array that grows. */
export class IntTable {
  readonly #chunks: Int32Array[] = [];
  length = 0;

  push(...values: readonly number[]): number {
    const at = this.length;
    for (let i = 0; i < values.length; i++) this.add(values[i]!);
    return at;
  }

  /** `push` of one value. */
  add(value: number): void {
    const at = this.length++;
    if ((at & MASK) === 0) this.#chunks.push(new Int32Array(CHUNK));
    this.#chunks[at >>> CHUNK_BITS]![at & MASK] = value;
  }

  /** Room for `count` values, all 0; returns where it begins. */
  reserve(count: number): number {
    const at = this.length;
    this.length += count;
    while (this.#chunks.length * CHUNK < this.length) this.#chunks.push(new Int32Array(CHUNK));
    return at;
  }

  get(at: number): number {
    return this.#chunks[at >>> CHUNK_BITS]![at & MASK]!;
  }

  set(at: number, value: number): void {
    this.#chunks[at >>> CHUNK_BITS]![at & MASK] = value;
  }

  /** Moves what is in the table to shared memory of exactly its length; the table is empty then. */
  share(): Int32Array {
    const shared = sharedInts(this.length);
    moveChunks(this.#chunks, shared);
    this.length = 0;
    return shared;
  }
}

/** A Uint8Array that grows. */
export class ByteTable {
  readonly #chunks: Uint8Array[] = [];
  length = 0;

  push(bytes: Uint8Array): number {
    const at = this.length;
    this.length += bytes.length;
    while (this.#chunks.length * CHUNK < this.length) this.#chunks.push(new Uint8Array(CHUNK));
    for (let i = 0; i < bytes.length; i++) {
      this.#chunks[(at + i) >>> CHUNK_BITS]![(at + i) & MASK] = bytes[i]!;
    }
    return at;
  }

  /** As for IntTable. */
  share(): Uint8Array {
    const shared = new Uint8Array(new SharedArrayBuffer(this.length));
    moveChunks(this.#chunks, shared);
    this.length = 0;
    return shared;
  }
}

export function sharedInts(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
}

function moveChunks<T extends Int32Array | Uint8Array>(chunks: T[], shared: T): void {
  for (let i = chunks.length - 1; i >= 0; i--) {
    const from = i * CHUNK;
    shared.set(chunks.pop()!.subarray(0, shared.length - from), from);
  }
}
