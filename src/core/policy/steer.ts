import { draw, type Query } from '../answer/query.js';
import { REASON } from '../answer/reason.js';
import { MODE, OUTCOME, RRSET } from '../answer/snapshot.js';
import { classOfClient, hashedBits, locateClient, narrowScope } from './client.js';
import { canFailOpen, hasFamily, POOL_STATE, poolState, TAKE } from './pool.js';

/** Nothing to answer with: the pools are down and the record fails closed, or has no such family. */
export const NO_POOL = -1;

/**
 * Chooses the pool that answers a dynamic RRset: (pool << 2) | TAKE, or NO_POOL. Sets the ECS scope as far
 * as the client's place decides; health never does.
 */
export function steer(query: Query, rrset: number): number {
  const { nodes } = query.snapshot;
  const family = nodes[rrset + RRSET.FAMILY]!;
  const list = classList(query, rrset);
  const failClosed = nodes[rrset + RRSET.FAIL_CLOSED] === 1;
  const result =
    nodes[rrset + RRSET.MODE] === MODE.WEIGHTED
      ? chooseWeighted(query, list, family, failClosed)
      : walkChain(query, list, family, failClosed);
  noteResult(query, result);
  return result;
}

/** Keeps the pool for those who count. */
export function noteResult(query: Query, result: number): void {
  query.pool = result >> 2;
  if (result === NO_POOL && (query.decision & 3) !== OUTCOME.FAILED_CLOSED) query.decision = -1;
}

/** Finds the client's class and sets the scope; returns where the class's list of pools begins in `steering`. */
export function classList(query: Query, rrset: number): number {
  const { nodes, steering } = query.snapshot;
  const trie = nodes[rrset + RRSET.TRIE]!;
  locateClient(query);
  let cls = 0;
  if (trie >= 0) {
    const hit = classOfClient(query, trie);
    cls = hit >>> 8;
    narrowScope(query, hit & 0xff);
    query.trace?.client(trie, cls, hit & 0xff);
  }
  if (nodes[rrset + RRSET.HASHES] === 1) narrowScope(query, hashedBits(query));
  const classes = nodes[rrset + RRSET.CLASSES]!;
  query.decision = steering[classes - 1]! << 2;
  return steering[classes + cls]!;
}

/** The first pool of `[count, pool, …]` that is up. */
export function walkChain(query: Query, list: number, family: number, failClosed: boolean): number {
  const { steering } = query.snapshot;
  const end = list + 1 + steering[list]!;
  for (let i = list + 1; i < end; i++) {
    const chosen = serve(query, steering[i]!, family);
    if (chosen !== NO_POOL) {
      if (i > list + 1) query.decision |= OUTCOME.FALLBACK;
      return chosen;
    }
  }
  if (failClosed) return failedClosed(query);
  failingOpen(query);
  for (let i = list + 1; i < end; i++) {
    if (canFailOpen(query, steering[i]!, family)) return (steering[i]! << 2) | TAKE.ALL;
  }
  return NO_POOL;
}

/** By weight among the pools of `[count, pool, weight, …]` that are up; then the fallback chain behind it. */
function chooseWeighted(query: Query, list: number, family: number, failClosed: boolean): number {
  const { steering } = query.snapshot;
  const end = list + 1 + 2 * steering[list]!;
  const live = drawPool(query, list, family, true);
  if (live !== NO_POOL) return live;
  const fallbacks = end + 1 + steering[end]!;
  for (let i = end + 1; i < fallbacks; i++) {
    const chosen = serve(query, steering[i]!, family);
    if (chosen !== NO_POOL) {
      query.decision |= OUTCOME.FALLBACK;
      return chosen;
    }
  }
  if (failClosed) return failedClosed(query);
  failingOpen(query);
  return drawPool(query, list, family, false);
}

/**
 * Two passes, so that nothing is stored: the sum of weights, then the pool in which the draw falls. Pools
 * without the family take no part, so that no weight is spent on empty answers.
 */
function drawPool(query: Query, list: number, family: number, live: boolean): number {
  const { steering } = query.snapshot;
  const end = list + 1 + 2 * steering[list]!;
  let total = 0;
  let usable = 0;
  for (let i = list + 1; i < end; i += 2) {
    if (!takes(query, steering[i]!, family, live)) continue;
    total += steering[i + 1]!;
    usable++;
  }
  if (usable === 0) return NO_POOL;
  // Only pools of weight 0 are left: any of them.
  const even = total === 0;
  let left = Math.floor((draw(query) / 0x1_0000_0000) * (even ? usable : total));
  const trace = query.trace;
  query.trace = null;
  let chosen = NO_POOL;
  for (let i = list + 1; i < end && chosen === NO_POOL; i += 2) {
    if (!takes(query, steering[i]!, family, live)) continue;
    left -= even ? 1 : steering[i + 1]!;
    if (left < 0) chosen = live ? serve(query, steering[i]!, family) : (steering[i]! << 2) | TAKE.ALL;
  }
  query.trace = trace;
  // A health word may change between the passes; the chain behind takes over then.
  return chosen;
}

function takes(query: Query, pool: number, family: number, live: boolean): boolean {
  if (!live) return canFailOpen(query, pool, family);
  return hasFamily(query, pool, family) && poolState(query, pool, family) !== POOL_STATE.DOWN;
}

/** The pool's packed result if it serves, else NO_POOL. */
export function serve(query: Query, pool: number, family: number): number {
  if (!hasFamily(query, pool, family)) {
    query.trace?.noFamily(pool, family);
    return NO_POOL;
  }
  switch (poolState(query, pool, family)) {
    case POOL_STATE.UP:
      return (pool << 2) | TAKE.UP;
    case POOL_STATE.SPARE:
      return (pool << 2) | TAKE.SPARE;
    default:
      return NO_POOL;
  }
}

function failingOpen(query: Query): void {
  query.reason = REASON.FAILING_OPEN;
  query.decision |= OUTCOME.FAILED_OPEN;
  query.trace?.allDown('open');
}

function failedClosed(query: Query): number {
  query.reason = REASON.ALL_DOWN;
  query.decision |= OUTCOME.FAILED_CLOSED;
  query.trace?.allDown('closed');
  return NO_POOL;
}
