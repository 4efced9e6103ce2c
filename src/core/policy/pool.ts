import type { Query } from '../answer/query.js';
import { ENDPOINT, POOL } from '../answer/snapshot.js';
import { isNeverAnswered, PARTIAL_BIT } from '../health/word.js';

/** How much of a pool serves. */
export const POOL_STATE = {
  /** Too little weight is up. */
  DOWN: 0,
  /** Enough weight is up. */
  UP: 1,
  /** No endpoint with a weight is up, but one of weight 0 is: a spare. */
  SPARE: 2,
  /** As UP, but it takes only part of its answers: see `part.ts`. */
  PART: 3,
} as const;

/** The chosen pool's place in a packed result, and how its endpoints are to be taken. */
export const TAKE = {
  /** Endpoints that are up. */
  UP: 0,
  /** Endpoints of weight 0 that are up. */
  SPARE: 1,
  /** All, whatever their health: failing open. */
  ALL: 2,
  /** Endpoints that are up, some with part of their weight. */
  PART: 3,
} as const;

/** Whether the pool has any address of the family; where it has none it does not exist for that family. */
export function hasFamily(query: Query, pool: number, family: number): boolean {
  return (
    query.snapshot.pools[pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY + POOL.COUNT]! > 0
  );
}

/** Whether failing open finds anything in the pool: an address of the family that the operator did not set down. */
export function canFailOpen(query: Query, pool: number, family: number): boolean {
  const { pools, endpoints } = query.snapshot;
  const record = pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
  const first = pools[record + POOL.ENDPOINTS]!;
  const end = first + pools[record + POOL.COUNT]!;
  for (let i = first; i < end; i++) {
    if (!isNeverAnswered(endpoints[i * ENDPOINT.STRIDE + ENDPOINT.SLOT]!)) return true;
  }
  return false;
}

/** Whether an endpoint may be answered. Failing open takes all but those that the operator set down. */
export function usable(query: Query, endpoint: number, take: number): boolean {
  const { endpoints } = query.snapshot;
  const slot = endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.SLOT]!;
  if (take === TAKE.ALL) return !isNeverAnswered(slot);
  if (query.health[slot]! < 0) return false;
  return (endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT] === 0) === (take === TAKE.SPARE);
}

/**
 * Judges a pool for one family by the health words of its endpoints: up if the weight that is up reaches
 * `min_up` of the total.
 */
export function poolState(query: Query, pool: number, family: number): number {
  const { pools, endpoints } = query.snapshot;
  const record = pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
  const first = pools[record + POOL.ENDPOINTS]!;
  const end = first + pools[record + POOL.COUNT]!;
  let up = 0;
  let spare = false;
  // The words of all that is up, together with the pool's own: a single question then finds a partial one.
  let words = query.health[pools[pool * POOL.STRIDE + POOL.SHED]!]!;
  for (let i = first; i < end; i++) {
    const endpoint = i * ENDPOINT.STRIDE;
    // Bit 31 of the health word is "down".
    const word = query.health[endpoints[endpoint + ENDPOINT.SLOT]!]!;
    if (word < 0) continue;
    words |= word;
    const weight = endpoints[endpoint + ENDPOINT.WEIGHT]!;
    if (weight > 0) up += weight;
    else spare = true;
  }
  let state: number = POOL_STATE.DOWN;
  const needed = pools[record + POOL.NEEDED]!;
  if (up > 0 && (needed >= 0 ? up >= needed : countUp(query, first, end) >= -needed)) {
    state = (words & PARTIAL_BIT) === 0 ? POOL_STATE.UP : POOL_STATE.PART;
  } else if (up === 0 && spare) state = POOL_STATE.SPARE;
  query.trace?.pool(pool, family, up, pools[record + POOL.TOTAL]!, state !== POOL_STATE.DOWN);
  return state;
}

/** Endpoints with a weight that are up. */
function countUp(query: Query, first: number, end: number): number {
  const { endpoints } = query.snapshot;
  let count = 0;
  for (let i = first; i < end; i++) {
    const endpoint = i * ENDPOINT.STRIDE;
    if (query.health[endpoints[endpoint + ENDPOINT.SLOT]!]! < 0) continue;
    if (endpoints[endpoint + ENDPOINT.WEIGHT]! > 0) count++;
  }
  return count;
}
