import type { Network } from '../io/network.js';

/** Something that is done at a time, to some milliseconds. */
export interface Delayed {
  readonly dueMs: number;
  onDue(): void;
}

const TICK_MS = 5;

/** Pauses before retries: too short for `Deadlines`, and mostly there are none, so that it ticks only while there are. */
export class RetryClock {
  readonly #network: Network;
  readonly #items = new Set<Delayed>();
  #stop: (() => void) | null = null;

  constructor(network: Network) {
    this.#network = network;
  }

  add(item: Delayed): void {
    this.#items.add(item);
    this.#stop ??= this.#network.every(TICK_MS, () => this.#tick());
  }

  delete(item: Delayed): void {
    this.#items.delete(item);
  }

  #tick(): void {
    const { nowMs } = this.#network;
    for (const item of this.#items) {
      if (item.dueMs > nowMs) continue;
      this.#items.delete(item);
      item.onDue();
    }
    if (this.#items.size > 0) return;
    this.#stop?.();
    this.#stop = null;
  }
}
