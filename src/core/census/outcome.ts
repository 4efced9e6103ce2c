import type { NumberIndex } from '../answer/build.js';
import type { Query } from '../answer/query.js';
import { FAMILIES, MODE, REGION_LIST, RRSET } from '../answer/snapshot.js';
import { formatName } from '../dns/name.js';
import { formatAddress } from '../dns/rdata/address.js';
import { standIn } from '../policy/divert.js';
import { TAKE } from '../policy/pool.js';
import { NO_POOL, serve } from '../policy/steer.js';
import type { Endpoint, Family } from '../zone/model.js';
import {
  type Branch,
  type ClientPoint,
  chainBranches,
  divertPieces,
  keptBy,
  liveBranches,
  pointsOf,
  type Reason,
  weightedBranches,
} from './branches.js';
import { endpointChances, oneEndpoint } from './endpoint-chances.js';

/** A pool, and the share of the answers of a class that it gives. */
export interface PoolShare {
  readonly pool: string;
  readonly region?: string;
  /** Its number in the snapshot. */
  readonly number: number;
  readonly share: number;
  readonly reason: Reason;
}

/** One address (or name) of a pool, and how often it is answered. */
export interface AnswerShare {
  readonly rdata: string;
  readonly pool: string;
  readonly region?: string;
  /** Its number in the snapshot. */
  readonly number: number;
  /** Of the answers: how many hold it. */
  readonly presence: number;
  /** Of the clients, where each takes any of the addresses of its answer. */
  readonly share: number;
}

/**
 * What the clients of one class get, as exact expectations: over draws, and over clients where a pool picks by hash.
 * Shares go from 0 to 1. Those of `pools`, those of `answers`, and each of them with `empty`, sum to 1.
 */
export interface Outcome {
  /** Largest share first. */
  readonly pools: readonly PoolShare[];
  readonly answers: readonly AnswerShare[];
  /** Answers without an address. */
  readonly empty: number;
  /** How the pool of most answers was found. */
  readonly reason: Reason;
  /** Equal for outcomes that clients can't tell apart: the same answers with the same shares. */
  readonly answerKey: string;
  /** As `answerKey`, with the pools and the reason. */
  readonly key: string;
}

/** The outcome of a list of `steering` (of a class of the dynamic RRset at `rrset`) for the health words of `query`. */
export function outcomeOf(query: Query, index: NumberIndex, rrset: number, list: number): Outcome {
  const { nodes } = query.snapshot;
  const family = nodes[rrset + RRSET.FAMILY]!;
  const fail = nodes[rrset + RRSET.FAIL]!;
  const tally = new Tally(index, FAMILIES[family]!);
  const mode = nodes[rrset + RRSET.MODE]!;
  for (const { at, part } of divertPieces(query, poolsOf(query, mode, list))) {
    query.divertAt = at;
    switch (mode) {
      case MODE.REGIONS: {
        const pools = regionPools(query, list).map((pool) => standIn(query, pool, family));
        for (const { point, area } of pointsOf(query, pools, family)) {
          addRegions(
            query,
            tally,
            { list, family, fail, point, chance: part * area, found: [], dials: 0 },
            list + REGION_LIST.POOLS,
          );
        }
        break;
      }
      case MODE.WEIGHTED:
        addBranches(query, tally, weightedBranches(query, list, family, fail), family, part);
        break;
      default:
        addBranches(query, tally, chainBranches(query, list, family, fail), family, part);
    }
  }
  query.divertAt = -1;
  return tally.outcome();
}

/** Every pool that a list names. */
function poolsOf(query: Query, mode: number, list: number): readonly number[] {
  const { steering } = query.snapshot;
  const count = steering[list]!;
  switch (mode) {
    case MODE.REGIONS:
      return regionPools(query, list);
    case MODE.WEIGHTED: {
      const end = list + 1 + 2 * count;
      const behind = steering.subarray(end + 1, end + 1 + steering[end]!);
      const drawn = steering.subarray(list + 1, end).filter((_, i) => i % 2 === 0);
      return [...drawn, ...behind];
    }
    default:
      return [...steering.subarray(list + 1, list + 1 + count)];
  }
}

