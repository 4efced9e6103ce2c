import type { Query } from '../answer/query.js';
import { ANSWERS_MAX, MODE, OUTCOME, POOL, REGION_LIST, RRSET } from '../answer/snapshot.js';
import { standIn } from './divert.js';
import { dialledAway, isDialled } from './part.js';
import { pickEndpoints, pickOne } from './pick.js';
import { TAKE } from './pool.js';
import { classList, firstLive, NO_POOL, noteResult, serve, steer, walkChain } from './steer.js';

/**
 * Lets the policy of a dynamic RRset choose: writes the endpoints of the answer to `chosen` and returns how many, 0
 * where there is none. Sets the ECS scope, and a reason where health left little to choose from.
 */
export function chooseEndpoints(query: Query, rrset: number, chosen: Int32Array): number {
  const { nodes } = query.snapshot;
  const family = nodes[rrset + RRSET.FAMILY]!;
  if (nodes[rrset + RRSET.MODE] === MODE.REGIONS) return chooseRegions(query, rrset, family, chosen);
  return endpointsOf(query, steer(query, rrset), family, chosen);
}

function endpointsOf(query: Query, result: number, family: number, chosen: Int32Array): number {
  if (result === NO_POOL) return 0;
  const count = pickEndpoints(query, result >> 2, family, result & 3, chosen);
  // A health word changed since the pool was judged: rather all than nothing.
  return count > 0 ? count : pickEndpoints(query, result >> 2, family, TAKE.ALL, chosen);
}

/** One endpoint of the nearest pool that is up in each of the nearest regions; else as for one region. */
function chooseRegions(query: Query, rrset: number, family: number, chosen: Int32Array): number {
  const { nodes, steering } = query.snapshot;
  const list = classList(query, rrset);
  const wanted = steering[list + REGION_LIST.WANTED]!;
  const pools = list + REGION_LIST.POOLS;
  const end = pools + 2 * steering[list + REGION_LIST.COUNT]!;
  let count = 0;
  let given = NO_POOL;
  // Of the pool whose dial was asked last: its priority groups stand together.
  let leader = -1;
  let away = false;
  for (let i = pools; i < end && count < wanted; i += 2) {
    if (isTaken(steering[i + 1]!, count)) continue;
    const result = serve(query, standIn(query, steering[i]!, family), family);
    if (result === NO_POOL) continue;
    if ((result & 3) !== TAKE.UP && isDialled(query, result >> 2)) {
      const own = query.snapshot.pools[(result >> 2) * POOL.STRIDE + POOL.LEADER]!;
      if (own !== leader) away = dialledAway(query, result >> 2);
      leader = own;
      if (given === NO_POOL && away) given = result;
      if (away) continue;
    }
    const endpoint = pickOne(query, result >> 2, family, result & 3);
    if (endpoint < 0) continue;
    if (count === 0) query.pool = result >> 2;
    regionsTaken[count] = steering[i + 1]!;
    chosen[count++] = endpoint;
  }
  if (count > 0) return count;
  const result =
    given === NO_POOL
      ? walkChain(query, end, family, nodes[rrset + RRSET.FAIL]!)
      : behindRegions(query, list, family, given);
  noteResult(query, result);
  return endpointsOf(query, result, family, chosen);
}

/** Every pool of the regions is down or dialled away: the chain goes on behind them, which are its first. */
function behindRegions(query: Query, list: number, family: number, given: number): number {
  const { steering } = query.snapshot;
  const count = steering[list + REGION_LIST.COUNT]!;
  const chain = list + REGION_LIST.POOLS + 2 * count;
  const result = firstLive(query, chain + 1 + count, chain + 1 + steering[chain]!, family, given);
  if (result !== given) query.decision |= OUTCOME.FALLBACK;
  return result;
}

/** Regions that an endpoint of the answer is in. */
const regionsTaken: Int32Array = new Int32Array(ANSWERS_MAX);

function isTaken(region: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (regionsTaken[i] === region) return true;
  return false;
}
