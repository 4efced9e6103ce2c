import { setImmediate } from 'node:timers/promises';

interface Alarm {
  readonly atMs: number;
  readonly run: () => void;
}

/** A clock and timers that move only when told to. */
export class ManualTime {
  #nowMs = 0;
  #next = 1;
  readonly #alarms = new Map<number, Alarm>();

  readonly clock = (): number => this.#nowMs;

  setTimeout(run: () => void, delayMs: number): number {
    this.#alarms.set(this.#next, { atMs: this.#nowMs + delayMs, run });
    return this.#next++;
  }

  clearTimeout(handle: unknown): void {
    this.#alarms.delete(handle as number);
  }

  get pending(): number {
    return this.#alarms.size;
  }

  /** Moves on by `ms`, ringing each alarm at its time; promises settle in between. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await setImmediate();
    for (let due = this.#earliest(endMs); due; due = this.#earliest(endMs)) {
      const [handle, alarm] = due;
      this.#alarms.delete(handle);
      this.#nowMs = Math.max(alarm.atMs, this.#nowMs);
      alarm.run();
      await setImmediate();
    }
    this.#nowMs = endMs;
  }

  #earliest(endMs: number): [number, Alarm] | undefined {
    let found: [number, Alarm] | undefined;
    for (const entry of this.#alarms) {
      if (entry[1].atMs <= endMs && (!found || entry[1].atMs < found[1].atMs)) found = entry;
    }
    return found;
  }
}
