import type { Query } from '../answer/query.js';
import { DIAL_FULL, FAIL, PICK, POOL } from '../answer/snapshot.js';
import { SHARE_FULL } from '../health/word.js';
import { standIn } from '../policy/divert.js';
import { isDialled, poolShare } from '../policy/part.js';
import { canFailOpen, hasFamily, TAKE } from '../policy/pool.js';
import { NO_POOL, serve } from '../policy/steer.js';

/** How a pool was found: the first choice, one behind it, all down; `no_pool`: none has such an address. */
export type Reason = 'first' | 'fallback' | 'failed_open' | 'failed_closed' | 'no_pool';

/** One way that an answer may take: with this chance, the pool (-1: none) and how its endpoints are taken. */
export interface Branch {
  readonly chance: number;
  readonly pool: number;
  /** One of TAKE. */
  readonly take: number;
  readonly reason: Reason;
}

/** All ways through `[count, pool, …]`, and their chances: what `policy/steer.ts` `walkChain()` draws from. */
export function chainBranches(query: Query, list: number, family: number, fail: number): readonly Branch[] {
  const { steering } = query.snapshot;
  const end = list + 1 + steering[list]!;
  const pools = [...steering.subarray(list + 1, end)].map((pool) => standIn(query, pool, family));
  const live = overPoints(query, pools, family, (point) =>
    liveBranches(query, { at: list + 1, end, family, first: pools[0]!, point }),
  );
  if (live.length > 0) return live;
  if (fail !== FAIL.OPEN) return [failed(query, family, fail)];
  const open = [...steering.subarray(list + 1, end)]
    .map((pool) => standIn(query, pool, family, true))
    .find((pool) => canFailOpen(query, pool, family));
  return [open === undefined ? nothing('no_pool') : failedOpen(open)];
}

/** All ways through `[count, pool, weight, …, count, pool, …]`: by weight, then the chain behind it. */
export function weightedBranches(
  query: Query,
  list: number,
  family: number,
  fail: number,
): readonly Branch[] {
  const { steering } = query.snapshot;
  const end = list + 1 + 2 * steering[list]!;
  const pools: number[] = [];
  for (let i = list + 1; i < end; i += 2) pools.push(steering[i]!);
  const behind = { at: end + 1, end: end + 1 + steering[end]!, family, first: NO_POOL };
  const all = [...pools, ...steering.subarray(behind.at, behind.end)].map((pool) =>
    standIn(query, pool, family),
  );
  const live = byWeight(query, list, end, family, 'live');
  if (live.length === 0) {
    const next = overPoints(query, all, family, (point) => liveBranches(query, { ...behind, point }));
    if (next.length > 0) return next;
    if (fail !== FAIL.OPEN) return [failed(query, family, fail)];
    const open = byWeight(query, list, end, family, 'any');
    return open.length > 0 ? open : [nothing('no_pool')];
  }
  const undialled = byWeight(query, list, end, family, 'undialled');
  return overPoints(query, all, family, (point) =>
    live.flatMap((branch) => {
      const kept = keptBy(query, branch.pool, point);
      if (branch.take === TAKE.UP || kept === 1) return [branch];
      const given = branch.chance * (1 - kept);
      const others =
        undialled.length > 0 ? undialled : liveBranches(query, { ...behind, point, given: branch });
      return [
        { ...branch, chance: branch.chance * kept },
        ...others.map((other) => ({ ...other, chance: other.chance * given })),
      ];
    }),
  );
}

/** As `drawPool()` of `policy/steer.ts`. */
function byWeight(
  query: Query,
  list: number,
  end: number,
  family: number,
  among: 'live' | 'undialled' | 'any',
): readonly Branch[] {
  const { steering } = query.snapshot;
  const found: { readonly pool: number; readonly take: number; readonly weight: number }[] = [];
  for (let i = list + 1; i < end; i += 2) {
    const pool = standIn(query, steering[i]!, family, among === 'any');
    if (among === 'undialled' && isDialled(query, pool)) continue;
    const open = canFailOpen(query, pool, family) ? (pool << 2) | TAKE.ALL : NO_POOL;
    const result = among === 'any' ? open : serve(query, pool, family);
    if (result === NO_POOL) continue;
    const take = result & 3;
    const part = take === TAKE.PART ? poolShare(query, pool, family) : SHARE_FULL;
    found.push({ pool, take, weight: steering[i + 1]! * part });
  }
  const total = found.reduce((sum, { weight }) => sum + weight, 0);
  return found.flatMap(({ pool, take, weight }): Branch[] => {
    const chance = total === 0 ? 1 / found.length : weight / total;
    return chance === 0 ? [] : [{ chance, pool, take, reason: among === 'any' ? 'failed_open' : 'first' }];
  });
}

/**
 * Where a client stands whom a pool that picks by hash keeps or gives away for good: one point for what pools pass on,
 * one for what dials give away, each 0 to 1. Pools that pick by hash ask the same points, so that what they do with a
 * client is not independent.
 */
export interface ClientPoint {
  readonly pass: number;
  readonly dial: number;
}

