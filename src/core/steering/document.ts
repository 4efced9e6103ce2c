/**
 * The steering document: all that operators set apart from the zone files, as one JSON value that is kept as a revision.
 * Times are ISO 8601 in UTC, durations seconds. Entries of `forces` and `dials` are named by their targets
 * (`target.ts`), those of `maintenance` by an id.
 */

import type { RolloutPlan, RolloutProgress } from '../rollout/plan.js';

/** Who set an entry, when, why, and until when it counts. */
export interface SteeringNote {
  readonly by: string;
  readonly at: string;
  readonly reason?: string;
  /** Absent: until somebody takes it back. */
  readonly until?: string;
}

/**
 * `up`: used, whatever probes say. `down`: never used, not even where everything is down. `drain`: no new answers, but
 * counts as usable where everything is down.
 */
export type ForcedState = 'up' | 'down' | 'drain';

export interface Force extends SteeringNote {
  readonly state: ForcedState;
}

/** What part of its answers a pool keeps. Dials of a region and of its pools are multiplied. */
export interface Dial extends SteeringNote {
  /** 0 to 100; 0 drains. */
  readonly percent: number;
  /** The way there, from another percentage, in a straight line. */
  readonly ramp?: { readonly from: number; readonly start: string; readonly seconds: number };
}

export const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Day = (typeof DAYS)[number];

export interface OneWindow {
  readonly start: string;
  readonly end: string;
}

/** Every week, at a time of day where the time zone is. */
export interface WeeklyWindow {
  readonly days: readonly Day[];
  /** `HH:MM`. */
  readonly time: string;
  readonly seconds: number;
  /** IANA name, such as `Europe/Berlin`. */
  readonly timezone: string;
}

export interface Maintenance extends SteeringNote {
  readonly target: string;
  readonly action: 'drain' | 'down';
  readonly window: OneWindow | WeeklyWindow;
}

/** The clients of a pool go over to another one of its zone. */
export interface Rollout extends RolloutPlan, RolloutProgress, Omit<SteeringNote, 'until'> {
  /** An origin with its trailing dot. */
  readonly zone: string;
  readonly from: string;
  readonly to: string;
}

export interface SteeringDocument {
  readonly forces: Readonly<Record<string, Force>>;
  readonly dials: Readonly<Record<string, Dial>>;
  readonly maintenance: Readonly<Record<string, Maintenance>>;
  /** Canary and blue-green, by name. Only `control/rollouts.ts` changes them. */
  readonly rollouts: Readonly<Record<string, Rollout>>;
}

export const EMPTY_STEERING: SteeringDocument = { forces: {}, dials: {}, maintenance: {}, rollouts: {} };

export const FORCES_MAX = 1_000;
export const DIALS_MAX = 1_000;
export const MAINTENANCE_MAX = 200;
export const ROLLOUTS_MAX = 100;
export const REASON_LENGTH_MAX = 500;
export const AUTHOR_LENGTH_MAX = 128;
/** The longest ramp, the longest time an entry may be set for, and the longest window. */
export const RAMP_SECONDS_MAX = 7 * 86_400;
export const UNTIL_SECONDS_MAX = 366 * 86_400;
export const WEEKLY_SECONDS_MAX = 86_400;

/** How far a dial is, percent. */
export function percentAt({ percent, ramp }: Dial, nowMs: number): number {
  if (!ramp) return percent;
  const done = (nowMs - Date.parse(ramp.start)) / (ramp.seconds * 1000);
  if (!(done < 1)) return percent;
  return ramp.from + (percent - ramp.from) * Math.max(done, 0);
}

/** When a dial arrives; NaN where it is not under way. */
export function rampEndMs({ ramp }: Dial): number {
  return ramp ? Date.parse(ramp.start) + ramp.seconds * 1000 : Number.NaN;
}

export function isExpired({ until }: SteeringNote, nowMs: number): boolean {
  return until !== undefined && Date.parse(until) <= nowMs;
}

/** The document without what counts no more, or the same one where everything does. */
export function pruned(document: SteeringDocument, nowMs: number): SteeringDocument {
  const forces = kept(document.forces, (force) => !isExpired(force, nowMs));
  const dials = kept(document.dials, (dial) => !isExpired(dial, nowMs) && !isIdle(dial, nowMs));
  const maintenance = kept(
    document.maintenance,
    (entry) => !isExpired(entry, nowMs) && !isOver(entry, nowMs),
  );
  if (forces === document.forces && dials === document.dials && maintenance === document.maintenance) {
    return document;
  }
  return { ...document, forces, dials, maintenance };
}

/** A dial that has arrived at 100 % says nothing any more. */
function isIdle(dial: Dial, nowMs: number): boolean {
  return dial.percent >= 100 && !(rampEndMs(dial) > nowMs);
}

function isOver({ window }: Maintenance, nowMs: number): boolean {
  return 'end' in window && Date.parse(window.end) <= nowMs;
}

function kept<T>(
  entries: Readonly<Record<string, T>>,
  isWanted: (entry: T) => boolean,
): Readonly<Record<string, T>> {
  const wanted = Object.entries(entries).filter(([, entry]) => isWanted(entry));
  return wanted.length === Object.keys(entries).length ? entries : Object.fromEntries(wanted);
}
