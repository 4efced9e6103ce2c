/** Ends a list, and stands for "no place". */
const NONE = -1;

/**
 * Waiters in the order in which they came, with a bound and one time for all. A place is a number in arrays that were made before, so
 * that coming, leaving from the middle and timing out neither allocate nor search.
 */
export class WaitQueue<W> {
  readonly #timeoutMs: number;
  readonly #waiters: (W | null)[];
  readonly #deadlineMs: Float64Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  #first = NONE;
  #last = NONE;
  #free = 0;
  #length = 0;

  constructor({ size, timeoutMs }: { readonly size: number; readonly timeoutMs: number }) {
    this.#timeoutMs = timeoutMs;
    this.#waiters = new Array<W | null>(size).fill(null);
    this.#deadlineMs = new Float64Array(size);
    this.#next = Int32Array.from({ length: size }, (_, i) => (i + 1 < size ? i + 1 : NONE));
    this.#previous = new Int32Array(size).fill(NONE);
  }

  get length(): number {
    return this.#length;
  }

  /** The place of the one that has waited longest, or -1. */
  get first(): number {
    return this.#first;
  }

  /** The place of the one that came last, or -1. */
  get last(): number {
    return this.#last;
  }

  get isFull(): boolean {
    return this.#free === NONE;
  }

  /** The place behind another one, or -1. */
  after(place: number): number {
    return this.#next[place]!;
  }

  /** The place in front of another one, or -1. */
  before(place: number): number {
    return this.#previous[place]!;
  }

  at(place: number): W | null {
    return this.#waiters[place] ?? null;
  }

  /** The place that the waiter got, or -1 if the queue is full. */
  add(waiter: W, nowMs: number): number {
    const place = this.#free;
    if (place === NONE) return NONE;
    this.#free = this.#next[place]!;
    this.#waiters[place] = waiter;
    this.#deadlineMs[place] = nowMs + this.#timeoutMs;
    this.#next[place] = NONE;
    this.#previous[place] = this.#last;
    if (this.#last === NONE) this.#first = place;
    else this.#next[this.#last] = place;
    this.#last = place;
    this.#length++;
    return place;
  }

  /** Takes a waiter out. False if it isn't at this place any more. */
  remove(place: number, waiter: W): boolean {
    if (this.#waiters[place] !== waiter) return false;
    const before = this.#previous[place]!;
    const after = this.#next[place]!;
    if (before === NONE) this.#first = after;
    else this.#next[before] = after;
    if (after === NONE) this.#last = before;
    else this.#previous[after] = before;
    this.#waiters[place] = null;
    this.#next[place] = this.#free;
    this.#free = place;
    this.#length--;
    return true;
  }

  /** Takes out the one that has waited longest if its time is over; null if nobody's is. */
  takeExpired(nowMs: number): W | null {
    const place = this.#first;
    if (place === NONE || this.#deadlineMs[place]! > nowMs) return null;
    const waiter = this.#waiters[place]!;
    this.remove(place, waiter);
    return waiter;
  }
}
