/** What a pool gives when it can't serve a request. Plain data. */

import type { FixedResponse } from '../http/route-action.js';

export type FallbackModel =
  /** Another pool. */
  | { readonly pool: string }
  /** A page of our own. */
  | { readonly respond: FixedResponse };

/** Good responses that are kept for when endpoints fail (RFC 5861 §4). Times are milliseconds. */
export interface StaleModel {
  readonly forMs: number;
  /** Of the whole proxy; each thread has its part. */
  readonly bytes: number;
  /** Larger ones are not kept. */
  readonly bodyBytes: number;
}

/** `open`: with nobody healthy, everybody is tried. `secure`: nobody is. */
export type FailMode = 'open' | 'secure';

/** How a pool fails: what it says, or else what its panic mode means. */
export function failModeOf(pool: {
  readonly fail?: FailMode;
  readonly panic?: { readonly mode: FailMode };
}): FailMode {
  return pool.fail ?? pool.panic?.mode ?? 'secure';
}
