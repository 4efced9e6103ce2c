/**
 * Bytes of heads in steps of four: a loop over single bytes costs several times as much. The views that this takes are
 * kept, since nearly all heads are read from one array of a thread, and written to another one.
 */

/** Remembers the view of one array. */
class ViewMemory {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);

  of(bytes: Uint8Array): DataView {
    if (bytes === this.#bytes) return this.#view;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.#view;
  }
}

const read = new ViewMemory();
const written = new ViewMemory();

/** A view of all of an array that heads are read from. */
export function viewOf(bytes: Uint8Array): DataView {
  return read.of(bytes);
}

/** Copies `from[start, end)`, at least four bytes, to another array. */
export function copyWords(out: Uint8Array, at: number, from: DataView, start: number, end: number): void {
  const to = written.of(out);
  const last = end - 4;
  const ahead = at - start;
  for (let i = start; i < last; i += 4) to.setInt32(i + ahead, from.getInt32(i, true), true);
  // What is left, and perhaps some bytes once more.
  to.setInt32(last + ahead, from.getInt32(last, true), true);
}

/**
 * The index of the first byte from `start` on that may not belong to a field value (RFC 9110 §5.5), or of one of the three
 * bytes before it; `end`, or one of the three before it, if there is none. A tab counts as one that may not.
 */
export function skipValue(view: DataView, start: number, end: number): number {
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const word = view.getInt32(i, true);
    const deletes = word ^ 0x7f7f7f7f;
    // The highest bit of a byte that is below 0x20, or 0x7f: a borrow only ever adds bits above such a byte.
    const below = (word - 0x20202020) & ~word;
    if (((below | ((deletes - 0x01010101) & ~deletes)) & 0x80808080) !== 0) break;
  }
  return i;
}

/** A hash of `view[start, end)`, which are at least four bytes. Who wants bytes with the same hash finds them. */
export function hashWords(view: DataView, start: number, end: number): number {
  const last = end - 4;
  let hash = end - start;
  for (let i = start; i < last; i += 4) hash = Math.imul(hash ^ view.getInt32(i, true), 0x9e3779b1);
  return Math.imul(hash ^ view.getInt32(last, true), 0x9e3779b1);
}

/** True if all of `whole`, at least four bytes, stands in `view` from `start` on. */
export function sameWords(whole: DataView, view: DataView, start: number): boolean {
  const last = whole.byteLength - 4;
  for (let i = 0; i < last; i += 4) {
    if (whole.getInt32(i, true) !== view.getInt32(start + i, true)) return false;
  }
  return whole.getInt32(last, true) === view.getInt32(start + last, true);
}