/** Every pool of a list of regions, and of the chain behind it. */
function regionPools(query: Query, list: number): readonly number[] {
  const { steering } = query.snapshot;
  const chain = list + REGION_LIST.POOLS + 2 * steering[list + REGION_LIST.COUNT]!;
  return [...steering.subarray(chain + 1, chain + 1 + steering[chain]!)];
}

function addBranches(
  query: Query,
  tally: Tally,
  branches: readonly Branch[],
  family: number,
  part = 1,
): void {
  for (const { pool, take, chance, reason } of branches) {
    if (pool < 0) {
      tally.addEmpty(part * chance, reason);
      continue;
    }
    tally.addPool(pool, part * chance, reason);
    tally.addAnswer(pool, part * chance, endpointChances(query, pool, family, take));
  }
}

/** More dialled pools in one answer than this: the likelier way is taken for certain. */
const DIALS_MAX = 10;

interface RegionWay {
  readonly list: number;
  readonly family: number;
  readonly fail: number;
  readonly point: ClientPoint;
  /** The chance of this way so far. */
  readonly chance: number;
  readonly found: readonly { readonly pool: number; readonly take: number; readonly region: number }[];
  readonly given?: Branch;
  readonly dials: number;
}

/** As `chooseRegions()` of `policy/choose.ts`: which regions answer depends on dials only. */
function addRegions(query: Query, tally: Tally, way: RegionWay, from: number): void {
  const { steering } = query.snapshot;
  const { list, family, found, chance } = way;
  const wanted = steering[list + REGION_LIST.WANTED]!;
  const pools = list + REGION_LIST.POOLS;
  const end = pools + 2 * steering[list + REGION_LIST.COUNT]!;
  for (let i = from; i < end && found.length < wanted; i += 2) {
    const region = steering[i + 1]!;
    if (found.some((one) => one.region === region)) continue;
    const result = serve(query, standIn(query, steering[i]!, family), family);
    if (result === NO_POOL) continue;
    const one = { pool: result >> 2, take: result & 3, region };
    const kept = one.take === TAKE.UP ? 1 : keptBy(query, one.pool, way.point);
    const likely = way.dials < DIALS_MAX ? kept : Math.round(kept);
    const dials = way.dials + (kept < 1 ? 1 : 0);
    if (likely < 1) {
      const given = way.given ?? { pool: one.pool, take: one.take, chance: 1, reason: 'first' as const };
      addRegions(query, tally, { ...way, given, dials, chance: chance * (1 - likely) }, i + 2);
    }
    if (likely > 0) {
      addRegions(query, tally, { ...way, dials, chance: chance * likely, found: [...found, one] }, i + 2);
    }
    return;
  }
  if (found.length === 0) {
    addBranches(query, tally, behindRegions(query, way, end), family, chance);
    return;
  }
  for (const { pool, take } of found) {
    tally.addPool(pool, chance / found.length, 'first');
    tally.addOne(pool, oneEndpoint(query, pool, family, take), chance, 1 / found.length);
  }
}

/** No pool of the regions answers. */
function behindRegions(query: Query, way: RegionWay, chain: number): readonly Branch[] {
  const { steering } = query.snapshot;
  const { family, fail, given, point, list } = way;
  if (!given) return chainBranches(query, chain, family, fail);
  const at = chain + 1 + steering[list + REGION_LIST.COUNT]!;
  const end = chain + 1 + steering[chain]!;
  return liveBranches(query, { at, end, family, first: given.pool, point, given });
}

interface Counted {
  readonly pool: number;
  presence: number;
  share: number;
}

