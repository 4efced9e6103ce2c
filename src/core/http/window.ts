/**
 * The bytes of a connection that were received but not yet used. A chunk that arrives while the window is
 * empty is adopted without a copy; only what a head or a waiting body leaves over is copied together.
 */
export class ByteWindow {
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  #owned = false;

  get length(): number {
    return this.end - this.start;
  }

  /** Adds a chunk. The caller must not write into it afterwards. */
  append(chunk: Uint8Array): void {
    if (this.start === this.end) {
      this.bytes = chunk;
      this.start = 0;
      this.end = chunk.length;
      this.#owned = false;
      return;
    }
    this.#reserve(chunk.length);
    this.bytes.set(chunk, this.end);
    this.end += chunk.length;
  }

  /** Drops `count` bytes from the front. */
  consume(count: number): void {
    this.start += count;
    if (this.start >= this.end) this.clear();
  }

  /** Everything there is, without a copy; the window is empty afterwards. */
  take(): Uint8Array {
    const all = this.bytes.subarray(this.start, this.end);
    this.clear();
    return all;
  }

  clear(): void {
    this.bytes = EMPTY;
    this.start = 0;
    this.end = 0;
    this.#owned = false;
  }

  /**
   * Makes room for `more` bytes at the end. Bytes already handed out stay as they were: a buffer is only
   * written behind its end, and doubling keeps a head that comes byte by byte linear.
   */
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
