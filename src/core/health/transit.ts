/**
 * How long a report was on its way, when the two clocks differ by an unknown amount. The difference between arrival
 * (our clock) and sending (theirs) is skew plus delay; the skew stays, so the smallest difference seen lately is
 * taken for the skew with the shortest delay, and what a report has beyond that is its age.
 *
 * So a view that was held up for 30 s in a network counts as 30 s old, while a clock that is an hour behind does no
 * harm. A clock that is set anew is noticed within two windows; until then its views may count as too old, which
 * makes them unknown.
 */

/** Plain data: the smallest difference in this window and in the one before, milliseconds. */
export interface Transit {
  readonly floorMs: number;
  readonly previousFloorMs: number;
  readonly windowStartMs: number;
}

export const TRANSIT_WINDOW_MS = 30_000;

/** One more report; `ageMs` is at least 0. `transit` is undefined for the first one of a start. */
export function afterArrival(
  transit: Transit | undefined,
  sentMs: number,
  nowMs: number,
): { readonly transit: Transit; readonly ageMs: number } {
  const difference = nowMs - sentMs;
  const next = shifted(transit, difference, nowMs);
  return { transit: next, ageMs: difference - Math.min(next.floorMs, next.previousFloorMs) };
}

function shifted(transit: Transit | undefined, difference: number, nowMs: number): Transit {
  if (!transit) return { floorMs: difference, previousFloorMs: difference, windowStartMs: nowMs };
  const inWindow = nowMs - transit.windowStartMs;
  if (inWindow < 0 || inWindow >= TRANSIT_WINDOW_MS) {
    // After a long silence the last window is too old to compare with.
    const previousFloorMs = inWindow < 0 || inWindow >= 2 * TRANSIT_WINDOW_MS ? difference : transit.floorMs;
    return { floorMs: difference, previousFloorMs, windowStartMs: nowMs };
  }
  return { ...transit, floorMs: Math.min(transit.floorMs, difference) };
}
