import { afterFall, type Damping, heldDownUntil, NEVER_FELL } from './damping.js';
import type { Judgement } from './judgement.js';
import type { Verdict } from './quorum.js';
import { rampShare } from './ramp.js';
import { SHARE_FULL } from './word.js';

/** Where a target stands: the verdict that counts, and what is remembered of its falls and returns. Plain data. */
export interface Standing {
  readonly verdict: Verdict;
  /** When the state (not its basis) last changed, milliseconds. */
  readonly sinceMs: number;
  readonly damping: Damping;
  /** The last change was a return: the ramp counts from `sinceMs`. */
  readonly returned: boolean;
}

/** Before the first observation. */
export function newStanding(last: 'up' | 'down', nowMs: number): Standing {
  const verdict: Verdict = { state: last, basis: 'held', up: 0, known: 0 };
  return { verdict, sinceMs: nowMs, damping: NEVER_FELL, returned: false };
}

/** The standing after one more count of the observers: flap damping may keep down what the count calls up. */
export function settle(
  current: Standing,
  count: Verdict,
  { holdDownMs }: Pick<Judgement, 'holdDownMs'>,
  nowMs: number,
): Standing {
  const before = current.verdict.state;
  const { damping } = current;
  if (count.state === before) return { ...current, verdict: count };
  if (count.state === 'down') {
    return { verdict: count, sinceMs: nowMs, damping: afterFall(damping, nowMs), returned: false };
  }
  if (nowMs < heldDownUntil(damping, holdDownMs)) {
    return { ...current, verdict: { ...count, state: 'down', basis: 'damped' } };
  }
  return { verdict: count, sinceMs: nowMs, damping, returned: true };
}

/** What part of its weight the target takes, in 256ths: 1 to 256. */
export function shareNow({ verdict, sinceMs, returned }: Standing, rampMs: number, nowMs: number): number {
  return returned && verdict.state === 'up' ? rampShare(nowMs - sinceMs, rampMs) : SHARE_FULL;
}
