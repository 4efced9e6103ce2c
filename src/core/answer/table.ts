/**
 * Tables that grow while they are built and end as views on SharedArrayBuffers. They grow by whole chunks: nothing is
 * copied until the end, when each chunk goes as soon as its content is in its place.
 */

const CHUNK_BITS = 16;
const CHUNK = 1 << CHUNK_BITS;
const MASK = CHUNK - 1;

/** A table of integers that is written. Places in it count from the begin of the whole table. */
export interface Ints {
  /** Where the next value comes. */
  readonly length: number;
  /** Appends values; returns where they begin. */
  push(...values: readonly number[]): number;
  /** `push` of one value. */
  add(value: number): void;
  /** Room for `count` values; returns where it begins. */
  reserve(count: number): number;
  get(at: number): number;
  set(at: number, value: number): void;
}

export interface Bytes {
  readonly length: number;
  /** Appends bytes; returns where they begin. */
  push(bytes: Uint8Array): number;
}

/** An Int32Array that grows. */
export class IntTable implements Ints {
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

  /** Moves what is in the table to shared memory of its length or a larger one; the table is empty then. */
  share(room = this.length): Int32Array {
    const shared = sharedInts(room);
    moveChunks(this.#chunks, shared, this.length);
    this.length = 0;
    return shared;
  }
}

/** A Uint8Array that grows. */
export class ByteTable implements Bytes {
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
  share(room = this.length): Uint8Array {
    const shared = sharedBytes(room);
    moveChunks(this.#chunks, shared, this.length);
    this.length = 0;
    return shared;
  }
}

/** Tells how long a table becomes, and holds nothing. */
export class IntCounter implements Ints {
  length = 0;

  push(...values: readonly number[]): number {
    return this.reserve(values.length);
  }

  add(): void {
    this.length++;
  }

  reserve(count: number): number {
    const at = this.length;
    this.length += count;
    return at;
  }

  get(): number {
    return 0;
  }

  set(): void {}
}

export class ByteCounter implements Bytes {
  length = 0;

  push(bytes: Uint8Array): number {
    const at = this.length;
    this.length += bytes.length;
    return at;
  }
}

/** Part of a table: values go to `at` and behind. */
export class IntWindow implements Ints {
  readonly #array: Int32Array;
  length: number;

  constructor(array: Int32Array, at: number) {
    this.#array = array;
    this.length = at;
  }

  push(...values: readonly number[]): number {
    const at = this.length;
    for (let i = 0; i < values.length; i++) this.add(values[i]!);
    return at;
  }

  add(value: number): void {
    this.#array[this.length++] = value;
  }

  reserve(count: number): number {
    const at = this.length;
    this.#array.fill(0, at, at + count);
    this.length += count;
    return at;
  }

  get(at: number): number {
    return this.#array[at]!;
  }

  set(at: number, value: number): void {
    this.#array[at] = value;
  }
}

export class ByteWindow implements Bytes {
  readonly #array: Uint8Array;
  length: number;

  constructor(array: Uint8Array, at: number) {
    this.#array = array;
    this.length = at;
  }

  push(bytes: Uint8Array): number {
    const at = this.length;
    this.#array.set(bytes, at);
    this.length += bytes.length;
    return at;
  }
}

export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

export function sharedInts(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
}

function moveChunks<T extends Int32Array | Uint8Array>(chunks: T[], shared: T, length: number): void {
  for (let i = chunks.length - 1; i >= 0; i--) {
    const from = i * CHUNK;
    shared.set(chunks.pop()!.subarray(0, length - from), from);
  }
}
