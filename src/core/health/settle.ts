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
  /** The observers have decided once: what is held is more than the guess of a start. */
  readonly decided: boolean;
  /** Enough observers are back since the verdict was held; until then it holds on. */
  readonly graceUntilMs?: number;
}

/**
 * When a network heals, those that were cut off together are heard first, and tell what they saw alone. After a verdict was
 * held, it is kept for so long against a count that says otherwise, until everybody had the time to report: a report
 * under way runs into its time limit of 1.5 s, and half a second later the next one comes.
 */
export const REUNION_GRACE_MS = 4_000;

/** Before the first observation. */
export function newStanding(last: 'up' | 'down', nowMs: number): Standing {
  const verdict: Verdict = { state: last, basis: 'held', up: 0, known: 0 };
  return { verdict, sinceMs: nowMs, damping: NEVER_FELL, returned: false, decided: false };
}

/** What settles a verdict, beside the count. */
export interface Settling extends Pick<Judgement, 'holdDownMs'> {
  /** How long a verdict that was held outlasts the return of its observers. */
  readonly graceMs: number;
}

/**
 * The standing after one more count of the observers. A verdict that was held is given up only after a grace
 * period, and flap damping may keep down what the count calls up.
 */
export function settle(current: Standing, count: Verdict, settling: Settling, nowMs: number): Standing {
  const { graceUntilMs: _, ...rest } = current;
  if (count.basis === 'held') return { ...rest, verdict: count };
  const before = current.verdict.state;
  const graceUntilMs = graceOf(current, settling, nowMs);
  const grace = nowMs < graceUntilMs && { graceUntilMs };
  const decided = true;
  if (count.state === before) return { ...rest, verdict: count, decided, ...grace };
  if (grace) return { ...rest, verdict: { ...count, state: before, basis: 'held' }, ...grace };
  const { damping } = current;
  if (count.state === 'down') {
    return { verdict: count, sinceMs: nowMs, damping: afterFall(damping, nowMs), returned: false, decided };
  }
  if (nowMs < heldDownUntil(damping, settling.holdDownMs)) {
    return { ...rest, verdict: { ...count, state: 'down', basis: 'damped' }, decided };
  }
  return { verdict: count, sinceMs: nowMs, damping, returned: true, decided };
}

/** Until when the verdict holds: it begins with the first count after a hold, and runs on though counts change. */
function graceOf({ verdict, decided, graceUntilMs }: Standing, { graceMs }: Settling, nowMs: number): number {
  if (graceUntilMs !== undefined) return graceUntilMs;
  return decided && verdict.basis === 'held' ? nowMs + graceMs : nowMs;
}

/** What part of its weight the target takes, in 256ths: 1 to 256. */
export function shareNow({ verdict, sinceMs, returned }: Standing, rampMs: number, nowMs: number): number {
  return returned && verdict.state === 'up' ? rampShare(nowMs - sinceMs, rampMs) : SHARE_FULL;
}
