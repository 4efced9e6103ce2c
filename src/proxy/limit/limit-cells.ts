import { BUCKET_SLOTS } from '../../core/limit/bucket-table.js';

/** What one thread counts of each limit, in memory that the main thread reads. */
export const LIMIT_CELL = {
  PASSED: 0,
  REFUSED: 1,
  /** Would have been refused. */
  DRY_RUN: 2,
  /** Requests without the header that the limit goes by. */
  WITHOUT_KEY: 3,
  STRIDE: 4,
} as const;

export function limitCellsBytes(): number {
  return 8 * LIMIT_CELL.STRIDE * BUCKET_SLOTS;
}

/** The cells of one limit. */
export function limitCells(memory: SharedArrayBuffer, slot: number): Float64Array {
  return new Float64Array(memory, 8 * LIMIT_CELL.STRIDE * slot, LIMIT_CELL.STRIDE);
}
