import { setImmediate } from 'node:timers/promises';

interface Alarm {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | null;
}

/** A clock whose time passes from alarm to alarm: hours of it in a second. Equal times ring in the order they were set. */
export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  readonly #heap: Alarm[] = [];

  readonly clock = (): number => this.#nowMs;

  setTimeout(run: () => void, delayMs: number): Alarm {
    const alarm = { atMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order++, run };
    this.#push(alarm);
    return alarm;
  }

  clearTimeout(handle: unknown): void {
    if (handle) (handle as Alarm).run = null;
  }

  /** Lets time pass; `settle` lets promises go on after each alarm. */
  async runUntil(endMs: number): Promise<void> {
    await setImmediate();
    for (let alarm = this.#heap[0]; alarm && alarm.atMs <= endMs; alarm = this.#heap[0]) {
      this.#pop();
      if (!alarm.run) continue;
      this.#nowMs = alarm.atMs;
      alarm.run();
      await setImmediate();
    }
    this.#nowMs = endMs;
  }

  #push(alarm: Alarm): void {
    const heap = this.#heap;
    let at = heap.push(alarm) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(alarm, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = alarm;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Alarm, b: Alarm): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
