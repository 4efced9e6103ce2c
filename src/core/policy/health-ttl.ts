import type { Query } from '../answer/query.js';
import { ENDPOINT, MODE, POOL, RRSET } from '../answer/snapshot.js';
import { TTL_MASK } from '../health/word.js';

/**
 * The TTL of an answer whose record gives a range: the time in which a verdict that it rests on could change, within
 * the range. It rests on the endpoints, up or down, of every pool that was looked at until one served (gdnsd does the
 * same), so those of the list up to `pool`; of weighted pools, on all.
 */
export function healthTtl(query: Query, rrset: number, pool: number): number {
  const { nodes, steering } = query.snapshot;
  const range = ~nodes[rrset + RRSET.TTL]!;
  const family = nodes[rrset + RRSET.FAMILY]!;
  const list = query.steeringList;
  const weighted = nodes[rrset + RRSET.MODE] === MODE.WEIGHTED;
  const step = weighted ? 2 : 1;
  const end = list + 1 + step * steering[list]!;
  let ttl = steering[range + 1]!;
  let found = false;
  for (let i = list + 1; i < end && (weighted || !found); i += step) {
    ttl = Math.min(ttl, poolTtl(query, steering[i]!, family));
    found ||= steering[i] === pool;
  }
  // Behind weighted pools stands the chain of their fallbacks.
  const behind = weighted ? end + 1 + steering[end]! : end;
  for (let i = end + 1; i < behind && !found; i++) {
    ttl = Math.min(ttl, poolTtl(query, steering[i]!, family));
    found = steering[i] === pool;
  }
  return Math.max(ttl, steering[range]!);
}

function poolTtl(query: Query, pool: number, family: number): number {
  const { pools, endpoints } = query.snapshot;
  const record = pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
  const first = pools[record + POOL.ENDPOINTS]!;
  const end = first + pools[record + POOL.COUNT]!;
  let ttl: number = TTL_MASK;
  for (let i = first; i < end; i++) {
    ttl = Math.min(ttl, query.health[endpoints[i * ENDPOINT.STRIDE + ENDPOINT.SLOT]!]! & TTL_MASK);
  }
  return ttl;
}
