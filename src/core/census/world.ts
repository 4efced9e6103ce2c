import { RRSET, type Snapshot } from '../answer/snapshot.js';
import type { LocationTrie } from '../geo/location.js';
import type { Census } from './census.js';
import type { ClassSizes } from './class-sizes.js';
import type { FoundDynamic } from './find-dynamic.js';
import type { Outcome } from './outcome.js';
import { type PlaceKind, placesOf } from './places.js';

/** Shares of what clients get, 0 to 1, largest first; several records weigh the same. */
export interface Shares {
  readonly answers: readonly AnswerPart[];
  readonly pools: readonly PoolPart[];
  /** By region; of pools without one `-`. */
  readonly regions: readonly { readonly region: string; readonly share: number }[];
  /** Without an address: every pool is down, or has none of this type. */
  readonly empty: number;
}

export interface AnswerPart {
  readonly rdata: string;
  readonly pool: string;
  readonly share: number;
}

export interface PoolPart {
  readonly pool: string;
  readonly region?: string;
  readonly share: number;
}

/** The clients of one place. */
export interface PlaceShares extends Shares {
  readonly place: string;
  readonly addresses: number;
}

/** What the clients of one family get. */
export interface FamilyWorld {
  readonly family: 4 | 6;
  /** IPv4 addresses, or /48 prefixes of IPv6. */
  readonly addresses: number;
  readonly total: Shares;
  /** Largest first. */
  readonly places: readonly PlaceShares[];
  /** Places that were left out. */
  readonly left: { readonly places: number; readonly addresses: number };
  /** Where there is something to compare with: it for all, and the share of clients that get something else. */
  readonly before?: { readonly total: Shares; readonly moved: number };
}

export interface WorldQuestion {
  readonly rrsets: readonly FoundDynamic[];
  readonly by: PlaceKind;
  readonly family: 4 | 6;
  /** Places to list. */
  readonly placesMax: number;
}

/**
 * What all clients of a family get from some dynamic RRsets, together and by place. `before` is a census of the same
 * RRsets to compare with: the same snapshot with other health.
 */
export function worldOf(
  snapshot: Snapshot,
  geo: LocationTrie,
  census: Census,
  question: WorldQuestion,
  before?: Census,
): FamilyWorld {
  const { family, by, placesMax } = question;
  const total = new Mix();
  const totalBefore = new Mix();
  const places = new Map<string, Mix>();
  const groups = groupsOf(snapshot, question.rrsets);
  let addresses = 0;
  let moved = 0;
  for (const { rrset, count } of groups) {
    const sizes = sizesFor(census, rrset, family);
    addresses = sizes.space.total;
    for (const { cls, addresses: held } of sizes.classes.values()) {
      const outcome = census.outcome(rrset, cls);
      total.add(outcome, held * count);
      const old = before?.outcome(rrset, cls);
      if (!old) continue;
      totalBefore.add(old, held * count);
      if (old.answerKey !== outcome.answerKey) moved += held * count;
    }
    for (const [cls, held] of placesOf(geo, sizes, by)) {
      if (!sizes.classes.has(cls)) continue;
      const outcome = census.outcome(rrset, cls);
      for (const [place, part] of held) {
        let mix = places.get(place);
        if (!mix) {
          mix = new Mix();
          places.set(place, mix);
        }
        mix.add(outcome, part * count);
      }
    }
  }
  const records = groups.reduce((sum, { count }) => sum + count, 0);
  const sorted = [...places].sort(([, a], [, b]) => b.weight - a.weight);
  const listed = sorted.slice(0, placesMax);
  const left = sorted.slice(placesMax);
  return {
    family,
    addresses,
    total: total.shares(),
    places: listed.map(([place, mix]) => ({ place, addresses: mix.weight / records, ...mix.shares() })),
    left: {
      places: left.length,
      addresses: left.reduce((sum, [, { weight }]) => sum + weight, 0) / records,
    },
    ...(before && {
      before: { total: totalBefore.shares(), moved: total.weight === 0 ? 0 : moved / total.weight },
    }),
  };
}

function sizesFor(census: Census, rrset: number, family: 4 | 6): ClassSizes {
  return census.sizes(rrset)[family === 4 ? 0 : 1]!;
}

interface Group {
  readonly rrset: number;
  count: number;
}

/** RRsets that answer everybody alike are counted once, so many times. */
function groupsOf({ nodes }: Snapshot, rrsets: readonly FoundDynamic[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const { rrset } of rrsets) {
    const fields = [RRSET.CLASSES, RRSET.FAMILY, RRSET.FAIL, RRSET.MODE].map(
      (field) => nodes[rrset + field]!,
    );
    const key = fields.join();
    const known = groups.get(key);
    if (known) known.count++;
    else groups.set(key, { rrset, count: 1 });
  }
  return [...groups.values()];
}

/** Outcomes of many clients, by how many they are. */
class Mix {
  weight = 0;
  #empty = 0;
  readonly #outcomes = new Map<Outcome, number>();

  add(outcome: Outcome, weight: number): void {
    this.weight += weight;
    this.#empty += outcome.empty * weight;
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + weight);
  }

  shares(): Shares {
    const { weight } = this;
    const answers = new Map<string, AnswerPart>();
    const pools = new Map<string, PoolPart>();
    const regions = new Map<string, number>();
    for (const [outcome, clients] of this.#outcomes) {
      const part = weight === 0 ? 0 : clients / weight;
      for (const { rdata, pool, share } of outcome.answers) {
        const key = `${rdata} ${pool}`;
        answers.set(key, { rdata, pool, share: (answers.get(key)?.share ?? 0) + share * part });
      }
      for (const { pool, region, share } of outcome.pools) {
        const key = `${pool} ${region ?? ''}`;
        const sum = (pools.get(key)?.share ?? 0) + share * part;
        pools.set(key, { pool, ...(region !== undefined && { region }), share: sum });
        const place = region ?? '-';
        regions.set(place, (regions.get(place) ?? 0) + share * part);
      }
    }
    return {
      answers: largestFirst(answers.values()),
      pools: largestFirst(pools.values()),
      regions: largestFirst([...regions].map(([region, share]) => ({ region, share }))),
      empty: weight === 0 ? 0 : this.#empty / weight,
    };
  }
}

function largestFirst<T extends { readonly share: number }>(parts: Iterable<T>): readonly T[] {
  return [...parts].filter(({ share }) => share > 0).sort((a, b) => b.share - a.share);
}
