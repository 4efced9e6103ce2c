import { ANALYSIS_DEFAULT } from '../../src/core/rollout/plan.js';
import {
  EMPTY_STEERING,
  type ForcedState,
  type Rollout,
  type SteeringDocument,
} from '../../src/core/steering/document.js';
import { heldAt, type PoolPlace } from '../../src/core/steering/held.js';
import { markSnapshot } from '../../src/core/steering/marks.js';
import { poolOfGroup } from '../../src/core/zone/pool-groups.js';
import type { QueryRig } from './query-rig.js';

const NOTE = { by: 'ann', at: '2026-05-01T12:00:00Z' };

/** What to steer: states of forces, and percentages of dials, by target. */
export interface Steered {
  readonly forces?: Readonly<Record<string, ForcedState>>;
  readonly dials?: Readonly<Record<string, number>>;
  /** Percentages by `FROM>TO`, in the zone example.com. */
  readonly rollouts?: Readonly<Record<string, number>>;
}

/** Steers what a rig answers from, in place of what was steered before. */
export function steerRig(rig: QueryRig, { forces = {}, dials = {}, rollouts = {} }: Steered): void {
  const document: SteeringDocument = {
    ...EMPTY_STEERING,
    forces: Object.fromEntries(Object.entries(forces).map(([key, state]) => [key, { state, ...NOTE }])),
    dials: Object.fromEntries(Object.entries(dials).map(([key, percent]) => [key, { percent, ...NOTE }])),
    rollouts: Object.fromEntries(
      Object.entries(rollouts).map(([key, percent]) => {
        const [from = '', to = ''] = key.split('>');
        return [key, rolloutAt(from, to, percent)];
      }),
    ),
  };
  markSnapshot(rig.compiled.snapshot, placesOf(rig), heldAt(document, Date.parse(NOTE.at)));
}

/** A rollout that is held at a percentage. */
function rolloutAt(from: string, to: string, percent: number): Rollout {
  return {
    ...{ zone: 'example.com.', from, to, ...NOTE },
    steps: [{ percent, seconds: 60 }],
    analysis: ANALYSIS_DEFAULT,
    on_failure: 'rollback',
    ...{ state: 'running', step: 0, step_at: NOTE.at, history: [] },
  };
}

/** Where the pools of a rig stand, by number. */
export function placesOf(rig: QueryRig): readonly PoolPlace[] {
  const { pools, zones } = rig.compiled.index;
  return pools.flatMap((entry) => {
    if (!entry) return [];
    const { name, region = '' } = entry.pool;
    return { zone: zones[entry.zone] ?? '', pool: poolOfGroup(name), region, groups: entry.groups ?? [] };
  });
}
