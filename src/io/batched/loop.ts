import type { Linux } from './linux.js';
import { Poller } from './poller.js';

/** Something to be done when all events of a round were handed out. */
export interface Soon {
  runSoon(): void;
}

interface Periodic {
  readonly periodMs: number;
  readonly callback: () => void;
  nextMs: number;
}

/** Longest wait: nobody depends on it, but a clock that jumps must not stop the periodic work for long. */
const WAIT_MS_MAX = 1000;

/** The epoll loop of a thread that does nothing else: events, then what was put off, then periodic work. */
export class Loop {
  readonly linux: Linux;
  readonly poller: Poller;
  readonly #clock: () => number;
  readonly #periodic = new Set<Periodic>();
  #soon: Soon[] = [];
  #running: Soon[] = [];
  #nowMs: number;
  #nextMs = Number.POSITIVE_INFINITY;
  #waitedMs = 0;

  constructor(linux: Linux, clock: () => number) {
    this.linux = linux;
    this.poller = new Poller(linux);
    this.#clock = clock;
    this.#nowMs = clock();
  }

  /** Milliseconds of the clock at the last wake-up. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Milliseconds spent waiting for events since the start. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Runs `task` once, after the events of this round, and before the next wait. */
  soon(task: Soon): void {
    this.#soon.push(task);
  }

  every(periodMs: number, callback: () => void): () => void {
    const periodic = { periodMs, callback, nextMs: this.#clock() + periodMs };
    this.#periodic.add(periodic);
    this.#nextMs = Math.min(this.#nextMs, periodic.nextMs);
    return () => this.#periodic.delete(periodic);
  }

  /** One round; waits at most `waitMs`. */
  turn(waitMs: number = WAIT_MS_MAX): void {
    const wait = this.#wait(waitMs);
    const before = wait > 0 ? this.#clock() : 0;
    this.poller.poll(wait);
    this.#nowMs = this.#clock();
    if (wait > 0) this.#waitedMs += this.#nowMs - before;
    this.#runSoon();
    if (this.#nowMs >= this.#nextMs) this.#runPeriodic();
  }

  close(): void {
    // What was put off are mostly closings: they have to be told.
    while (this.#soon.length > 0) this.#runSoon();
    this.#periodic.clear();
    this.poller.close();
  }

  #wait(waitMs: number): number {
    if (this.#soon.length > 0) return 0;
    return Math.max(0, Math.min(waitMs, Math.ceil(this.#nextMs - this.#nowMs)));
  }

  #runSoon(): void {
    const tasks = this.#soon;
    if (tasks.length === 0) return;
    // Tasks put off by these run in the next round: sockets get their turn in between.
    this.#soon = this.#running;
    this.#running = tasks;
    for (let i = 0; i < tasks.length; i++) tasks[i]!.runSoon();
    tasks.length = 0;
  }

  #runPeriodic(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const periodic of this.#periodic) {
      if (periodic.nextMs <= this.#nowMs) {
        periodic.nextMs = this.#nowMs + periodic.periodMs;
        periodic.callback();
      }
      next = Math.min(next, periodic.nextMs);
    }
    this.#nextMs = next;
  }
}
