/**
 * One try of a probe: it settles exactly once, by its own result, by its deadline or by being called off, and
 * whatever it holds is released by then.
 */

import { describeFailure } from './failure.js';

/** What a probe found. `detail` is a short text for people: `status 503, want 200–399`. */
export interface ProbeResult {
  readonly ok: boolean;
  readonly detail: string;
  readonly elapsedMs: number;
}

export interface AttemptOptions {
  readonly timeoutMs: number;
  /** Calls the probe off: its target was removed or the program ends. */
  readonly signal?: AbortSignal;
  /** Milliseconds from any start; only differences are used. */
  readonly clock: () => number;
}

/** How the work of an attempt says what it found. Only the first call of each counts. */
export interface Outcome {
  /** The result is known, though there is something left to tidy up: later failures and the deadline don't change it. */
  decide(ok: boolean, detail: string): void;
  /** The attempt is over: with what was decided, else with this. */
  settle(ok: boolean, detail: string): void;
}

/**
 * Runs one attempt. `start` begins the work and returns how to end it; it may throw, which is a failure too.
 * Timers and listeners are gone when the promise settles; it never rejects.
 */
export function attempt(
  options: AttemptOptions,
  start: (outcome: Outcome) => () => void,
): Promise<ProbeResult> {
  const { timeoutMs, signal, clock } = options;
  const startMs = clock();
  return new Promise((resolve) => {
    let release = (): void => {};
    let result: ProbeResult | undefined;
    let settled = false;
    const decide = (ok: boolean, detail: string): void => {
      result ??= { ok, detail, elapsedMs: Math.max(clock() - startMs, 0) };
    };
    const settle = (ok: boolean, detail: string): void => {
      decide(ok, detail);
      if (settled || !result) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      // On the next turn: `start` may settle before it has returned its release.
      queueMicrotask(() => release());
      resolve(result);
    };
    const onAbort = (): void => settle(false, 'called off');
    const timer = setTimeout(() => settle(false, `timeout after ${timeoutMs} ms`), timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal?.aborted) onAbort();
      else release = start({ decide, settle });
    } catch (error) {
      settle(false, describeFailure(error));
    }
  });
}
