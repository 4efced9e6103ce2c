/** More buckets are more exact at the edge of the window, and cost memory. */
const BUCKETS = 10;

/**
 * Counts of what happened within the last `windowMs`, for many rows (endpoints, for instance) and a few kinds of events each. The
 * window slides in steps of a tenth; to add and to read takes the same time however much was counted. Times are
 * milliseconds of any clock that doesn't go back.
 */
export class WindowCounts {
  readonly #bucketMs: number;
  readonly #kinds: number;
  /** By row, bucket, kind. */
  readonly #buckets: Int32Array;
  /** By row, kind: what the buckets add up to. */
  readonly #sums: Int32Array;
  /** By row: the number of its newest bucket since the clock began. */
  readonly #newest: Float64Array;

  constructor(rows: number, kinds: number, windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS;
    this.#kinds = kinds;
    this.#buckets = new Int32Array(rows * BUCKETS * kinds);
    this.#sums = new Int32Array(rows * kinds);
    this.#newest = new Float64Array(rows);
  }

  add(row: number, kind: number, nowMs: number): void {
    this.advance(row, nowMs);
    const at = (row * BUCKETS + (this.#newest[row]! % BUCKETS)) * this.#kinds + kind;
    this.#buckets[at]!++;
    this.#sums[row * this.#kinds + kind]!++;
  }

  /** As of the last `add` or `advance` of the row. */
  count(row: number, kind: number): number {
    return this.#sums[row * this.#kinds + kind]!;
  }

  /** Forgets what is too old by now. */
  advance(row: number, nowMs: number): void {
    const now = Math.max(0, Math.floor(nowMs / this.#bucketMs));
    const newest = this.#newest[row]!;
    if (now <= newest) return;
    this.#newest[row] = now;
    const passed = Math.min(now - newest, BUCKETS);
    for (let i = 0; i < passed; i++) this.#empty(row, (now - i) % BUCKETS);
  }

  clear(row: number): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.#empty(row, bucket);
  }

  /** Takes over a row of other counts of the same shape. */
  adopt(row: number, from: WindowCounts, fromRow: number): void {
    const size = BUCKETS * this.#kinds;
    const kinds = this.#kinds;
    this.#buckets.set(from.#buckets.subarray(fromRow * size, (fromRow + 1) * size), row * size);
    this.#sums.set(from.#sums.subarray(fromRow * kinds, (fromRow + 1) * kinds), row * kinds);
    this.#newest[row] = from.#newest[fromRow]!;
  }

  #empty(row: number, bucket: number): void {
    const at = (row * BUCKETS + bucket) * this.#kinds;
    for (let kind = 0; kind < this.#kinds; kind++) {
      this.#sums[row * this.#kinds + kind]! -= this.#buckets[at + kind]!;
      this.#buckets[at + kind] = 0;
    }
  }
}
