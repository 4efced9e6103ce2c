/** Tables that grow while they are built and end as views on SharedArrayBuffers. */

/** An Int32Array that grows. */
export class IntTable {
  #values: Int32Array = new Int32Array(1024);
  length = 0;

  push(...values: readonly number[]): number {
    const at = this.length;
    this.#reserve(values.length);
    for (const value of values) this.#values[this.length++] = value;
    return at;
  }

  get(at: number): number {
    return this.#values[at]!;
  }

  set(at: number, value: number): void {
    this.#values[at] = value;
  }

  /** A shared copy of exactly this length. */
  share(): Int32Array {
    const shared = sharedInts(this.length);
    shared.set(this.#values.subarray(0, this.length));
    return shared;
  }

  #reserve(more: number): void {
    if (this.length + more <= this.#values.length) return;
    const larger = new Int32Array(Math.max(this.#values.length * 2, this.length + more));
    larger.set(this.#values);
    this.#values = larger;
  }
}

/** A Uint8Array that grows. */
export class ByteTable {
  #values: Uint8Array = new Uint8Array(4096);
  length = 0;

  push(bytes: Uint8Array): number {
    const at = this.length;
    if (at + bytes.length > this.#values.length) {
      const larger = new Uint8Array(Math.max(this.#values.length * 2, at + bytes.length));
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values.set(bytes, at);
    this.length += bytes.length;
    return at;
  }

  share(): Uint8Array {
    const shared = new Uint8Array(new SharedArrayBuffer(this.length));
    shared.set(this.#values.subarray(0, this.length));
    return shared;
  }
}

export function sharedInts(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
}
