import { draw, type Query } from '../answer/query.js';
import { REASON } from '../answer/reason.js';
import { FAIL, MODE, OUTCOME, POOL, RRSET } from '../answer/snapshot.js';
import { SHARE_FULL } from '../health/word.js';
import { classOfClient, hashedBits, locateClient, narrowScope } from './client.js';
import { standIn } from './divert.js';
import { dialledAway, isDialled, passesOn, poolShare } from './part.js';
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
  const fail = nodes[rrset + RRSET.FAIL]!;
  const result =
    nodes[rrset + RRSET.MODE] === MODE.WEIGHTED
      ? chooseWeighted(query, list, family, fail)
      : walkChain(query, list, family, fail);
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
  query.steeringList = steering[classes + cls]!;
  return query.steeringList;
}

/** The first pool of `[count, pool, …]` that is up. */
export function walkChain(query: Query, list: number, family: number, fail: number): number {
  const { steering } = query.snapshot;
  const end = list + 1 + steering[list]!;
  const live = firstLive(query, list + 1, end, family, NO_POOL);
  if (live !== NO_POOL) {
    if (!isFirst(query, live >> 2, steering[list + 1]!, family)) query.decision |= OUTCOME.FALLBACK;
    return live;
  }
  if (fail !== FAIL.OPEN) return failedOtherwise(query, family, fail);
  failingOpen(query);
  for (let i = list + 1; i < end; i++) {
    const pool = standIn(query, steering[i]!, family, true);
    if (canFailOpen(query, pool, family)) return (pool << 2) | TAKE.ALL;
  }
  return NO_POOL;
}

/** Whether a pool is the first choice, or stands in for it. */
function isFirst(query: Query, pool: number, first: number, family: number): boolean {
  if (pool === first) return true;
  const trace = query.trace;
  query.trace = null;
  const stands = standIn(query, first, family);
  query.trace = trace;
  return pool === stands;
}

/**
 * The first pool from `at` to `end` of `steering` that is up. One that takes part of its answers may pass this one
 * on; it serves all the same where none of those behind it is up. `given`: a pool before these, which is up but whose
 * dial has given this answer away; NO_POOL for none.
 */
export function firstLive(query: Query, at: number, end: number, family: number, given: number): number {
  const { steering, pools } = query.snapshot;
  let passed = given;
  // Of the pool whose dial was asked last: its priority groups stand together.
  let leader = -1;
  let away = false;
  for (let i = at; i < end; i++) {
    const pool = standIn(query, steering[i]!, family);
    const chosen = serve(query, pool, family);
    if (chosen === NO_POOL) continue;
    if ((chosen & 3) === TAKE.UP) return chosen;
    const dialled = isDialled(query, pool);
    if (dialled) {
      const first = pools[pool * POOL.STRIDE + POOL.LEADER]!;
      // Later groups of weighted pools stand behind them all: their dial has been asked, or is not to be asked.
      if (first !== leader) away = (given !== NO_POOL && first !== pool) || dialledAway(query, pool);
      leader = first;
    }
    if (!(dialled && away) && ((chosen & 3) !== TAKE.PART || !passesOn(query, pool, family))) return chosen;
    if (passed === NO_POOL) passed = chosen;
  }
  return passed;
}

/** By weight among the pools of `[count, pool, weight, …]` that are up; then the fallback chain behind it. */
function chooseWeighted(query: Query, list: number, family: number, fail: number): number {
  const { steering } = query.snapshot;
  const end = list + 1 + 2 * steering[list]!;
  let live = drawPool(query, list, family, DRAWN.LIVE);
  let given = NO_POOL;
  if ((live & 3) !== TAKE.UP && live !== NO_POOL && isDialled(query, live >> 2)) {
    // What a dial gives away goes to pools that are not dialled, by weight: each keeps what its own dial says.
    if (dialledAway(query, live >> 2)) given = live;
    if (given !== NO_POOL) live = drawPool(query, list, family, DRAWN.UNDIALLED);
  }
  if (live !== NO_POOL) return live;
  const behind = firstLive(query, end + 1, end + 1 + steering[end]!, family, given);
  if (behind !== NO_POOL) {
    if (behind !== given) query.decision |= OUTCOME.FALLBACK;
    return behind;
  }
  if (fail !== FAIL.OPEN) return failedOtherwise(query, family, fail);
  failingOpen(query);
  return drawPool(query, list, family, DRAWN.ANY);
}

/** Which pools a draw is among: those that are up, those of them that are not dialled, or whatever their health. */
const DRAWN = { LIVE: 0, UNDIALLED: 1, ANY: 2 } as const;

/**
 * Two passes, so that nothing is stored: the sum of weights, then the pool in which the draw falls. Pools
 * without the family take no part, so that no weight is spent on empty answers.
 */
function drawPool(query: Query, list: number, family: number, among: number): number {
  const { steering } = query.snapshot;
  const end = list + 1 + 2 * steering[list]!;
  let total = 0;
  let usable = 0;
  for (let i = list + 1; i < end; i += 2) {
    const share = takes(query, standIn(query, steering[i]!, family, among === DRAWN.ANY), family, among);
    if (share === 0) continue;
    total += steering[i + 1]! * share;
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
    const pool = standIn(query, steering[i]!, family, among === DRAWN.ANY);
    const share = takes(query, pool, family, among);
    if (share === 0) continue;
    left -= even ? 1 : steering[i + 1]! * share;
    if (left >= 0) continue;
    chosen = among === DRAWN.ANY ? (pool << 2) | TAKE.ALL : serve(query, pool, family);
  }
  query.trace = trace;
  // A health word may change between the passes; the chain behind takes over then.
  return chosen;
}

/** What part of its weight a pool takes, in 256ths; 0 where it can't serve. */
function takes(query: Query, pool: number, family: number, among: number): number {
  if (among === DRAWN.ANY) return canFailOpen(query, pool, family) ? SHARE_FULL : 0;
  if (!hasFamily(query, pool, family)) return 0;
  if (among === DRAWN.UNDIALLED && isDialled(query, pool)) return 0;
  const state = poolState(query, pool, family);
  if (state === POOL_STATE.PART) return poolShare(query, pool, family);
  return state === POOL_STATE.DOWN ? 0 : SHARE_FULL;
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
    case POOL_STATE.PART:
      return (pool << 2) | TAKE.PART;
    default:
      return NO_POOL;
  }
}

function failingOpen(query: Query): void {
  query.reason = REASON.FAILING_OPEN;
  query.decision |= OUTCOME.FAILED_OPEN;
  query.trace?.allDown('open');
}

/** With nothing, or with the pool that the record names for that. */
function failedOtherwise(query: Query, family: number, fail: number): number {
  const pool = fail >> 2;
  if ((fail & 3) === FAIL.POOL && canFailOpen(query, pool, family)) {
    query.reason = REASON.FAILING_OPEN;
    query.decision |= OUTCOME.FAILED_OPEN;
    query.trace?.allDown('pool');
    return (pool << 2) | TAKE.ALL;
  }
  query.reason = REASON.ALL_DOWN;
  query.decision |= OUTCOME.FAILED_CLOSED;
  query.trace?.allDown('closed');
  return NO_POOL;
}
