import { SPLIT_SECRET_BYTES } from '../core/http/split-cookie.js';
import type { SplitModules } from './l7/pool-split.js';
import { RouteCells } from './route-cells.js';

/** What goes to a worker when it starts; plain data. */
export interface SharedRouting {
  /** Of `RouteCells`. */
  readonly memory: SharedArrayBuffer;
  /** For cookies of splits, SPLIT_SECRET_BYTES each. */
  readonly secrets: readonly Uint8Array[];
}

/** The worker's side of it; for a proxy alone, with a secret that nobody else knows. */
export function sharingOf(shared: SharedRouting | undefined): SplitModules {
  return {
    cells: new RouteCells(shared?.memory),
    secrets: shared?.secrets ?? [crypto.getRandomValues(new Uint8Array(SPLIT_SECRET_BYTES))],
    random: Math.random,
  };
}
