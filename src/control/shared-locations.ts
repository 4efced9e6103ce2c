import type { LocationTrie } from '../core/geo/location.js';

/** The same database on shared memory, so that a thread gets it without a copy of a million nodes. Made once for each. */
export function sharedLocations(geo: LocationTrie): LocationTrie {
  if (geo.nodes.buffer instanceof SharedArrayBuffer) return geo;
  const known = sharedOf.get(geo);
  if (known) return known;
  const nodes = new Int32Array(new SharedArrayBuffer(geo.nodes.byteLength));
  nodes.set(geo.nodes);
  const shared = { ...geo, nodes };
  sharedOf.set(geo, shared);
  return shared;
}

const sharedOf = new WeakMap<LocationTrie, LocationTrie>();
