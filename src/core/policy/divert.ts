/**
 * Pools that another one stands in for, while a rollout lasts. Wherever such a pool is in a record, a part of the clients
 * is answered as if the other stood there; where the other can't answer, everything is as without it.
 * Nothing here runs for a pool without a stand-in.
 */
import type { Query } from '../answer/query.js';
import { DIAL_FULL, POOL } from '../answer/snapshot.js';
import { hashedBits, hashOfClient, mix, narrowScope } from './client.js';
import { canFailOpen, hasFamily, POOL_STATE, poolState } from './pool.js';

/** So that being diverted does not go together with which endpoint a pool that picks by hash has for a client. */
const DIVERT_SALT = 0x165667b1;

/**
 * The pool that stands at the place of this one for this client: itself, or the first priority group of its stand-in that
 * is up (`open`: that could answer although all are down). By the client's prefix, so that a client moves once while the
 * part grows. Narrows the ECS scope to that prefix.
 */
export function divertedPool(query: Query, pool: number, family: number, open: boolean): number {
  const { pools } = query.snapshot;
  const record = pool * POOL.STRIDE;
  const leader = pools[record + POOL.DIVERT]! - 1;
  const share = pools[record + POOL.DIVERTED]!;
  if (share < DIAL_FULL && query.divertAt < 0) narrowScope(query, hashedBits(query));
  const isAway = pointOf(query) < share / DIAL_FULL;
  const chosen = isAway ? usableGroup(query, leader, family, open) : -1;
  query.trace?.divert?.(pool, leader, share, isAway, chosen >= 0);
  return chosen < 0 ? pool : chosen;
}

function usableGroup(query: Query, leader: number, family: number, open: boolean): number {
  const { pools } = query.snapshot;
  const trace = query.trace;
  query.trace = null;
  let chosen = -1;
  for (let group = leader; chosen < 0 && pools[group * POOL.STRIDE + POOL.LEADER] === leader; group++) {
    const isUsable = open
      ? canFailOpen(query, group, family)
      : hasFamily(query, group, family) && poolState(query, group, family) !== POOL_STATE.DOWN;
    if (isUsable) chosen = group;
  }
  query.trace = trace;
  return chosen;
}

/** 0 to 1. */
function pointOf(query: Query): number {
  return query.divertAt >= 0 ? query.divertAt : mix(hashOfClient(query) ^ DIVERT_SALT) / 0x1_0000_0000;
}

/** As `divertedPool()`, and the pool itself where nothing stands in for it. */
export function standIn(query: Query, pool: number, family: number, open = false): number {
  const { pools } = query.snapshot;
  return pools[pool * POOL.STRIDE + POOL.DIVERT] === 0 ? pool : divertedPool(query, pool, family, open);
}
