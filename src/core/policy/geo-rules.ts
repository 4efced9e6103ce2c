import { type ClassChoice, type ClassOverride, compileTrie } from '../geo/compile.js';
import type { Location, LocationTrie } from '../geo/location.js';
import { countryRow } from '../geo/regions.js';
import type { GeoTrie } from '../geo/trie.js';
import type { Rule } from '../zone/model.js';

/**
 * Compiles the geographic rules of one RRset. The class of an address is the place of the rule that applies, plus
 * one; 0 where none does. What is named more closely wins, whatever the order of the rules: longest subnet, then
 * autonomous system, province, country, continent, and last the default (a rule without targets). Of two rules
 * with the same target the first applies.
 */
export function compileRules(rules: readonly Rule[], base: LocationTrie): GeoTrie {
  const { classOf, overrides } = ruleClasses(rules, base.locations);
  return compileTrie(base, classOf, overrides);
}

/** The classes that `compileRules` makes a trie of: by location, and those of subnets, which go first. */
export function ruleClasses(rules: readonly Rule[], locations: readonly Location[]): ClassChoice {
  const index = indexRules(rules);
  const continents = continentsOf(locations);
  const classOf = new Int32Array(locations.length);
  for (const [id, location] of locations.entries()) {
    classOf[id] = applying(index, location, continents[id]) + 1;
  }
  const overrides: ClassOverride[] = rules.flatMap((rule, place) =>
    rule.subnets.map((prefix) => ({ prefix, cls: place + 1 })),
  );
  return { classOf, overrides };
}

/** The class of each location of a database, leaving subnets aside. */
export function classesOfLocations(rules: readonly Rule[], base: LocationTrie): Int32Array {
  return ruleClasses(rules, base.locations).classOf;
}

/** The place of the rule that applies to a location, leaving subnets aside; -1 if none does. */
export function ruleForLocation(rules: readonly Rule[], location: Location): number {
  return applying(indexRules(rules), location, continentOf(location));
}

/** The continent a location is on: its own, or else that of its country. */
export function continentOf(location: Location): string | undefined {
  if (location.continent !== undefined) return location.continent;
  return location.country === undefined ? undefined : countryRow(location.country)?.[0];
}

/** Of each location of a database; looked up once. */
export function continentsOf(locations: readonly Location[]): readonly (string | undefined)[] {
  const known = continentsKnown.get(locations) ?? locations.map(continentOf);
  continentsKnown.set(locations, known);
  return known;
}

const continentsKnown = new WeakMap<readonly Location[], readonly (string | undefined)[]>();

/** Target → place of the first rule that names it. */
interface RuleIndex {
  readonly asns: ReadonlyMap<number, number>;
  /** `US-CA`; countries and provinces stand without the continent, on which databases disagree. */
  readonly provinces: ReadonlyMap<string, number>;
  readonly countries: ReadonlyMap<string, number>;
  readonly continents: ReadonlyMap<string, number>;
  readonly fallback: number;
}

function indexRules(rules: readonly Rule[]): RuleIndex {
  const asns = new Map<number, number>();
  const provinces = new Map<string, number>();
  const countries = new Map<string, number>();
  const continents = new Map<string, number>();
  let fallback = -1;
  for (const [place, rule] of rules.entries()) {
    const targets = rule.subnets.length + rule.asns.length + rule.geos.length;
    if (targets === 0 && fallback < 0) fallback = place;
    for (const asn of rule.asns) setFirst(asns, asn, place);
    for (const geo of rule.geos) {
      const [continent = '', country, province] = geo.split('-');
      if (country === undefined) setFirst(continents, continent, place);
      else if (province === undefined) setFirst(countries, country, place);
      else setFirst(provinces, `${country}-${province}`, place);
    }
  }
  return { asns, provinces, countries, continents, fallback };
}

function setFirst<Key>(map: Map<Key, number>, key: Key, place: number): void {
  if (!map.has(key)) map.set(key, place);
}

function applying(index: RuleIndex, location: Location, continent: string | undefined): number {
  const { asn, country, subdivision } = location;
  const byAsn = asn === undefined ? undefined : index.asns.get(asn);
  if (byAsn !== undefined) return byAsn;
  if (country !== undefined) {
    const hasProvinces = index.provinces.size > 0 && subdivision !== undefined;
    const byProvince = hasProvinces ? index.provinces.get(`${country}-${subdivision}`) : undefined;
    const byCountry = byProvince ?? index.countries.get(country);
    if (byCountry !== undefined) return byCountry;
  }
  const byContinent = continent === undefined ? undefined : index.continents.get(continent);
  return byContinent ?? index.fallback;
}
