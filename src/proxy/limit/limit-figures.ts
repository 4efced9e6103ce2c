import type { LimitTotals } from './limit-store.js';
import type { RegionResult } from './region-exchange.js';

/** What is known of limits and lists now: for metrics and status. */
export interface LimitFigures {
  readonly limits: readonly LimitTotals[];
  /** Null while there are no limits. */
  readonly table: { readonly keys: number; readonly held: number; readonly evicted: number } | null;
  /** Null for a proxy that shares its limits with nobody. */
  readonly region: {
    readonly messages: Readonly<Record<RegionResult, number>>;
    readonly peers: readonly { readonly name: string; readonly state: string }[];
  } | null;
}
