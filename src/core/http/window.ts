/**
 * The bytes of a connection that were received but not yet used. Bytes that arrive while the window is empty are only
 * borrowed: they are copied by `settle`, and only what is left of them by then.
 */
export class ByteWindow {
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  #owned = false;

  get length(): number {
    return this.end - this.start;
  }

  /** Adds `bytes[start, end)`. The array must stay as it is until `settle`. */
  append(bytes: Uint8Array, start: number, end: number): void {
    if (this.start === this.end) {
      this.bytes = bytes;
      this.start = start;
      this.end = end;
      this.#owned = false;
      return;
    }
    this.#reserve(end - start);
    this.bytes.set(bytes.subarray(start, end), this.end);
    this.end += end - start;
  }

  /** Copies what is still borrowed: the array it lies in is about to be used again. */
  settle(): void {
    if (!this.#owned && this.end > this.start) this.#reserve(0);
  }

  /** Drops `count` bytes from the front. */
  consume(count: number): void {
    this.start += count;
    if (this.start >= this.end) this.clear();
  }

  clear(): void {
    this.bytes = EMPTY;
    this.start = 0;
    this.end = 0;
    this.#owned = false;
  }

  /** Makes room for `more` bytes at the end. Doubling keeps a head that comes byte by byte linear. */
  #reserve(more: number): void {
    const length = this.length;
    if (this.#owned && this.bytes.length - this.end >= more) return;
    const grown = new Uint8Array(Math.max(2 * (length + more), 1024));
    grown.set(this.bytes.subarray(this.start, this.end));
    this.bytes = grown;
    this.start = 0;
    this.end = length;
    this.#owned = true;
  }
}

const EMPTY = new Uint8Array(0);
