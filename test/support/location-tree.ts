import type { Location, LocationTrie } from '../../src/core/geo/location.js';

/** A geo database in the plainest form: prefixes of bits and what lies there. Longer ones go over shorter ones. */
export function locationTree(
  places: readonly { readonly v4?: string; readonly v6?: string; readonly location: Location }[],
): LocationTrie {
  const nodes: number[] = [];
  const locations: Location[] = [{}, ...places.map(({ location }) => location)];
  const insert = (entry: number, bits: string, depth: number, leaf: number): number => {
    if (depth === bits.length) return leaf;
    let node = entry;
    if (node < 0) {
      node = nodes.length / 2;
      nodes.push(entry, entry);
    }
    const at = 2 * node + Number(bits[depth]);
    const child = nodes[at]!;
    const made = insert(child, bits, depth + 1, leaf);
    nodes[at] = made;
    return node;
  };
  let v4 = ~0;
  let v6 = ~0;
  for (const [i, place] of places.entries()) {
    if (place.v4 !== undefined) v4 = insert(v4, place.v4, 0, ~(i + 1));
    if (place.v6 !== undefined) v6 = insert(v6, place.v6, 0, ~(i + 1));
  }
  return { nodes: Int32Array.from(nodes), v4, v6, locations };
}

/** The first bits of an IPv4 prefix such as `10.0.0.0/8`. */
export function bitsOf(prefix: string): string {
  const [address = '', length = '32'] = prefix.split('/');
  const bits = address
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('');
  return bits.slice(0, Number(length));
}
