import type { Network } from '../io/network.js';
import { Roster } from '../io/roster.js';

/** Something that must end or move on by a time; `Infinity` for none. */
export interface Timed {
  readonly deadlineMs: number;
  /** Kept for `Deadlines`; `NO_SLOT` at first. */
  deadlineSlot: number;
  onDeadline(): void;
}

/**
 * One sweep instead of one timer per connection: moving a deadline is then a plain store, which happens several
 * times per request. A deadline is noticed at most one period late.
 */
export class Deadlines {
  readonly #items = new Roster<Timed>();
  readonly #network: Network;
  #stop: () => void;

  constructor(periodMs: number, network: Network) {
    this.#network = network;
    this.#stop = network.every(periodMs, () => this.#sweep());
  }

  /** How often it looks from now on. */
  pace(periodMs: number): void {
    this.#stop();
    this.#stop = this.#network.every(periodMs, () => this.#sweep());
  }

  get nowMs(): number {
    return this.#network.nowMs;
  }

  add(item: Timed): void {
    item.deadlineSlot = this.#items.add(item);
  }

  delete(item: Timed): void {
    this.#items.remove(item.deadlineSlot, item);
  }

  close(): void {
    this.#stop();
    this.#items.clear();
  }

  #sweep(): void {
    const now = this.#network.nowMs;
    for (const item of this.#items) if (item.deadlineMs <= now) item.onDeadline();
  }
}
