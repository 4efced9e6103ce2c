/**
 * One try of a probe: it settles exactly once, by its own result, by its deadline or by being called off, and
 * whatever it holds is released by then.
 */

import { describeFailure, isLocal } from './failure.js';

/** What a probe found. `detail` is a short text for people: `status 503, want 200–399`. */
export interface ProbeResult {
  readonly ok: boolean;
  readonly detail: string;
  readonly elapsedMs: number;
  /** The probe could not be made, for a reason of this host. It says nothing about the target, so `ok` does not count. */
  readonly local?: true;
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
  /** The attempt is over: with what was decided, else failed with this error, of the target or of this host. */
  fail(error: unknown): void;
  /** The attempt is over, and nothing is known of the target: this host can't ask it. */
  impossible(detail: string): void;
  /** What this host waits for before it can ask: if that takes too long, it is not the target's fault. */
  waitFor(what: string | undefined): void;
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
    let waitsFor: string | undefined;
    const elapsed = (): number => Math.max(clock() - startMs, 0);
    const decide = (ok: boolean, detail: string): void => {
      result ??= { ok, detail, elapsedMs: elapsed() };
    };
    const finish = (): void => {
      if (settled || !result) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      // On the next turn: `start` may settle before it has returned its release.
      queueMicrotask(() => release());
      resolve(result);
    };
    const settle = (ok: boolean, detail: string): void => {
      decide(ok, detail);
      finish();
    };
    const impossible = (detail: string): void => {
      result ??= { ok: false, detail, elapsedMs: elapsed(), local: true };
      finish();
    };
    const fail = (error: unknown): void => {
      if (isLocal(error)) impossible(describeFailure(error));
      else settle(false, describeFailure(error));
    };
    const waitFor = (what: string | undefined): void => {
      waitsFor = what;
    };
    const late = (): void => {
      if (waitsFor === undefined) settle(false, `timeout after ${timeoutMs} ms`);
      else impossible(`waited ${timeoutMs} ms for ${waitsFor}`);
    };
    const onAbort = (): void => settle(false, 'called off');
    const timer = setTimeout(late, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal?.aborted) onAbort();
      else release = start({ decide, settle, fail, impossible, waitFor });
    } catch (error) {
      fail(error);
    }
  });
}
