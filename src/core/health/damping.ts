/**
 * Flap damping: a target that goes down again and again is kept down for a while after it is well, longer each
 * time, so that clients are not sent to and fro.
 *
 *      falls within ten minutes    1   2   3    4     5     6     7   …
 *      kept down for               0   0   0   10 s  20 s  40 s  80 s  … up to the limit
 *
 * The time counts from the fall. A target that stays up for ten minutes is as good as new.
 */

/** Plain data: when the target fell, milliseconds, the latest last. */
export interface Damping {
  readonly falls: readonly number[];
}

export const NEVER_FELL: Damping = { falls: [] };

/** A fall counts for so long. */
export const FLAP_WINDOW_MS = 600_000;
/** So many falls within the window are nothing unusual: a deployment, a restart. */
export const FALLS_FREE = 3;
export const HOLD_FIRST_MS = 10_000;
/** More need not be remembered: twelve doublings are longer than any limit. */
const FALLS_MAX = FALLS_FREE + 12;

/** The record after one more fall. */
export function afterFall({ falls }: Damping, nowMs: number): Damping {
  const recent = falls.filter((atMs) => nowMs - atMs < FLAP_WINDOW_MS);
  return { falls: [...recent, nowMs].slice(-FALLS_MAX) };
}

/** Until when the target is kept down, by its last fall; a time that has passed where it is not. */
export function heldDownUntil({ falls }: Damping, limitMs: number): number {
  const last = falls.at(-1);
  if (last === undefined) return Number.NEGATIVE_INFINITY;
  const beyond = falls.length - FALLS_FREE;
  if (beyond <= 0) return last;
  return last + Math.min(HOLD_FIRST_MS * 2 ** (beyond - 1), limitMs);
}
