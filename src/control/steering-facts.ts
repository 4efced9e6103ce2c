/** What people and programs are told of steering: the entries behind what holds. */
import type { SteeringCause } from '../core/steering/held.js';
import type { Steering } from './steering.js';

/** An entry of the document, as `explain`, health and events name it. */
export interface CauseFacts {
  readonly kind: SteeringCause['kind'];
  readonly id: string;
  readonly target: string;
  readonly by: string;
  readonly at: string;
  readonly reason?: string;
  readonly until?: string;
  /** For people: all of this in a line. */
  readonly text: string;
}

export function causeFacts({ kind, id, target, note }: SteeringCause): CauseFacts {
  const { by, at, reason, until } = note;
  const about =
    kind === 'maintenance' || kind === 'rollout' ? `${kind} ${id} of ${target}` : `${kind} of ${target}`;
  const text = `${about} by ${by}${until === undefined ? '' : ` until ${until}`}${reason === undefined ? '' : `: ${reason}`}`;
  return {
    kind,
    id,
    target,
    by,
    at,
    ...(reason !== undefined && { reason }),
    ...(until !== undefined && { until }),
    text,
  };
}

/** What `explain` adds to an endpoint: nothing where it is not steered. `pool`: its number in the snapshot. */
export function endpointFacts({ marks }: Steering, pool: number, address: string): object {
  const causes = marks.endpointSteering(pool, address);
  return causes.length === 0 ? {} : { steering: causes.map(({ cause }) => causeFacts(cause)) };
}

/** What `explain` adds to a pool. */
export function poolFacts({ marks }: Steering, pool: number): object {
  const dialled = marks.poolSteering(pool);
  const divert = marks.divertOf(pool);
  if (!dialled && !divert) return {};
  const causes = [...(dialled?.dials ?? []), ...(divert ? [divert] : [])];
  return {
    ...(dialled && { dial_percent: dialled.percent }),
    ...(divert && { rollout_percent: divert.percent }),
    steering: causes.map(({ cause }) => causeFacts(cause)),
  };
}