/** All points in pieces in which all these pools do the same; `area` is how many clients are there. */
export function pointsOf(
  query: Query,
  pools: readonly number[],
  family: number,
): readonly { readonly point: ClientPoint; readonly area: number }[] {
  const sticky = pools.filter((pool) => isSticky(query, pool) && hasFamily(query, pool, family));
  const passes = edges(sticky.map((pool) => poolShare(query, pool, family) / SHARE_FULL));
  const dials = edges(sticky.map((pool) => dialOf(query, pool)));
  return passes.slice(1).flatMap((pass, i) =>
    dials.slice(1).map((dial, k) => ({
      point: { pass: passes[i]!, dial: dials[k]! },
      area: (pass - passes[i]!) * (dial - dials[k]!),
    })),
  );
}

/** Where clients stand for rollouts, in pieces in which all pools of a list have the same stand-ins. */
export function divertPieces(
  { snapshot }: Query,
  pools: readonly number[],
): readonly { readonly at: number; readonly part: number }[] {
  const shares = pools.flatMap((pool) => {
    const record = pool * POOL.STRIDE;
    return snapshot.pools[record + POOL.DIVERT] === 0
      ? []
      : snapshot.pools[record + POOL.DIVERTED]! / DIAL_FULL;
  });
  const bounds = edges(shares);
  return bounds.slice(1).map((end, i) => ({ at: bounds[i]!, part: end - bounds[i]! }));
}

/** Joins what clients get over all their points. */
function overPoints(
  query: Query,
  pools: readonly number[],
  family: number,
  branchesAt: (point: ClientPoint) => readonly Branch[],
): readonly Branch[] {
  const joined = new Map<string, Branch>();
  for (const { point, area } of pointsOf(query, pools, family)) {
    for (const branch of branchesAt(point)) {
      const key = `${branch.pool} ${branch.take} ${branch.reason}`;
      joined.set(key, { ...branch, chance: (joined.get(key)?.chance ?? 0) + branch.chance * area });
    }
  }
  return [...joined.values()].filter(({ chance }) => chance > 0);
}

function edges(values: readonly number[]): readonly number[] {
  return [...new Set([0, 1, ...values])].sort((a, b) => a - b);
}

/** What part of its answers the dial of a pool leaves to it, for clients at a point. */
export function keptBy(query: Query, pool: number, point: ClientPoint): number {
  const dial = dialOf(query, pool);
  return isSticky(query, pool) ? Number(point.dial < dial) : dial;
}

function dialOf({ snapshot }: Query, pool: number): number {
  return Math.min(snapshot.pools[pool * POOL.STRIDE + POOL.DIAL]! / DIAL_FULL, 1);
}

function isSticky({ snapshot }: Query, pool: number): boolean {
  return (snapshot.pools[pool * POOL.STRIDE + POOL.PICK]! & PICK.KIND) === PICK.HASH;
}

interface ChainPart {
  readonly at: number;
  readonly end: number;
  readonly family: number;
  /** The pool that is no fallback, or NO_POOL. */
  readonly first: number;
  readonly point: ClientPoint;
  /** What a dial gave away before these. */
  readonly given?: Branch;
}

/**
 * As `firstLive()` of `policy/steer.ts`, for all draws at once: `away` and `stay` are the chances of the ways that come
 * to a pool, by what the last dial said of them. Empty where no pool is up.
 */
export function liveBranches(query: Query, part: ChainPart): readonly Branch[] {
  const { steering, pools } = query.snapshot;
  const { given, first, point, family } = part;
  const branches: Branch[] = [];
  let leader = given ? pools[given.pool * POOL.STRIDE + POOL.LEADER]! : -1;
  let away = given ? 1 : 0;
  let stay = 1 - away;
  let passed: Branch | undefined = given;
  for (let i = part.at; i < part.end && away + stay > 0; i++) {
    const pool = standIn(query, steering[i]!, family);
    const result = serve(query, pool, family);
    if (result === NO_POOL) continue;
    const take = result & 3;
    const branch = { pool, take, reason: pool === first ? 'first' : 'fallback' } as const;
    const dialled = take !== TAKE.UP && isDialled(query, pool);
    if (dialled && pools[pool * POOL.STRIDE + POOL.LEADER] !== leader) {
      leader = pools[pool * POOL.STRIDE + POOL.LEADER]!;
      const coming = away + stay;
      stay = coming * keptBy(query, pool, point);
      away = coming - stay;
    }
    const share = take === TAKE.PART ? shareAt(query, pool, family, point) : 1;
    const chance = (dialled ? stay : stay + away) * share;
    if (chance > 0) branches.push({ ...branch, chance });
    stay -= stay * share;
    if (!dialled) away -= away * share;
    passed ??= { ...branch, chance: 0 };
  }
  if (passed && away + stay > 0) branches.push({ ...passed, chance: away + stay });
  return branches;
}

function shareAt(query: Query, pool: number, family: number, point: ClientPoint): number {
  const share = poolShare(query, pool, family) / SHARE_FULL;
  return isSticky(query, pool) ? Number(point.pass < share) : share;
}

function failedOpen(pool: number): Branch {
  return { chance: 1, pool, take: TAKE.ALL, reason: 'failed_open' };
}

/** With nothing, or with the pool that the record names for that. */
function failed(query: Query, family: number, fail: number): Branch {
  const pool = fail >> 2;
  if ((fail & 3) === FAIL.POOL && canFailOpen(query, pool, family)) {
    return failedOpen(pool);
  }
  return nothing('failed_closed');
}

function nothing(reason: Reason): Branch {
  return { chance: 1, pool: -1, take: TAKE.UP, reason };
}
