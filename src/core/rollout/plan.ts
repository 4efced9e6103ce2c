/**
 * A rollout: work moves from an old pool to a new one by steps, each of which is held for some time and judged. A canary has
 * several steps, blue-green a single one of 100 %. Nothing here knows what the work is: answers, requests, sessions.
 */

export interface RolloutStep {
  /** What part of the work the new pool gets, above 0 to 100. */
  readonly percent: number;
  /** How long it is held at least before the next one. */
  readonly seconds: number;
}

/** What the new pool has to hold to. Figures are those of the last `window_seconds`, at most since the step began. */
export interface RolloutAnalysis {
  /** Before the new pool has had so many requests nothing is concluded from them; 0: health alone counts. */
  readonly min_requests: number;
  readonly window_seconds: number;
  /** How far its error rate may be above that of the old pool, as a part of all requests: 0.01 is one percentage point. */
  readonly error_increase: number;
  /** How many times the 99th percentile of the old pool its own may be; 0: latency is not looked at. */
  readonly latency_ratio: number;
  /** What part of its endpoints, by weight, has to be up. */
  readonly min_healthy: number;
}

export const ANALYSIS_DEFAULT: RolloutAnalysis = {
  min_requests: 100,
  window_seconds: 60,
  error_increase: 0.01,
  latency_ratio: 1.5,
  min_healthy: 0.75,
};

export interface RolloutPlan {
  readonly steps: readonly RolloutStep[];
  readonly analysis: RolloutAnalysis;
  /** What happens when the new pool is worse: back to 0 %, or stay where it is until somebody decides. */
  readonly on_failure: 'rollback' | 'pause';
}

/** States that are kept. That a running one waits for volume is seen, not kept. */
export type RolloutState = 'running' | 'paused' | 'promoted' | 'rolled_back' | 'aborted';

/** What a pool did over the window. */
export interface RolloutFigures {
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds; absent where no latency is reported. */
  readonly p99_ms?: number;
}

/** What a decision rests on. */
export interface RolloutEvidence {
  readonly old?: RolloutFigures;
  readonly new?: RolloutFigures;
  /** Part of the new pool's weight that is up; absent where nobody knows. */
  readonly healthy?: number;
}

export type RolloutEvent =
  | 'started'
  | 'advanced'
  | 'paused'
  | 'resumed'
  | 'promoted'
  | 'rolled_back'
  | 'aborted';

export interface RolloutEntry {
  /** ISO 8601. */
  readonly at: string;
  readonly event: RolloutEvent;
  /** What the new pool gets from then on. */
  readonly percent: number;
  readonly by: string;
  readonly why?: string;
  readonly evidence?: RolloutEvidence;
}

export interface RolloutProgress {
  readonly state: RolloutState;
  /** Index of the step that holds, or held last. */
  readonly step: number;
  /** Since when, ISO 8601. */
  readonly step_at: string;
  /** What the old pool did when it was last known well: what is compared with once it gets no work any more. */
  readonly baseline?: { readonly error_rate: number; readonly p99_ms?: number };
  /** The last ones, oldest first. */
  readonly history: readonly RolloutEntry[];
}

export const STEPS_MAX = 20;
export const STEP_SECONDS_MAX = 7 * 86_400;
export const WINDOW_SECONDS_MIN = 5;
export const WINDOW_SECONDS_MAX = 3_600;
export const HISTORY_MAX = 50;

export function isLive({ state }: Pick<RolloutProgress, 'state'>): boolean {
  return state === 'running' || state === 'paused';
}

/** What part of the work the new pool gets now. */
export function percentOf({ state, step, steps }: RolloutProgress & Pick<RolloutPlan, 'steps'>): number {
  if (state === 'promoted') return 100;
  return isLive({ state }) ? (steps[step]?.percent ?? 0) : 0;
}

/** What is wrong with steps; undefined for nothing. They rise, and end with all. */
export function stepsMistake(steps: readonly RolloutStep[]): string | undefined {
  if (steps.length === 0 || steps.length > STEPS_MAX) return `want 1 to ${STEPS_MAX} steps`;
  let before = 0;
  for (const { percent, seconds } of steps) {
    if (!(percent > before && percent <= 100)) return 'want percentages that rise, above 0 to 100';
    if (!(seconds >= 0 && seconds <= STEP_SECONDS_MAX)) {
      return `want times of at most ${STEP_SECONDS_MAX / 86_400} days`;
    }
    before = percent;
  }
  return before === 100 ? undefined : 'want 100 as the last percentage';
}
