import type { FromWorker } from './protocol.js';

const FAULT_INTERVAL_MS = 1000;

/** Tells the main thread of exceptions in the query path, at most one a second. */
export function faultReporter(
  say: (message: FromWorker) => void,
  now: () => number,
): (error: unknown) => void {
  let nextMs = 0;
  return (error) => {
    if (now() < nextMs) return;
    nextMs = now() + FAULT_INTERVAL_MS;
    say({ type: 'fault', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  };
}
