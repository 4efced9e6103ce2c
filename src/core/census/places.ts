import type { Location, LocationTrie } from '../geo/location.js';
import { continentOf } from '../policy/geo-rules.js';
import type { ClassSizes } from './class-sizes.js';

/** What clients are grouped by: `EU`, `DE`, `NA-US-CA`, `AS64500`. */
export type PlaceKind = 'continent' | 'country' | 'province' | 'network';

export const PLACE_KINDS: readonly PlaceKind[] = ['continent', 'country', 'province', 'network'];

/** Where the database knows no such thing. */
export const PLACE_UNKNOWN = '?';

/** For each class the addresses by place, largest first. Kept as long as `sizes`. */
export function placesOf(
  base: LocationTrie,
  sizes: ClassSizes,
  kind: PlaceKind,
): ReadonlyMap<number, ReadonlyMap<string, number>> {
  const known = placesKept.get(sizes) ?? new Map<PlaceKind, ReturnType<typeof placesOf>>();
  placesKept.set(sizes, known);
  const places = known.get(kind) ?? countPlaces(base, sizes, kind);
  known.set(kind, places);
  return places;
}

const placesKept = new WeakMap<ClassSizes, Map<PlaceKind, ReturnType<typeof placesOf>>>();

function countPlaces(base: LocationTrie, sizes: ClassSizes, kind: PlaceKind): ReturnType<typeof placesOf> {
  const { numbers, names } = placeTable(base, kind);
  const found = new Map<number, Map<number, number>>();
  let last = -1;
  let places = new Map<number, number>();
  sizes.forEachPart((cls, location, addresses) => {
    if (cls !== last) {
      last = cls;
      places = found.get(cls) ?? new Map();
      found.set(cls, places);
    }
    const place = numbers[location]!;
    places.set(place, (places.get(place) ?? 0) + addresses);
  });
  return new Map([...found].map(([cls, counts]) => [cls, sorted(counts, names)]));
}

interface PlaceTable {
  /** By location id. */
  readonly numbers: Int32Array;
  readonly names: readonly string[];
}

/** The place of each location of a database, kept as long as the database. */
export function placeTable(base: LocationTrie, kind: PlaceKind): PlaceTable {
  const known = tablesOf.get(base) ?? new Map<PlaceKind, PlaceTable>();
  tablesOf.set(base, known);
  const table = known.get(kind) ?? makeTable(base, kind);
  known.set(kind, table);
  return table;
}

const tablesOf = new WeakMap<LocationTrie, Map<PlaceKind, PlaceTable>>();

function makeTable({ locations }: LocationTrie, kind: PlaceKind): PlaceTable {
  const names: string[] = [];
  const numberOf = new Map<string, number>();
  const numbers = Int32Array.from(locations, (location) => {
    const name = placeOf(location, kind);
    const number = numberOf.get(name) ?? names.push(name) - 1;
    numberOf.set(name, number);
    return number;
  });
  return { numbers, names };
}

export function placeOf(location: Location, kind: PlaceKind): string {
  const { country, subdivision, asn } = location;
  switch (kind) {
    case 'continent':
      return continentOf(location) ?? PLACE_UNKNOWN;
    case 'country':
      return country ?? PLACE_UNKNOWN;
    case 'province':
      if (country === undefined || subdivision === undefined) return PLACE_UNKNOWN;
      return `${continentOf(location) ?? PLACE_UNKNOWN}-${country}-${subdivision}`;
    case 'network':
      return asn === undefined ? PLACE_UNKNOWN : `AS${asn}`;
    default: {
      const never: never = kind;
      return never;
    }
  }
}

/** Less than a /64: what rounding leaves of a place that is all in another class. */
const EPSILON = 1e-5;

function sorted(counts: ReadonlyMap<number, number>, names: readonly string[]): ReadonlyMap<string, number> {
  const places: [string, number][] = [];
  for (const [place, addresses] of counts) if (addresses > EPSILON) places.push([names[place]!, addresses]);
  return new Map(places.sort(([, a], [, b]) => b - a));
}
