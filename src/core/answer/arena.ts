/**
 * Shared memory in which zones have their places. What a snapshot in use can see is never overwritten: a place is given
 * to another zone only after `reclaim`, when no reader is left of what stood there.
 */

type Table = Int32Array | Uint8Array;

/** A place: where it begins, and how many elements it has. */
export interface Place {
  readonly at: number;
  readonly count: number;
}

export class Arena<T extends Table> {
  readonly #allocate: (length: number) => T;
  readonly #holes = new Holes();
  #retired: Place[] = [];
  #array: T;
  #tail: number;
  #copies = 0;

  /** `array` may be longer than what is `used` of it. */
  constructor(array: T, used: number, allocate: (length: number) => T) {
    this.#array = array;
    this.#tail = used;
    this.#allocate = allocate;
  }

  /** What snapshots see. Another one after it had to grow. */
  get array(): T {
    return this.#array;
  }

  /** How often all of it moved to other memory. */
  get copies(): number {
    return this.#copies;
  }

  /** Elements that no zone has. */
  get waste(): number {
    return this.#holes.total + this.#retired.reduce((sum, { count }) => sum + count, 0);
  }

  get used(): number {
    return this.#tail - this.waste;
  }

  take(count: number): Place {
    if (count === 0) return { at: 0, count };
    const hole = this.#holes.take(count);
    if (hole !== undefined) return { at: hole, count };
    const at = this.#tail;
    if (at + count > this.#array.length) this.#move(roomy(at + count));
    this.#tail = at + count;
    return { at, count };
  }

  /** The place is given out again after the next `reclaim`. */
  retire(place: Place): void {
    if (place.count > 0) this.#retired.push(place);
  }

  /** A place that nobody has seen. */
  giveBack(place: Place): void {
    if (place.count > 0) this.#holes.add(place);
  }

  /** Nobody reads what was retired. */
  reclaim(): void {
    for (const place of this.#retired) this.#holes.add(place);
    this.#retired = [];
  }

  /** Later writes are seen by later snapshots only. */
  copyOnWrite(): void {
    this.#move(this.#array.length);
  }

  #move(length: number): void {
    const next = this.#allocate(length);
    next.set(this.#array.subarray(0, this.#tail));
    this.#array = next;
    this.#copies++;
  }
}

/** How long to make a table of which `used` elements are in use. Memory that was never touched costs nothing. */
export function roomy(used: number): number {
  return used + (used >> 1) + ROOM_MIN;
}

const ROOM_MIN = 4096;

/** Free places in the order of where they begin; neighbours are one. */
class Holes {
  readonly #at: number[] = [];
  readonly #count: number[] = [];
  total = 0;

  /** First fit. */
  take(count: number): number | undefined {
    const index = this.#count.findIndex((free) => free >= count);
    if (index < 0) return undefined;
    const at = this.#at[index]!;
    this.total -= count;
    if (this.#count[index] === count) {
      this.#at.splice(index, 1);
      this.#count.splice(index, 1);
    } else {
      this.#at[index] = at + count;
      this.#count[index] = this.#count[index]! - count;
    }
    return at;
  }

  add({ at, count }: Place): void {
    this.total += count;
    let index = lowerBound(this.#at, at);
    this.#at.splice(index, 0, at);
    this.#count.splice(index, 0, count);
    if (index + 1 < this.#at.length && at + count === this.#at[index + 1]) this.#join(index);
    if (index > 0 && this.#at[index - 1]! + this.#count[index - 1]! === at) this.#join(--index);
  }

  #join(index: number): void {
    this.#count[index] = this.#count[index]! + this.#count[index + 1]!;
    this.#at.splice(index + 1, 1);
    this.#count.splice(index + 1, 1);
  }
}

function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
