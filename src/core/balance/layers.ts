/**
 * Which endpoints of a pool take requests now, and how much of them: priorities with overflow, backups, panic. A
 * decision made anew at every change of health or weights, never for a request.
 */

import type { FailMode } from './degradation.js';
import type { PanicModel } from './model.js';
import type { Candidate } from './picker.js';
import { SLOW_START_STEPS } from './slow-start.js';

/** An endpoint as it is now. */
export interface Member {
  readonly index: number;
  readonly identity: number;
  /** 0 to 1000. */
  readonly weight: number;
  /** Slow start: SLOW_START_STEPS when it is over. */
  readonly steps: number;
  readonly priority: number;
  readonly backup: boolean;
  /** Up, and not ejected. */
  readonly healthy: boolean;
  /** Takes nobody new, whatever happens. */
  readonly draining: boolean;
  /** Its circuit breaker is open: like `draining`, but it counts as a part of its pool that isn't healthy. */
  readonly barred?: boolean;
}

export interface LayerPolicy {
  readonly overprovisioning: number;
  readonly panic: PanicModel | null;
  /** With nobody healthy, whatever `panic` says; absent: secure. */
  readonly fail?: FailMode;
}

/** Candidates that share a part of the requests. */
export interface Layer {
  readonly candidates: readonly Candidate[];
  /** Part of the requests, 0 to 1. All layers together have 1, or 0 if there is nothing to give. */
  readonly load: number;
}

export interface Arrangement {
  /** In the order of priority. Without candidates but with load: these requests are refused (`panic: secure`). */
  readonly layers: readonly Layer[];
  /** For requests that no layer can take. */
  readonly spare: readonly Candidate[];
  /** Endpoints are used although they aren't healthy, or refused although they are. */
  readonly panic: boolean;
}

const NOTHING: Arrangement = { layers: [], spare: [], panic: false };

/**
 * Healthy endpoints with a weight share the requests by priority. If there are none, the first that exists stands in:
 * healthy backups; healthy endpoints of weight 0; with `panic: open` all that aren't draining.
 */
export function arrange(
  members: readonly Member[],
  { overprovisioning, panic, fail }: LayerPolicy,
): Arrangement {
  const present = members.filter(({ draining }) => !draining);
  const levels = levelsOf(present.filter(({ backup, weight }) => !backup && weight > 0));
  const spare = candidatesOf(
    present.filter(({ backup, healthy, weight }) => backup && healthy && weight > 0),
  );
  const health = levels.map(({ part }) => Math.min(1, part * overprovisioning));
  const sum = health.reduce((all, one) => all + one, 0);
  if (sum === 0) return standIns(present, levels, spare, panic?.mode ?? fail ?? null);

  // With a backup up there is no need to panic; nor while what is healthy can carry everything.
  const threshold = panic === null || sum >= 1 || spare.length > 0 ? 0 : panic.threshold;
  let left = 1;
  let panics = false;
  const layers = levels.flatMap(({ members: own, part }, i): Layer[] => {
    const load = sum < 1 ? health[i]! / sum : Math.min(left, health[i]!);
    left -= load;
    if (part < threshold) {
      panics = true;
      return [{ load, candidates: panic?.mode === 'open' ? candidatesOf(own.filter(unbarred)) : [] }];
    }
    const healthy = own.filter(({ healthy }) => healthy);
    return healthy.length === 0 ? [] : [{ load, candidates: candidatesOf(healthy) }];
  });
  return { layers, spare, panic: panics };
}

interface Level {
  readonly members: readonly Member[];
  /** The part of its weight that is healthy. */
  readonly part: number;
}

function levelsOf(members: readonly Member[]): readonly Level[] {
  const priorities = [...new Set(members.map(({ priority }) => priority))].sort((a, b) => a - b);
  return priorities.map((wanted) => {
    const own = members.filter(({ priority }) => priority === wanted);
    return { members: own, part: weightOf(own.filter(({ healthy }) => healthy)) / weightOf(own) };
  });
}

function standIns(
  present: readonly Member[],
  levels: readonly Level[],
  spare: readonly Candidate[],
  fail: FailMode | null,
): Arrangement {
  if (spare.length > 0) return { layers: [{ load: 1, candidates: spare }], spare: [], panic: false };
  const weightless = present.filter(({ healthy, weight }) => healthy && weight === 0);
  if (weightless.length > 0) return oneLayer(weightless, false);
  if (fail === null) return NOTHING;
  if (fail === 'secure') return { ...NOTHING, panic: present.length > 0 };
  const weighted = levels.flatMap(({ members }) => members);
  return oneLayer((weighted.length > 0 ? weighted : present).filter(unbarred), true);
}

function unbarred({ barred }: Member): boolean {
  return barred !== true;
}

function oneLayer(members: readonly Member[], panic: boolean): Arrangement {
  if (members.length === 0) return NOTHING;
  return { layers: [{ load: 1, candidates: candidatesOf(members) }], spare: [], panic };
}

/** Weight 0 counts as 1: it gets here only where there is nothing else. */
function candidatesOf(members: readonly Member[]): Candidate[] {
  const ramping = members.some(({ steps }) => steps < SLOW_START_STEPS);
  return members.map(({ index, identity, weight, steps }) => ({
    index,
    identity,
    weight: Math.max(weight, 1) * (ramping ? steps : 1),
    share: steps / SLOW_START_STEPS,
  }));
}

function weightOf(members: readonly Member[]): number {
  return members.reduce((sum, { weight }) => sum + weight, 0);
}
