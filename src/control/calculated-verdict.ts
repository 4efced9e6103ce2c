/** The verdict of a target that is made from others, and what is shown of it. */

import { type Calculation, calculate, poolServes, weightUp } from '../core/health/calculated.js';
import type { Verdict } from '../core/health/quorum.js';
import type { Standing } from '../core/health/settle.js';
import type { ObserverView } from './target-description.js';

/** The parts by their keys, and what the zone file calls their monitors. */
export type CalculatedFrom = Calculation & {
  readonly keys: readonly string[];
  readonly names: readonly string[];
};

/** A part that is not known is as one that was never observed. */
type StandingOf = (key: string) => Standing | undefined;

/**
 * Held where nothing is known of any part; a part that is held counts with its last verdict. What has no parts, a record
 * of pools without monitors, is certain.
 */
export function calculatedVerdict(from: CalculatedFrom, standingOf: StandingOf): Verdict {
  const parts = from.keys.map((key) => standingOf(key)?.verdict);
  const isHeld = parts.length > 0 && parts.every((part) => (part?.basis ?? 'held') === 'held');
  return { ...calculate(from, statesOf(from, standingOf)), basis: isHeld ? 'held' : 'observers' };
}

/** What stands in the place of observers: each part, or each pool of the record. */
export function describeParts(
  from: CalculatedFrom,
  standingOf: StandingOf,
  nowMs: number,
): readonly ObserverView[] {
  if (from.kind === 'record') return describePools(from, statesOf(from, standingOf));
  return from.keys.map((key, i) => {
    const standing = standingOf(key);
    const observer = `monitor:${from.names[i] ?? ''}`;
    if (!standing) return { observer, view: 'unknown', detail: 'no observation yet' };
    const { verdict, sinceMs } = standing;
    const detail = `${verdict.up} of ${verdict.known} say up (${verdict.basis})`;
    return { observer, view: verdict.state, ageMs: Math.max(nowMs - sinceMs, 0), detail };
  });
}

function describePools(
  { pools }: Extract<Calculation, { readonly kind: 'record' }>,
  states: readonly ('up' | 'down')[],
): readonly ObserverView[] {
  return pools.map((pool) => {
    const wanted = pool.needed < 0 ? `${-pool.needed} endpoints` : String(pool.needed);
    const detail = `weight ${weightUp(pool, states)} is up, it needs ${wanted}`;
    return { observer: `pool:${pool.name}`, view: poolServes(pool, states) ? 'up' : 'down', detail };
  });
}

function statesOf({ keys }: CalculatedFrom, standingOf: StandingOf): readonly ('up' | 'down')[] {
  return keys.map((key) => standingOf(key)?.verdict.state ?? 'up');
}
