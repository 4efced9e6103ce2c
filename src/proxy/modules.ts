/** What every part of the proxy is given instead of reaching for it. */

/** The part of a pino logger that is used here. */
export interface ProxyLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** Milliseconds that never go back; the zero is arbitrary. */
export type MonotonicClock = () => number;

export interface Timers {
  set(callback: () => void, delayMs: number): unknown;
  clear(timer: unknown): void;
}

/** Timers that don't keep the process alive. */
export const SYSTEM_TIMERS: Timers = {
  set: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
