import { type ClassChoice, compileTrie } from '../geo/compile.js';
import { distanceKm, type Point } from '../geo/distance.js';
import type { Location, LocationTrie } from '../geo/location.js';
import { countryRow } from '../geo/regions.js';
import type { GeoTrie } from '../geo/trie.js';

/** An address of class `c` is nearest to `points[orders[c][0]]`, then to `points[orders[c][1]]`, and so on. */
export interface NearestTrie {
  readonly trie: GeoTrie;
  readonly orders: readonly (readonly number[])[];
}

/**
 * Compiles steering to the nearest of `points` (regions, degrees). Class 0 is the given order; it serves clients
 * whose location is unknown. Locations with equal orders share a class, so scopes stay wide.
 */
export function compileNearest(base: LocationTrie, points: readonly Point[]): NearestTrie {
  const { classOf, orders } = nearestClasses(base.locations, points);
  return { trie: compileTrie(base, classOf, []), orders };
}

/** The classes that `compileNearest` makes a trie of. */
export function nearestClasses(
  locations: readonly Location[],
  points: readonly Point[],
): ClassChoice & Pick<NearestTrie, 'orders'> {
  const given = points.map((_, place) => place);
  const orders: (readonly number[])[] = [given];
  const classOfOrder = new Map([[given.join(), 0]]);
  const classOf = new Int32Array(locations.length);
  for (const [id, location] of locations.entries()) {
    const order = orderFor(location, points);
    if (order === undefined) continue;
    const key = order.join();
    let cls = classOfOrder.get(key);
    if (cls === undefined) {
      cls = orders.push(order) - 1;
      classOfOrder.set(key, cls);
    }
    classOf[id] = cls;
  }
  return { classOf, overrides: [], orders };
}

/** The places of `points` from near to far, undefined where the location has no point. */
export function orderFor(location: Location, points: readonly Point[]): readonly number[] | undefined {
  const from = pointOf(location);
  if (from === undefined) return undefined;
  // Whole kilometres: databases write coordinates as 32-bit or 64-bit numbers, with two or with five digits, and
  // none of that may decide between two points that are equally far. Then the given order does.
  const distances = points.map((point) => Math.round(distanceKm(from, point)));
  return points.map((_, place) => place).sort((a, b) => distances[a]! - distances[b]! || a - b);
}

/** The location's coordinates, or else those of its country. */
export function pointOf(location: Location): Point | undefined {
  const { latitude, longitude, country } = location;
  if (latitude !== undefined && longitude !== undefined) return { latitude, longitude };
  const row = country === undefined ? undefined : countryRow(country);
  return row === undefined ? undefined : { latitude: row[1], longitude: row[2] };
}
