import type { Query } from '../answer/query.js';
import { ANSWERS_MAX, MODE, REGION_LIST, RRSET } from '../answer/snapshot.js';
import { pickEndpoints, pickOne } from './pick.js';
import { TAKE } from './pool.js';
import { classList, NO_POOL, noteResult, serve, steer, walkChain } from './steer.js';

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
  for (let i = pools; i < end && count < wanted; i += 2) {
    if (isTaken(steering[i + 1]!, count)) continue;
    const result = serve(query, steering[i]!, family);
    if (result === NO_POOL) continue;
    const endpoint = pickOne(query, result >> 2, family, result & 3);
    if (endpoint < 0) continue;
    if (count === 0) query.pool = result >> 2;
    regionsTaken[count] = steering[i + 1]!;
    chosen[count++] = endpoint;
  }
  if (count > 0) return count;
  const result = walkChain(query, end, family, nodes[rrset + RRSET.FAIL]!);
  noteResult(query, result);
  return endpointsOf(query, result, family, chosen);
}

/** Regions that an endpoint of the answer is in. */
const regionsTaken: Int32Array = new Int32Array(ANSWERS_MAX);

function isTaken(region: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (regionsTaken[i] === region) return true;
  return false;
}
