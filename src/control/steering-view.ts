/** All that is steered, as the API shows it. */
import { percentOf } from '../core/rollout/plan.js';
import { percentAt } from '../core/steering/document.js';
import type { PoolPlace } from '../core/steering/held.js';
import type { SteeredEndpoint } from '../core/steering/marks.js';
import { formatTarget, parseTarget } from '../core/steering/target.js';
import { windowAt } from '../core/steering/window.js';
import type { Steering } from './steering.js';
import { type CauseFacts, causeFacts } from './steering-facts.js';
import type { Reach } from './steering-marks.js';

export type Kind = 'force' | 'dial';

/** More are not shown: a region may have very many. */
export const ENDPOINTS_SHOWN_MAX = 1_000;
export const POOLS_SHOWN_MAX = 1_000;

/** What is steered at one endpoint. */
export function describeEndpoint({ place, address, state, real, causes }: SteeredEndpoint) {
  const steering: CauseFacts[] = causes.map(({ cause }) => causeFacts(cause));
  return { ...placeOf(place), endpoint: address, state, real, steering };
}

/** Endpoints and pools that are steered. */
export function describeEffects({ marks }: Steering, health: Int32Array) {
  return {
    endpoints: marks.endpoints(health, ENDPOINTS_SHOWN_MAX).map(describeEndpoint),
    pools: marks.pools(POOLS_SHOWN_MAX).map(({ place, percent, dials }) => ({
      ...placeOf(place),
      percent: round(percent),
      steering: dials.map(({ cause }) => causeFacts(cause)),
    })),
  };
}

/** Every entry, with what holds of it now; `effects` are what they do together. */
export function describeSteering(steering: Steering) {
  const { document, marks, held, revision, nowMs, nextChangeMs } = steering;
  const maintained = Object.values(document.maintenance).map(({ target }) => target);
  const forced = marks.reach([...Object.keys(document.forces), ...maintained]);
  const dialled = marks.reach(Object.keys(document.dials), 'dial');
  return {
    revision,
    ...(Number.isFinite(nextChangeMs) && { next_change: new Date(nextChangeMs).toISOString() }),
    forces: Object.entries(document.forces).map(([target, force]) => ({
      target,
      ...force,
      holds: held.forces.get(target)?.cause.kind === 'force',
      reaches: forced.get(target)!,
    })),
    dials: Object.entries(document.dials).map(([target, dial]) => ({
      target,
      ...dial,
      holds: held.dials.has(target),
      now: round(percentAt(dial, nowMs)),
      reaches: dialled.get(target)!,
    })),
    maintenance: Object.entries(document.maintenance).map(([id, { window, ...entry }]) => {
      const { open, nextMs } = windowAt(window, nowMs);
      return {
        id,
        ...entry,
        window,
        holds: held.forces.get(entry.target)?.cause.id === id,
        open,
        ...(Number.isFinite(nextMs) && { [open ? 'closes' : 'opens']: new Date(nextMs).toISOString() }),
        reaches: forced.get(entry.target)!,
      };
    }),
    rollouts: document.rollouts,
    document,
    ...describeEffects(steering, steering.words),
  };
}

/** Labels and values for metrics: endpoints by pool and state, dials by pool, entries by kind. */
export function steeringRows({ marks, words, document }: Steering) {
  const endpoints = new Map<string, { labels: Record<'zone' | 'pool' | 'state', string>; count: number }>();
  for (const { place, state } of marks.endpoints(words, ENDPOINTS_SHOWN_MAX)) {
    const labels = { zone: place.zone, pool: place.pool, state };
    const key = JSON.stringify(labels);
    const row = endpoints.get(key) ?? { labels, count: 0 };
    endpoints.set(key, { labels, count: row.count + 1 });
  }
  return {
    endpoints: [...endpoints.values()].map(({ labels, count }) => [labels, count] as const),
    pools: marks
      .pools(POOLS_SHOWN_MAX)
      .map(({ place: { zone, pool, region }, percent }) => [{ zone, pool, region }, percent] as const),
    rollouts: Object.entries(document.rollouts).map(
      ([rollout, one]) =>
        [{ rollout, zone: one.zone, from: one.from, to: one.to, state: one.state }, percentOf(one)] as const,
    ),
    entries: (['forces', 'dials', 'maintenance', 'rollouts'] as const).map(
      (kind) => [{ kind }, Object.keys(document[kind]).length] as const,
    ),
  };
}

/** What a target names at present. */
export function reachOf({ marks }: Steering, kind: Kind, text: string): Reach {
  const target = parseTarget(text);
  const key = typeof target === 'string' ? text : formatTarget(target);
  return marks.reach([key], kind).get(key)!;
}

function placeOf({ zone, pool, region }: PoolPlace) {
  return { zone, pool, ...(region !== '' && { region }) };
}

function round(percent: number): number {
  return Math.round(percent * 100) / 100;
}
