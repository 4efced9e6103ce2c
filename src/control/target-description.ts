/** What the API shows of a target and of each of its observers. */
import type { Verdict, View } from '../core/health/quorum.js';
import type { Quorum } from '../core/zone/model.js';
import { type Observation, viewAt } from './observation.js';

/** One observer's view as the API shows it. `ageMs` is absent before the first observation. */
export interface ObserverView {
  readonly observer: string;
  readonly region?: string;
  readonly view: View;
  readonly ageMs?: number;
  readonly detail: string;
}

export interface TargetDescription {
  readonly key: string;
  readonly quorum: Quorum;
  readonly verdict: Verdict;
  /** When the state (not its basis) last changed, milliseconds since 1970. */
  readonly sinceMs: number;
  readonly observers: readonly ObserverView[];
  /** Until when a flapping target is kept down, milliseconds since 1970. */
  readonly heldDownUntilMs?: number;
}

export function describeView(
  observer: string,
  observation: Observation | undefined,
  nowMs: number,
): ObserverView {
  if (!observation) return { observer, view: 'unknown', detail: 'no observation yet' };
  const { region, atMs, detail } = observation;
  return {
    observer,
    ...(region !== '' && { region }),
    view: viewAt(observation, nowMs),
    ageMs: Math.max(nowMs - atMs, 0),
    detail,
  };
}
