import type { Query } from '../answer/query.js';
import { ENDPOINT, MODE, POOL, REGION_LIST, RRSET } from '../answer/snapshot.js';
import { TTL_MASK } from '../health/word.js';

/** The TTL of the answer that a dynamic RRset just got, seconds: its own, or one from health. */
export function answerTtl(query: Query, rrset: number): number {
  const ttl = query.snapshot.nodes[rrset + RRSET.TTL]!;
  return ttl >= 0 ? ttl : healthTtl(query, rrset, query.pool);
}

/**
 * The TTL of an answer whose record gives a range: the time in which a verdict that it rests on could change, within
 * the range. It rests on the endpoints, up or down, of every pool that was looked at until one served (gdnsd does the
 * same), so those of the list up to `pool`; of weighted pools, on all.
 */
function healthTtl(query: Query, rrset: number, pool: number): number {
  const { nodes, steering } = query.snapshot;
  const range = ~nodes[rrset + RRSET.TTL]!;
  const family = nodes[rrset + RRSET.FAMILY]!;
  const list = query.steeringList;
  const mode = nodes[rrset + RRSET.MODE]!;
  const weighted = mode !== MODE.CHAIN;
  const step = weighted ? 2 : 1;
  const first = mode === MODE.REGIONS ? list + REGION_LIST.POOLS : list + 1;
  const count = steering[mode === MODE.REGIONS ? list + REGION_LIST.COUNT : list]!;
  const end = first + step * count;
  let ttl = steering[range + 1]!;
  let found = false;
  for (let i = first; i < end && (weighted || !found); i += step) {
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
  // While a rollout lasts, the answer may have to be another one soon.
  if (pools[pool * POOL.STRIDE + POOL.DIVERT] !== 0) return 0;
  const record = pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
  const first = pools[record + POOL.ENDPOINTS]!;
  const end = first + pools[record + POOL.COUNT]!;
  let ttl = query.health[pools[pool * POOL.STRIDE + POOL.SHED]!]! & TTL_MASK;
  for (let i = first; i < end; i++) {
    ttl = Math.min(ttl, query.health[endpoints[i * ENDPOINT.STRIDE + ENDPOINT.SLOT]!]! & TTL_MASK);
  }
  return ttl;
}
