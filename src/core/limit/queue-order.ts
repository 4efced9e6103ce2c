/**
 * In which order a queue is served. A queue that empties now and then only evens out bursts: first come, first served. One that has been
 * standing for longer than that is overload: whoever waited long has mostly given up, and serving the oldest first would make
 * everybody late. Then the newest is served first, and in a full queue the oldest gives way, until it is empty once.
 * (Adaptive LIFO with the signal of CoDel, RFC 8289: "Fail at Scale", ACM Queue 13/8, 2015.)
 */
export class QueueOrder {
  readonly #standingMs: number;
  /** When the queue was last known to be empty; Infinity while it is. */
  #sinceMs = Number.POSITIVE_INFINITY;
  #newestFirst = false;

  /** `standingMs`: how long a queue may be standing; Infinity: it is always first come, first served. */
  constructor(standingMs: number) {
    this.#standingMs = standingMs;
  }

  get newestFirst(): boolean {
    return this.#newestFirst;
  }

  /** To be told when the length changed, and now and then. Milliseconds that never go back. */
  observe(length: number, nowMs: number): void {
    if (length === 0) {
      this.#sinceMs = Number.POSITIVE_INFINITY;
      this.#newestFirst = false;
    } else if (this.#sinceMs === Number.POSITIVE_INFINITY) this.#sinceMs = nowMs;
    else if (!this.#newestFirst) this.#newestFirst = nowMs - this.#sinceMs > this.#standingMs;
  }
}
