const SLOTS = 64;

/**
 * The least or the most of what was added within a window, exact to a 63rd of it. Its memory does not grow with what is
 * added.
 */
export class SlidingExtreme {
  readonly #better: (a: number, b: number) => number;
  readonly #slotMs: number;
  readonly #values: Float64Array = new Float64Array(SLOTS).fill(Number.NaN);
  /** Number of the newest slot since time 0. */
  #newest = Number.NEGATIVE_INFINITY;

  /** A window of 0 ms holds the value that was added last. */
  constructor(kind: 'least' | 'most', windowMs: number) {
    this.#better = kind === 'least' ? Math.min : Math.max;
    this.#slotMs = windowMs / (SLOTS - 1);
  }

  /** Adds a value and gives the extreme of the window that ends now. Time that goes back counts as standing still. */
  add(nowMs: number, value: number): number {
    if (this.#slotMs <= 0) return value;
    const slot = Math.max(Math.floor(nowMs / this.#slotMs), this.#newest);
    const values = this.#values;
    if (slot - this.#newest >= SLOTS) values.fill(Number.NaN);
    else for (let i = this.#newest + 1; i <= slot; i++) values[i % SLOTS] = Number.NaN;
    this.#newest = slot;
    const at = slot % SLOTS;
    values[at] = Number.isNaN(values[at]!) ? value : this.#better(values[at]!, value);
    let extreme = value;
    for (let i = 0; i < SLOTS; i++)
      if (!Number.isNaN(values[i]!)) extreme = this.#better(extreme, values[i]!);
    return extreme;
  }
}
