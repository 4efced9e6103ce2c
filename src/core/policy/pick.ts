import { draw, type Query } from '../answer/query.js';
import { ANSWERS_MAX, ENDPOINT, PICK, POOL } from '../answer/snapshot.js';
import { SLOT_ALWAYS_DOWN } from '../health/word.js';
import { hashOfClient, mix } from './client.js';
import { pickPartByWeight, weightNow } from './part.js';
import { TAKE } from './steer.js';

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
  const record = pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
  const first = pools[record + POOL.ENDPOINTS]!;
  const end = first + pools[record + POOL.COUNT]!;
  if (end - first === 1) {
    chosen[0] = first;
    return usable(query, first, take) ? 1 : 0;
  }
  switch (pools[pool * POOL.STRIDE + POOL.PICK]) {
    case PICK.ALL:
      return pickAll(query, first, end, take, chosen);
    case PICK.FIRST:
      return pickFirst(query, first, end, take, chosen);
    case PICK.HASH:
      return pickByHash(query, first, end, take, chosen);
    default:
      if (take === TAKE.PART) return pickPartByWeight(query, first, end, chosen);
      return pickByWeight(query, first, end, take, chosen);
  }
}

/** Whether an endpoint may be answered. Failing open takes all but those that the operator set down. */
function usable(query: Query, endpoint: number, take: number): boolean {
  const { endpoints } = query.snapshot;
  const slot = endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.SLOT]!;
  if (take === TAKE.ALL) return slot !== SLOT_ALWAYS_DOWN;
  if (query.health[slot]! < 0) return false;
  return (endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT] === 0) === (take === TAKE.SPARE);
}

/** All of them, at most ANSWERS_MAX; of a larger pool a window that starts anywhere. */
function pickAll(query: Query, first: number, end: number, take: number, chosen: Int32Array): number {
  const size = end - first;
  const offset = size > ANSWERS_MAX ? draw(query) % size : 0;
  let count = 0;
  for (let i = 0; i < size && count < ANSWERS_MAX; i++) {
    const endpoint = first + ((offset + i) % size);
    if (usable(query, endpoint, take)) chosen[count++] = endpoint;
  }
  return count;
}

function pickFirst(query: Query, first: number, end: number, take: number, chosen: Int32Array): number {
  for (let endpoint = first; endpoint < end; endpoint++) {
    if (!usable(query, endpoint, take)) continue;
    chosen[0] = endpoint;
    return 1;
  }
  return 0;
}

/** Rendezvous hashing with weights: a change of the pool moves only the clients of what changed. */
function pickByHash(query: Query, first: number, end: number, take: number, chosen: Int32Array): number {
  const { endpoints } = query.snapshot;
  const client = hashOfClient(query);
  let best = -1;
  let bestScore = -1;
  for (let endpoint = first; endpoint < end; endpoint++) {
    if (!usable(query, endpoint, take)) continue;
    const record = endpoint * ENDPOINT.STRIDE;
    // 0 < u < 1; weight / −ln(u) is the score of "Weighted distributed hash tables" (Schindelhauer 2005).
    const u = (mix(client ^ endpoints[record + ENDPOINT.IDENTITY]!) + 0.5) / 0x1_0000_0000;
    const weight = take === TAKE.PART ? weightNow(query, endpoint) : endpoints[record + ENDPOINT.WEIGHT]!;
    const score = (weight === 0 ? 1 : weight) / -Math.log(u);
    if (score <= bestScore) continue;
    bestScore = score;
    best = endpoint;
  }
  if (best < 0) return 0;
  chosen[0] = best;
  return 1;
}

/** One endpoint, with a probability in proportion to its weight. */
function pickByWeight(query: Query, first: number, end: number, take: number, chosen: Int32Array): number {
  const { endpoints } = query.snapshot;
  let total = 0;
  let count = 0;
  for (let endpoint = first; endpoint < end; endpoint++) {
    if (!usable(query, endpoint, take)) continue;
    total += endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT]!;
    count++;
  }
  if (count === 0) return 0;
  const even = total === 0;
  let left = count === 1 ? -1 : Math.floor((draw(query) / 0x1_0000_0000) * (even ? count : total));
  for (let endpoint = first; endpoint < end; endpoint++) {
    if (!usable(query, endpoint, take)) continue;
    chosen[0] = endpoint;
    left -= even ? 1 : endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT]!;
    if (left < 0) break;
  }
  return 1;
}
