import { Ledger } from './ledger.js';
import type { FromWorker, WorkerStart } from './protocol.js';

/** The ledger of the worker that this thread is; null where none was asked for. */
export function openLedger(
  { ledger, seed }: Pick<WorkerStart, 'ledger' | 'seed'>,
  say: (message: FromWorker) => void,
): Ledger | null {
  if (!ledger) return null;
  return new Ledger(ledger.options, ledger.memory, {
    monotonic: () => performance.now(),
    now: Date.now,
    seed,
    key: ledger.key,
    onLimit: (event) => say({ type: 'limit', event }),
  });
}
