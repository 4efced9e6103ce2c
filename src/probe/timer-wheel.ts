/**
 * Many timers for the price of one: time is cut into ticks, and each tick has a slot of the wheel with a list of the
 * timers that are due in it. Setting and cancelling move a link; nothing is sorted.
 *
 *      slot   0   1   2   3 … 1023   (then from 0 again)
 *             ┆   ┆   ├─a─b
 *                 ▲ now
 *
 * A timer that is due later than one turn waits in its slot until its turn has come. The wheel knows no clock: whoever
 * owns it says what time it is, and asks when to come again.
 */

export interface WheelOptions {
  /** Milliseconds. A timer is never early, and late by this at most. */
  readonly tickMs: number;
  readonly slots: number;
  readonly startMs: number;
}

/** One timer. It belongs to whoever made it, and can be set again and again. */
export interface WheelTimer {
  readonly run: () => void;
  tick: number;
  previous: WheelTimer | undefined;
  next: WheelTimer | undefined;
  /** The slot that it stands in; -1 while it is not set, -2 while it is about to run. */
  slot: number;
}

const UNSET = -1;
const DUE = -2;

export function wheelTimer(run: () => void): WheelTimer {
  return { run, tick: 0, previous: undefined, next: undefined, slot: UNSET };
}

export class TimerWheel {
  readonly #tickMs: number;
  readonly #startMs: number;
  readonly #slots: (WheelTimer | undefined)[];
  #due: WheelTimer | undefined;
  /** The last tick that was run. */
  #tick = 0;
  #size = 0;

  constructor({ tickMs, slots, startMs }: WheelOptions) {
    this.#tickMs = tickMs;
    this.#startMs = startMs;
    this.#slots = new Array<WheelTimer | undefined>(slots).fill(undefined);
  }

  get size(): number {
    return this.#size;
  }

  /** Sets a timer for a time; one that is set already is moved. What is due by now runs at the next tick. */
  set(timer: WheelTimer, atMs: number): void {
    this.cancel(timer);
    timer.tick = Math.max(Math.ceil((atMs - this.#startMs) / this.#tickMs), this.#tick + 1);
    const slot = timer.tick % this.#slots.length;
    timer.slot = slot;
    timer.next = this.#slots[slot];
    if (timer.next) timer.next.previous = timer;
    this.#slots[slot] = timer;
    this.#size++;
  }

  /** Takes a timer out; nothing happens if it is not set. */
  cancel(timer: WheelTimer): void {
    if (timer.slot === UNSET) return;
    this.#unlink(timer);
    timer.slot = UNSET;
    this.#size--;
  }

  /** Runs all that is due by now. Timers may set and cancel others, and themselves, while they run. */
  advance(nowMs: number): void {
    const target = Math.floor((nowMs - this.#startMs) / this.#tickMs);
    // After a long sleep one turn finds them all.
    this.#tick = Math.max(this.#tick, target - this.#slots.length);
    while (this.#tick < target) {
      this.#tick++;
      this.#collect(this.#slots[this.#tick % this.#slots.length]);
      while (this.#due) {
        const timer = this.#due;
        this.cancel(timer);
        timer.run();
      }
    }
  }

  /** When to call `advance` again: no timer is due before. Undefined where none is set. */
  nextMs(): number | undefined {
    if (this.#size === 0) return undefined;
    const slots = this.#slots.length;
    let tick = this.#tick + 1;
    while (tick < this.#tick + slots && !this.#slots[tick % slots]) tick++;
    return this.#startMs + tick * this.#tickMs;
  }

  /** Moves those of a slot whose turn it is to the list of due ones, the first that was set in front. */
  #collect(first: WheelTimer | undefined): void {
    for (let timer = first; timer; ) {
      const { next } = timer;
      if (timer.tick <= this.#tick) {
        this.#unlink(timer);
        timer.slot = DUE;
        timer.next = this.#due;
        if (timer.next) timer.next.previous = timer;
        this.#due = timer;
      }
      timer = next;
    }
  }

  #unlink(timer: WheelTimer): void {
    if (timer.previous) timer.previous.next = timer.next;
    else if (timer.slot === DUE) this.#due = timer.next;
    else this.#slots[timer.slot] = timer.next;
    if (timer.next) timer.next.previous = timer.previous;
    timer.previous = undefined;
    timer.next = undefined;
  }
}
