import type { TargetState } from '../core/health/target.js';
import { retryIntervalMs } from '../core/zone/check.js';
import type { MonitorCommon } from '../core/zone/model.js';
import type { ProbeResult } from './attempt.js';
import type { Check } from './probe.js';
import type { WheelTimer } from './timer-wheel.js';

/** The parts of a monitor that the scheduler and its probes need. */
export type ProbeMonitor = Check &
  Pick<MonitorCommon, 'intervalMs' | 'retryMs' | 'fall' | 'rise' | 'okReset'>;

export interface ProbeTarget {
  readonly key: string;
  /** Address or name to connect to. */
  readonly host: string;
  readonly monitor: ProbeMonitor;
}

/** One question that is asked again and again, for all targets that would ask it. */
export interface Job {
  readonly identity: string;
  /** The monitor's settings: jobs with the same ones share their turns. */
  readonly group: string;
  readonly host: string;
  readonly monitor: ProbeMonitor;
  readonly keys: Set<string>;
  state: TargetState;
  last: ProbeResult | undefined;
  /** Until the next run while waiting, until it is given up while running. */
  readonly timer: WheelTimer;
  /** When the present or last run began, and when the next one is to begin. */
  startMs: number;
  nextMs: number;
  /** Present while running. */
  controller: AbortController | undefined;
}

/**
 * Intervals count from start to start, so that slow answers don't slow the detection of a failure. While the last
 * result speaks against the state, a change is under way: the next probes come sooner.
 */
export function periodMs({ monitor, state }: Job, { ok, local }: ProbeResult): number {
  const settled = !local && ok === (state.state === 'up');
  return settled ? monitor.intervalMs : retryIntervalMs(monitor);
}

/** Everything that makes two targets' probes and their judgement the same. */
export function identityOf({ host, monitor }: ProbeTarget): string {
  return `${host} ${settingsOf(monitor)}`;
}

const JUDGED: ReadonlySet<string> = new Set(['name', 'quorum', 'judgement']);

const settings = new WeakMap<ProbeMonitor, string>();

/** All of a monitor but its name and what becomes of its results, and without a check of certificates where there are none. */
export function settingsOf(monitor: ProbeMonitor): string {
  const known = settings.get(monitor);
  if (known !== undefined) return known;
  const entries = Object.entries(monitor).filter(([key]) => !JUDGED.has(key));
  const asked = monitor.type === 'http' ? entries.filter(([key]) => key !== 'verify') : entries;
  const text = JSON.stringify(asked.sort(([a], [b]) => (a < b ? -1 : 1)));
  settings.set(monitor, text);
  return text;
}