class Tally {
  readonly #index: NumberIndex;
  readonly #family: Family;
  readonly #pools = new Map<string, { pool: number; share: number; reason: Reason }>();
  readonly #answers = new Map<number, Counted>();
  #empty = 0;
  #emptyReason: Reason = 'no_pool';

  constructor(index: NumberIndex, family: Family) {
    this.#index = index;
    this.#family = family;
  }

  addEmpty(chance: number, reason: Reason): void {
    this.#empty += chance;
    this.#emptyReason = reason;
  }

  addPool(pool: number, share: number, reason: Reason): void {
    const key = `${pool} ${reason}`;
    const known = this.#pools.get(key);
    if (known) known.share += share;
    else this.#pools.set(key, { pool, share, reason });
  }

  /** An answer of one pool; `presence` by endpoint. */
  addAnswer(pool: number, chance: number, presence: ReadonlyMap<number, number>): void {
    let count = 0;
    for (const one of presence.values()) count += one;
    for (const [endpoint, one] of presence) {
      this.#add(pool, endpoint, chance * one, (chance * one) / count);
    }
  }

  /** One place of an answer that has several. */
  addOne(pool: number, presence: ReadonlyMap<number, number>, chance: number, part: number): void {
    for (const [endpoint, one] of presence) this.#add(pool, endpoint, chance * one, chance * one * part);
  }

  #add(pool: number, endpoint: number, presence: number, share: number): void {
    const known = this.#answers.get(endpoint) ?? { pool, presence: 0, share: 0 };
    known.presence += presence;
    known.share += share;
    this.#answers.set(endpoint, known);
  }

  outcome(): Outcome {
    const pools = [...this.#pools.values()]
      .sort((a, b) => b.share - a.share || a.pool - b.pool)
      .map(({ pool, share, reason }) => ({ ...this.#named(pool), number: pool, share, reason }));
    const answers = [...this.#answers]
      .filter(([, { presence }]) => presence > 0)
      .sort(([a, one], [b, other]) => other.share - one.share || a - b)
      .map(([number, { pool, presence, share }]) => ({
        rdata: rdataText(this.#index.endpoint(number)!.endpoint, this.#family),
        ...this.#named(pool),
        number,
        presence,
        share,
      }));
    const largest = pools[0];
    const reason = largest && largest.share >= this.#empty ? largest.reason : this.#emptyReason;
    const answerKey = keyOf(answers, this.#empty);
    const poolKey = pools
      .map(({ pool, share, reason: how }) => `${pool}=${round(share)}${how}`)
      .sort()
      .join();
    return {
      pools,
      answers,
      empty: this.#empty,
      reason,
      answerKey,
      key: `${answerKey}|${poolKey}|${reason}`,
    };
  }

  #named(number: number): { readonly pool: string; readonly region?: string } {
    const { name, region } = this.#index.pool(number)!;
    return { pool: name, ...(region !== undefined && { region }) };
  }
}

/** Two endpoints with the same address are one answer. */
function keyOf(answers: readonly AnswerShare[], empty: number): string {
  const byRdata = new Map<string, { presence: number; share: number }>();
  for (const { rdata, presence, share } of answers) {
    const known = byRdata.get(rdata) ?? { presence: 0, share: 0 };
    byRdata.set(rdata, { presence: known.presence + presence, share: known.share + share });
  }
  const parts = [...byRdata].map(
    ([rdata, { presence, share }]) => `${rdata}=${round(presence)}/${round(share)}`,
  );
  return `${parts.sort().join()};${round(empty)}`;
}

function round(share: number): number {
  return Math.round(share * 1e9) / 1e9;
}

/** An endpoint as records show it: an address, or a name with its trailing dot. */
export function rdataText(endpoint: Endpoint, family: Family): string {
  const rdata = endpoint.rdata[family]!;
  return family === 'CNAME' ? formatName(rdata) : formatAddress(rdata);
}
