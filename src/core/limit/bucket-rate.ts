/**
 * How time is counted in the accounts of a limit: in ticks, so that a request costs a whole number of them. An account holds
 * the time at which it will be free of debt, as 32 bits that wrap, so a tick is as long as the time of a full burst needs.
 */

/** A full burst, at most: an eighth of what is told apart from the past, and room for the debt of other proxies. */
const WINDOW_TICKS_MAX = 2 ** 27;
/** The clock wraps after 268 s or more. */
const TICKS_PER_MS_MAX = 16_000;
/** What others used may be so much more than a burst: it is paid back, not forgiven. */
const OVERDRAFT_MS = 2_000;

export interface BucketRate {
  readonly ticksPerMs: number;
  /** Of one request. */
  readonly cost: number;
  /** Debt up to which requests pass. */
  readonly tolerance: number;
  /** Debt beyond this is forgiven. */
  readonly debtMax: number;
}

/** How many proxies share a limit, and how many of them this one hears now, itself included. */
export interface RegionShare {
  readonly proxies: number;
  readonly heard: number;
}

export const ALONE: RegionShare = { proxies: 1, heard: 1 };

/**
 * Proxies that have not heard of each other yet let pass at most so many bursts together: one that is due, and nearly one too
 * many. What each lets pass until it notices that it is alone is part of that.
 */
const BURSTS_OF_REGION = 1.9;
const NOTICE_MS = 450;

/**
 * The rate of `requests` in `periodMs`, each above 0, with a burst of at least 1. A proxy that does not hear the others of its
 * region takes its part of the rate and of the burst only: so the parts add up to the limit, whoever hears whom.
 */
export function bucketRate(
  limit: { readonly requests: number; readonly periodMs: number; readonly burst: number },
  { proxies, heard }: RegionShare = ALONE,
): BucketRate {
  const intervalMs = limit.periodMs / limit.requests;
  const ticksMost = Math.min(TICKS_PER_MS_MAX, WINDOW_TICKS_MAX / (limit.burst * intervalMs));
  const whole = Math.max(1, Math.floor(intervalMs * ticksMost));
  const ticksPerMs = whole / intervalMs;
  const cost = Math.round((whole * proxies) / heard);
  const burst = limit.burst * burstPart(limit.burst * intervalMs, proxies);
  const tolerance = Math.max(cost, Math.floor(whole * burst));
  const overdraft = Math.max(whole * limit.burst, Math.ceil(OVERDRAFT_MS * ticksPerMs));
  return { ticksPerMs, cost, tolerance, debtMax: tolerance + Math.min(overdraft, 2 ** 28) };
}

/** Which part of a burst each proxy lets pass at once; `windowMs`: how long it takes until a burst is back. */
function burstPart(windowMs: number, proxies: number): number {
  if (proxies === 1) return 1;
  const unnoticed = ((proxies - 1) * NOTICE_MS) / windowMs;
  return Math.min(1, Math.max(1, BURSTS_OF_REGION - unnoticed) / proxies);
}
