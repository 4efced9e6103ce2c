import type { Query } from '../answer/query.js';
import { ENDPOINT, PICK, POOL } from '../answer/snapshot.js';
import { weightNow } from '../policy/part.js';
import { TAKE, usable } from '../policy/pool.js';
import { inclusion } from './inclusion.js';

/**
 * For each endpoint of a pool, the probability that an answer of the pool holds it: what `policy/pick.ts`
 * `pickEndpoints()` draws from. For a pool that picks by hash it is the expected share of clients. Endpoints without a
 * chance are left out.
 */
export function endpointChances(
  query: Query,
  pool: number,
  family: number,
  take: number,
): ReadonlyMap<number, number> {
  const { pools } = query.snapshot;
  const pick = pools[pool * POOL.STRIDE + POOL.PICK]!;
  const answers = pick >> PICK.ANSWERS_SHIFT;
  if (answers === 1) return oneEndpoint(query, pool, family, take);
  const { first, end } = rangeOf(query, pool, family);
  const candidates = usableOf(query, first, end, take);
  const kind = pick & PICK.KIND;
  if (kind === PICK.FIRST || (kind === PICK.ALL && end - first <= answers)) {
    return new Map(candidates.slice(0, answers).map((endpoint) => [endpoint, 1]));
  }
  const weights = candidates.map((endpoint) => {
    if (kind === PICK.ALL) return 1;
    return kind === PICK.HASH ? hashWeight(query, endpoint, take) : weightOf(query, endpoint, take);
  });
  const weighty = candidates.filter((_, i) => weights[i]! > 0);
  // Only spares are left: any of them, as often.
  if (weighty.length === 0) {
    return asMap(
      candidates,
      inclusion(
        candidates.map(() => 1),
        answers,
      ),
    );
  }
  return asMap(
    weighty,
    inclusion(
      weights.filter((weight) => weight > 0),
      answers,
    ),
  );
}

/** As `pickOne()`: one endpoint of the pool. */
export function oneEndpoint(
  query: Query,
  pool: number,
  family: number,
  take: number,
): ReadonlyMap<number, number> {
  const kind = query.snapshot.pools[pool * POOL.STRIDE + POOL.PICK]! & PICK.KIND;
  const { first, end } = rangeOf(query, pool, family);
  const candidates = usableOf(query, first, end, take);
  if (candidates.length <= 1 || kind === PICK.FIRST) {
    return new Map(candidates.slice(0, 1).map((endpoint) => [endpoint, 1]));
  }
  const weights = candidates.map((endpoint) =>
    kind === PICK.HASH ? hashWeight(query, endpoint, take) : weightOf(query, endpoint, take),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return asMap(
    candidates,
    weights.map((weight) => (total === 0 ? 1 / candidates.length : weight / total)),
  );
}

function asMap(endpoints: readonly number[], chances: readonly number[]): ReadonlyMap<number, number> {
  return new Map(
    endpoints.flatMap((endpoint, i): [number, number][] =>
      chances[i]! > 0 ? [[endpoint, chances[i]!]] : [],
    ),
  );
}

function usableOf(query: Query, first: number, end: number, take: number): readonly number[] {
  const found: number[] = [];
  for (let endpoint = first; endpoint < end; endpoint++) {
    if (usable(query, endpoint, take)) found.push(endpoint);
  }
  return found;
}

function rangeOf(
  { snapshot: { pools } }: Query,
  pool: number,
  family: number,
): { readonly first: number; readonly end: number } {
  const range = pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
  const first = pools[range + POOL.ENDPOINTS]!;
  return { first, end: first + pools[range + POOL.COUNT]! };
}

function weightOf(query: Query, endpoint: number, take: number): number {
  if (take === TAKE.PART) return weightNow(query, endpoint);
  return query.snapshot.endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT]!;
}

/** An endpoint without a weight has a score as if it had 1. */
function hashWeight(query: Query, endpoint: number, take: number): number {
  return weightOf(query, endpoint, take) || 1;
}
