import { MIRROR_SKIPS } from '../core/http/mirror.js';
import { AS_CONFIGURED } from '../core/http/split.js';

/**
 * What routes share over all threads: the main thread writes the share of a canary, which the next request of every worker
 * reads; workers count what is rare. Slot 0 is for what found none: its share is never set.
 */

export const ROUTE_CELL_SLOTS = 1024;

export const ROUTE_CELL = {
  /** Of the second pool, of SPLIT_POSITIONS; AS_CONFIGURED: the weights of the configuration count. */
  SHARE: 0,
  /** Requests that went to another pool of their split, because theirs had no endpoint that is up. */
  DIVERTED: 1,
  /** Copies that were sent. */
  MIRRORED: 2,
  /** By MIRROR_SKIPS. */
  SKIPPED: 3,
} as const;

const STRIDE = 16;
export const ROUTE_COUNTERS: number = ROUTE_CELL.SKIPPED + MIRROR_SKIPS.length;

/** Views of the same memory in every thread. */
export class RouteCells {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Int32Array;

  /** `memory`: that of another thread; new where none is given. */
  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(4 * STRIDE * ROUTE_CELL_SLOTS);
    this.#cells = new Int32Array(this.memory);
    if (memory === undefined) for (let slot = 0; slot < ROUTE_CELL_SLOTS; slot++) this.clear(slot);
  }

  share(slot: number): number {
    return this.#cells[slot * STRIDE]!;
  }

  setShare(slot: number, share: number): void {
    Atomics.store(this.#cells, slot * STRIDE, share);
  }

  count(slot: number, cell: number): void {
    Atomics.add(this.#cells, slot * STRIDE + cell, 1);
  }

  /** A counter of 32 bits: it begins anew at 0 after 2^32. */
  counted(slot: number, cell: number): number {
    return Atomics.load(this.#cells, slot * STRIDE + cell) >>> 0;
  }

  /** For another route. */
  clear(slot: number): void {
    this.#cells.fill(0, slot * STRIDE, (slot + 1) * STRIDE);
    this.setShare(slot, AS_CONFIGURED);
  }
}
