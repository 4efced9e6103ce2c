import type { MonotonicClock, Timers } from './modules.js';

/** Something that must end or move on by a time; `Infinity` for none. */
export interface Timed {
  readonly deadlineMs: number;
  onDeadline(): void;
}

/**
 * One sweep instead of one timer per connection: moving a deadline is then a plain store, which happens several
 * times per request. A deadline is noticed at most one period late.
 */
export class Deadlines {
  readonly #items = new Set<Timed>();
  readonly #clock: MonotonicClock;
  readonly #timers: Timers;
  readonly #periodMs: number;
  #timer: unknown;
  #closed = false;

  constructor(options: { readonly periodMs: number }, modules: { clock: MonotonicClock; timers: Timers }) {
    this.#periodMs = options.periodMs;
    this.#clock = modules.clock;
    this.#timers = modules.timers;
    this.#schedule();
  }

  get nowMs(): number {
    return this.#clock();
  }

  add(item: Timed): void {
    this.#items.add(item);
  }

  delete(item: Timed): void {
    this.#items.delete(item);
  }

  close(): void {
    this.#closed = true;
    this.#timers.clear(this.#timer);
    this.#items.clear();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#timers.set(() => {
      const now = this.#clock();
      for (const item of this.#items) if (item.deadlineMs <= now) item.onDeadline();
      this.#schedule();
    }, this.#periodMs);
  }
}
