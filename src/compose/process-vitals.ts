import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

/** Reports to several receivers are made one after the other: they shall tell the same. */
const KEPT_MS = 500;
const RESOLUTION_MS = 20;

/** How this process does, as seen from the main thread. */
export class ProcessVitals {
  readonly #lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #before = performance.eventLoopUtilization();
  #readMs = Number.NEGATIVE_INFINITY;
  #cpu = 0;
  #lagMs = 0;

  constructor() {
    this.#lag.enable();
  }

  /** Part of the time that the main thread worked since it was last asked, 0 to 1. */
  get cpu(): number {
    this.#read();
    return this.#cpu;
  }

  /** How late a timer of the main thread was at worst since it was last asked, milliseconds. */
  get loopLagMs(): number {
    this.#read();
    return this.#lagMs;
  }

  get memoryBytes(): number {
    return process.memoryUsage.rss();
  }

  close(): void {
    this.#lag.disable();
  }

  #read(): void {
    const now = performance.now();
    if (now - this.#readMs < KEPT_MS) return;
    this.#readMs = now;
    const utilisation = performance.eventLoopUtilization();
    this.#cpu = performance.eventLoopUtilization(utilisation, this.#before).utilization;
    this.#before = utilisation;
    // What is measured is the time between two timers; what is beyond the resolution is the delay.
    const worstMs = this.#lag.max / 1e6 - RESOLUTION_MS;
    this.#lagMs = Number.isFinite(worstMs) ? Math.round(Math.max(worstMs, 0) * 100) / 100 : 0;
    this.#lag.reset();
  }
}
