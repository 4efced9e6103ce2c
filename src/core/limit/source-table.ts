/**
 * How many connections each source has open, over all threads. Eight sources make a set; a source has a place as long as it has
 * a connection. What each thread counted is kept beside, so that it can be taken off if the thread dies.
 *
 *     tag | open connections
 */

export const SOURCES = 65_536;
const WAYS = 8;
const WORDS = 2;
const TAG = 0;
const OPEN = 1;
const ATTEMPTS_MAX = 4;

/** The source has as many as it may. */
export const SOURCE_FULL = -1;
/** There is no place to count it at: it is let in. */
export const SOURCE_UNCOUNTED = -2;

export function sourceTableBytes(): number {
  return 4 * WORDS * SOURCES;
}

/** What one thread counted. */
export function sourceShareBytes(): number {
  return 4 * SOURCES;
}

export class SourceTable {
  readonly #places: Int32Array;
  readonly #own: Int32Array;

  constructor(memory: SharedArrayBuffer, own: SharedArrayBuffer) {
    this.#places = new Int32Array(memory);
    this.#own = new Int32Array(own);
  }

  /** Counts one more connection of a source that may have `most`: its place, for `leave`; or SOURCE_FULL or SOURCE_UNCOUNTED. */
  enter(first: number, second: number, most: number): number {
    const place = this.#find(first, second);
    if (place < 0) return SOURCE_UNCOUNTED;
    const open = place * WORDS + OPEN;
    if (Atomics.add(this.#places, open, 1) >= most) {
      Atomics.sub(this.#places, open, 1);
      return SOURCE_FULL;
    }
    this.#own[place]!++;
    return place;
  }

  leave(place: number): void {
    Atomics.sub(this.#places, place * WORDS + OPEN, 1);
    this.#own[place]!--;
  }

  /** The thread that counted there is gone, and its connections with it. */
  forgetOwn(): void {
    const own = this.#own;
    for (let place = 0; place < own.length; place++) {
      if (own[place] !== 0) Atomics.sub(this.#places, place * WORDS + OPEN, own[place]!);
    }
    own.fill(0);
  }

  #find(first: number, second: number): number {
    const places = this.#places;
    const set = (first & (SOURCES / WAYS - 1)) * WAYS;
    const tag = second || 1;
    for (let place = set; place < set + WAYS; place++) if (places[place * WORDS + TAG] === tag) return place;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const place = this.#unused(set);
      if (place < 0) return -1;
      const at = place * WORDS + TAG;
      const before = places[at]!;
      // Another source may come to count here in this moment: its connection then counts as one of this one.
      if (Atomics.compareExchange(places, at, before, tag) === before) return place;
    }
    return -1;
  }

  #unused(set: number): number {
    for (let place = set; place < set + WAYS; place++) {
      if (Atomics.load(this.#places, place * WORDS + OPEN) === 0) return place;
    }
    return -1;
  }
}
