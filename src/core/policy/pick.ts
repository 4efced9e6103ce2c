import { draw, type Query } from '../answer/query.js';
import { ENDPOINT, PICK, POOL } from '../answer/snapshot.js';
import { hashOfClient } from './client.js';
import { pickPartByWeight } from './part.js';
import { hashScore, pickMany } from './pick-many.js';
import { TAKE, usable } from './pool.js';

/**
 * Chooses the endpoints of a pool that go into the answer and writes their indices to `chosen`; returns how
 * many. `take` says which endpoints count (see TAKE).
 */
export function pickEndpoints(
  query: Query,
  pool: number,
  family: number,
  take: number,
  chosen: Int32Array,
): number {
  const { pools } = query.snapshot;
  const record = pool * POOL.STRIDE;
  const pick = pools[record + POOL.PICK]!;
  const answers = pick >> PICK.ANSWERS_SHIFT;
  if (answers === 1) {
    const endpoint = pickOne(query, pool, family, take);
    if (endpoint < 0) return 0;
    chosen[0] = endpoint;
    return 1;
  }
  const range = record + POOL.FAMILIES + family * POOL.PER_FAMILY;
  const first = pools[range + POOL.ENDPOINTS]!;
  const end = first + pools[range + POOL.COUNT]!;
  return pickMany(query, pick, first, end, take, answers, chosen);
}

/** One endpoint of a pool, by its pick; -1 where none counts. A pool that picks all has one by weight. */
export function pickOne(query: Query, pool: number, family: number, take: number): number {
  const { pools } = query.snapshot;
  const record = pool * POOL.STRIDE;
  const range = record + POOL.FAMILIES + family * POOL.PER_FAMILY;
  const first = pools[range + POOL.ENDPOINTS]!;
  const end = first + pools[range + POOL.COUNT]!;
  if (end - first === 1) return usable(query, first, take) ? first : -1;
  switch (pools[record + POOL.PICK]! & PICK.KIND) {
    case PICK.FIRST:
      return pickFirst(query, first, end, take);
    case PICK.HASH:
      return pickByHash(query, first, end, take);
    default:
      if (take === TAKE.PART) return pickPartByWeight(query, first, end);
      return pickByWeight(query, first, end, take);
  }
}

function pickFirst(query: Query, first: number, end: number, take: number): number {
  for (let endpoint = first; endpoint < end; endpoint++) if (usable(query, endpoint, take)) return endpoint;
  return -1;
}

/** Rendezvous hashing with weights: a change of the pool moves only the clients of what changed. */
function pickByHash(query: Query, first: number, end: number, take: number): number {
  const client = hashOfClient(query);
  let best = -1;
  let bestScore = -1;
  for (let endpoint = first; endpoint < end; endpoint++) {
    if (!usable(query, endpoint, take)) continue;
    const score = hashScore(query, client, endpoint, take);
    if (score <= bestScore) continue;
    bestScore = score;
    best = endpoint;
  }
  return best;
}

/** One endpoint, with a probability in proportion to its weight. */
function pickByWeight(query: Query, first: number, end: number, take: number): number {
  const { endpoints } = query.snapshot;
  let total = 0;
  let count = 0;
  for (let endpoint = first; endpoint < end; endpoint++) {
    if (!usable(query, endpoint, take)) continue;
    total += endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT]!;
    count++;
  }
  if (count === 0) return -1;
  const even = total === 0;
  let left = count === 1 ? -1 : Math.floor((draw(query) / 0x1_0000_0000) * (even ? count : total));
  let chosen = -1;
  for (let endpoint = first; endpoint < end; endpoint++) {
    if (!usable(query, endpoint, take)) continue;
    chosen = endpoint;
    left -= even ? 1 : endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT]!;
    if (left < 0) break;
  }
  return chosen;
}
