import { byChance } from './chance.js';
import type { RolloutAnalysis, RolloutEvidence, RolloutFigures, RolloutProgress } from './plan.js';

/** What is seen of both pools at a moment. */
export interface RolloutObservation extends RolloutEvidence {
  /** Why it must not go on now: reports are old, somebody steers one of the pools. */
  readonly hold?: string;
  /** A pool that is there no more. */
  readonly gone?: 'old' | 'new';
}

export type RolloutVerdict =
  | { readonly verdict: 'good' }
  | { readonly verdict: 'bad'; readonly why: string }
  /** Nothing is known that would let it go on, or end it. */
  | { readonly verdict: 'hold'; readonly why: string }
  | { readonly verdict: 'waiting'; readonly why: string };

/** A 99th percentile of 3 ms after 1 ms is no failure: it has to be longer by so much, too. */
const LATENCY_SLACK_MS = 10;
/** With less than one request for so many of the new pool, the old one is taken as it was at the last step. */
const OLD_PART_MIN = 4;

/**
 * Judges the new pool. Errors are bad where they are more than what is allowed, and chance, explain. What is bad for certain is so
 * before the volume is reached: errors are measured against `min_requests` while there are fewer requests, as if all that are
 * missing went well. What holds a rollout does not keep it from ending.
 */
export function judge(
  analysis: RolloutAnalysis,
  baseline: RolloutProgress['baseline'],
  { hold, healthy, old, new: young }: RolloutObservation,
): RolloutVerdict {
  if (healthy !== undefined && healthy < analysis.min_healthy) {
    const why = `${percent(healthy)} of the new pool is up, less than ${percent(analysis.min_healthy)}`;
    return { verdict: 'bad', why };
  }
  const { min_requests: wanted } = analysis;
  const held: RolloutVerdict | undefined =
    hold !== undefined
      ? { verdict: 'hold', why: hold }
      : healthy === undefined
        ? { verdict: 'hold', why: 'the health of the new pool is not known' }
        : undefined;
  if (wanted === 0) return held ?? { verdict: 'good' };
  const has = young ?? { requests: 0, errors: 0 };
  const now = baselineOf(analysis, old);
  // The last requests of a pool that gets no more are too few to be measured by.
  const isEnough = old !== undefined && old.requests >= has.requests / OLD_PART_MIN;
  const before = isEnough ? (now ?? baseline) : (baseline ?? now);
  const allowed = (before?.error_rate ?? 0) + analysis.error_increase;
  const counted = Math.max(has.requests, wanted);
  const measured = before === now && old ? old.requests / counted : undefined;
  if (has.errors > byChance(allowed * counted, measured)) {
    const why = `the new pool fails ${percent(rateOf(has))} of ${has.requests} requests, the old one ${percent(before?.error_rate ?? 0)}`;
    return { verdict: 'bad', why };
  }
  if (has.requests < wanted) {
    return held ?? { verdict: 'waiting', why: `${has.requests} requests of the ${wanted} that are wanted` };
  }
  const slower = latencyWhy(analysis.latency_ratio, has.p99_ms, before?.p99_ms);
  return slower === undefined ? (held ?? { verdict: 'good' }) : { verdict: 'bad', why: slower };
}

/** What the old pool shows, where it has enough volume to be compared with. */
export function baselineOf(
  { min_requests: wanted }: RolloutAnalysis,
  old: RolloutFigures | undefined,
): RolloutProgress['baseline'] {
  if (!old || old.requests < Math.max(wanted, 1)) return undefined;
  return { error_rate: rateOf(old), ...(old.p99_ms !== undefined && { p99_ms: old.p99_ms }) };
}

function latencyWhy(ratio: number, now: number | undefined, before: number | undefined): string | undefined {
  if (ratio === 0 || now === undefined || before === undefined) return undefined;
  if (now <= before * ratio || now <= before + LATENCY_SLACK_MS) return undefined;
  return `99 % of the new pool's answers take up to ${Math.round(now)} ms, of the old one's ${Math.round(before)} ms`;
}

function rateOf({ requests, errors }: RolloutFigures): number {
  return requests > 0 ? Math.min(errors / requests, 1) : 0;
}

function percent(part: number): string {
  return `${Math.round(part * 1000) / 10} %`;
}
