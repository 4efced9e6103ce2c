import { compileTrie } from '../geo/compile.js';
import type { Location, LocationTrie } from '../geo/location.js';
import type { GeoTrie } from '../geo/trie.js';
import type { AccessListModel, AccessSide } from './limit-model.js';

const ALLOWED = 0;
/** The class of addresses that may not come. */
export const DENIED = 1;

/**
 * Compiles a list of clients. The longest prefix around an address decides. Without one, who is in `deny` by country or
 * autonomous system may not come; and where `allow` names anything, only those in it may.
 */
export function compileAccess({ allow, deny }: AccessListModel, locations: LocationTrie): GeoTrie {
  const others = isEmpty(allow) ? ALLOWED : DENIED;
  const allowed = inSide(allow);
  const denied = inSide(deny);
  const classOf = Int32Array.from(locations.locations, (location) => {
    if (denied(location)) return DENIED;
    return allowed(location) ? ALLOWED : others;
  });
  return compileTrie(locations, classOf, [
    ...allow.prefixes.map((prefix) => ({ prefix, cls: ALLOWED })),
    ...deny.prefixes.map((prefix) => ({ prefix, cls: DENIED })),
  ]);
}

/** Whether a list needs a database. */
export function asksWhere({ allow, deny }: AccessListModel): boolean {
  return [allow, deny].some(({ countries, asns }) => countries.length > 0 || asns.length > 0);
}

function inSide({ countries, asns }: AccessSide): (location: Location) => boolean {
  const [places, systems] = [new Set(countries), new Set(asns)];
  return ({ country, asn }) =>
    (country !== undefined && places.has(country)) || (asn !== undefined && systems.has(asn));
}

function isEmpty({ prefixes, countries, asns }: AccessSide): boolean {
  return prefixes.length === 0 && countries.length === 0 && asns.length === 0;
}
