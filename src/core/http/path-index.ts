/**
 * Narrows a long list of routes by the first segment of the path: `/shop/cart` is compared only with routes whose
 * path begins with the segment `shop`, and those that take any. The order of the list stays.
 */

/** Shorter lists are walked as fast as a segment is cut out and looked up. */
const INDEXED_MIN = 12;
/** Places in all lists of an index: routes for any segment stand in each of them. */
const PLACES_MAX = 16_384;

export class PathIndex<R extends { readonly segment: string | null }> {
  readonly #all: readonly R[];
  readonly #bySegment: ReadonlyMap<string, readonly R[]> | null;
  /** For segments that no route names. */
  readonly #anySegment: readonly R[];

  constructor(routes: readonly R[]) {
    this.#all = routes;
    this.#anySegment = routes.filter(({ segment }) => segment === null);
    const segments = new Set(routes.map(({ segment }) => segment)).size;
    const worthwhile = routes.length >= INDEXED_MIN && segments * (this.#anySegment.length + 1) <= PLACES_MAX;
    this.#bySegment = worthwhile ? bySegment(routes) : null;
  }

  /** The routes that may take a normalised path, in their order. */
  of(path: string): readonly R[] {
    return this.#bySegment === null
      ? this.#all
      : (this.#bySegment.get(firstSegment(path)) ?? this.#anySegment);
  }
}

/** `shop` of `/shop/cart`; '' of `/`. */
export function firstSegment(path: string): string {
  const slash = path.indexOf('/', 1);
  return path.slice(1, slash < 0 ? path.length : slash);
}

function bySegment<R extends { readonly segment: string | null }>(
  routes: readonly R[],
): ReadonlyMap<string, readonly R[]> {
  const lists = new Map<string, R[]>();
  const wide: R[] = [];
  for (const route of routes) {
    if (route.segment === null) {
      wide.push(route);
      for (const list of lists.values()) list.push(route);
    } else {
      const list = lists.get(route.segment);
      if (list !== undefined) list.push(route);
      else lists.set(route.segment, [...wide, route]);
    }
  }
  return lists;
}
