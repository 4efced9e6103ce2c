import type { LocationTrie } from '../core/geo/location.js';
import { createHealthTable, healthTableBytes, SLOT_FIRST_FREE } from '../core/health/word.js';
import { compareViews } from '../core/impact/compare.js';
import type { Ground } from '../core/impact/ground.js';
import { type Comparison, impactOf } from '../core/impact/impact.js';
import { ClassChoices, ZoneViews } from '../core/impact/zone-views.js';
import type { HeldSteering } from '../core/steering/held.js';
import type { Zone } from '../core/zone/model.js';
import type { HealthNow, PlanImpact } from './plan-job.js';

/** Health words of the targets with these keys, as they are now. */
export type AskHealth = (keys: readonly string[]) => Promise<HealthNow>;

/** A zone on both sides; undefined where it is not there. */
export type ZonePair = readonly [before: Zone | undefined, after: Zone | undefined];

/** What is steered on each side. */
export interface SteeredSides {
  readonly before: HeldSteering;
  readonly after: HeldSteering;
}

export interface ImpactMeasure {
  readonly geo: LocationTrie;
  readonly ground: Ground;
  readonly askHealth: AskHealth;
  /** Absent: on both sides what is steered now. */
  readonly steering?: SteeredSides;
  /** Milliseconds, for how long it took. */
  readonly clock: () => number;
}

/** Endpoints of all zones of a change: as many as a node can watch, before and after. */
const SLOTS_MAX = 4 * 65_536;

/** Who gets another answer when zones and steering go from one side to the other, with health as it is now. */
export async function measureImpact(
  pairs: readonly ZonePair[],
  { geo, ground, askHealth, steering, clock }: ImpactMeasure,
): Promise<PlanImpact> {
  const startMs = clock();
  const slots = new Map<string, number>();
  const slotOf = (key: string): number => {
    const slot = slots.get(key) ?? SLOT_FIRST_FREE + slots.size;
    if (slot >= SLOT_FIRST_FREE + SLOTS_MAX)
      throw new Error(`the change has more than ${SLOTS_MAX} health targets`);
    slots.set(key, slot);
    return slot;
  };
  // A target that nobody watches yet is up.
  const health = createHealthTable(new ArrayBuffer(healthTableBytes(SLOTS_MAX)), SLOTS_MAX);
  const choices = new ClassChoices(geo.locations);
  const views = (zone: Zone | undefined) => zone && new ZoneViews({ zone, geo, health, slotOf, choices });
  const viewed = pairs.map(([old, now]) => [old, views(old), now, views(now)] as const);
  const { words, known, steering: present } = await askHealth([...slots.keys()]);
  let unchecked = 0;
  for (let i = 0; i < slots.size; i++) {
    if (known[i] !== 1) unchecked++;
    else health[SLOT_FIRST_FREE + i] = words[i]!;
  }
  const [held, heldAfter] = [steering?.before ?? present, steering?.after ?? present];
  const comparisons: Comparison[] = [];
  for (const [old, oldViews, now, nowViews] of viewed) {
    if (held) oldViews?.steer(held);
    if (heldAfter) nowViews?.steer(heldAfter);
    comparisons.push(...compareViews(old, oldViews, now, nowViews));
  }
  const impact = impactOf(ground, comparisons);
  const tookMs = Math.round(clock() - startMs);
  return { ...impact, unchecked, isPlaced: ground.isPlaced, tookMs };
}
