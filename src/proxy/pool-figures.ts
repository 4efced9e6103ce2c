import { FigureWindow } from '../core/rollout/figures.js';
import type { RolloutFigures } from '../core/rollout/plan.js';
import { LATENCY_BUCKETS } from '../core/tally/latency.js';
import { POOL_CELL } from './cells.js';

/** What one pool did over the last time, of its counters summed over all workers. */
export class PoolFigures {
  readonly #window: FigureWindow;
  #before: Float64Array | null = null;
  /** Failures of tries that no client saw, at the last time. */
  #hidden = 0;

  constructor(windowMs: number) {
    this.#window = new FigureWindow(windowMs);
  }

  /**
   * Takes the counters of now, as POOL_CELL says. Those that went back are another pool's: it begins anew.
   *
   * @param endpointErrors errors of all endpoints of the pool: there are more of them than of the pool where a retry hid some.
   */
  take(nowMs: number, cells: Float64Array, endpointErrors: number): void {
    const before = this.#before;
    const hidden = Math.max(endpointErrors - cells[POOL_CELL.ERRORS]!, this.#hidden);
    const hiddenSince = hidden - this.#hidden;
    this.#before = cells.slice();
    this.#hidden = hidden;
    if (before === null) return;
    const since = (cell: number): number => cells[cell]! - before[cell]!;
    const ok = since(POOL_CELL.OK);
    const failed = FAILURES.reduce((sum, cell) => sum + since(cell), hiddenSince);
    if (ok < 0 || failed < 0) return;
    // Requests that ended: one that hangs is no evidence yet.
    const latency = Float64Array.from({ length: LATENCY_BUCKETS }, (_, i) => since(POOL_CELL.LATENCY + i));
    this.#window.add(nowMs, { requests: ok + failed, errors: failed, latency });
  }

  /** As `FigureWindow.sum`. */
  sum(nowMs: number, how: { readonly cautious?: boolean } = {}): RolloutFigures {
    return this.#window.sum(nowMs, how);
  }

  /** As `FigureWindow.lately`. */
  lately(nowMs: number, stepMs: number): RolloutFigures {
    return this.#window.lately(nowMs, stepMs);
  }

  clear(): void {
    this.#window.clear();
  }
}

const FAILURES = [POOL_CELL.ERRORS, POOL_CELL.CONNECT_FAILURES, POOL_CELL.TIMEOUTS, POOL_CELL.SHED] as const;
