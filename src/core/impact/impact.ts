/**
 * What a change does to clients: which share of the addresses, and which countries and networks, would get another
 * answer, and which. Computed, not sampled: the address space is divided into parts in which everybody is treated alike
 * before and after, and for each the two distributions of answers are compared.
 */
import { formatAddress } from '../dns/rdata/address.js';
import { continentsOf } from '../policy/geo-rules.js';
import type { Prefix } from '../zone/model.js';
import { CellSurvey } from './cells.js';
import { covers, type Ground, type Patch } from './ground.js';
import { type Flow, flowsBetween, type Side } from './moves.js';
import type { View } from './view.js';

/** A name and a type, before and after. */
export interface Comparison {
  readonly name: string;
  readonly type: string;
  readonly before: View;
  readonly after: View;
}

/** Shares of all placed addresses of a family, 0 to 1. */
export interface Shares {
  readonly v4: number;
  readonly v6: number;
}

export interface Portion extends Shares {
  /** `DE`, `EU`, `AS64500`. */
  readonly code: string;
}

export interface Move extends Shares {
  readonly from: Side;
  readonly to: Side;
  /** Largest first, at most PORTIONS_MAX; `countriesTotal` says how many there are. */
  readonly countries: readonly Portion[];
  readonly countriesTotal: number;
  readonly continents: readonly Portion[];
  /** Empty where the database has none. */
  readonly networks: readonly Portion[];
  /** Prefixes of rules with subnets in which clients move; at most PREFIXES_MAX. */
  readonly prefixes: readonly string[];
  /** Of the answers to clients that the database does not place, 0 to 1. */
  readonly unplaced: number;
  /** Addresses of clients that move, for `explain`. */
  readonly samples: readonly string[];
}

/** Names that change alike. */
export interface ImpactGroup extends Shares {
  /** At most NAMES_MAX. */
  readonly names: readonly { readonly name: string; readonly type: string }[];
  readonly namesTotal: number;
  /** Of the answers to clients that the database does not place. */
  readonly unplaced: number;
  /** Largest first; at most MOVES_MAX. */
  readonly moves: readonly Move[];
  readonly movesTotal: number;
}

export interface Impact {
  /** Names and types that were compared. */
  readonly compared: number;
  readonly changed: number;
  /** The mean over all compared names and types, each of which counts the same. */
  readonly mean: Shares;
  /** Most clients first; at most GROUPS_MAX. */
  readonly groups: readonly ImpactGroup[];
  readonly groupsTotal: number;
}

const GROUPS_MAX = 200;
const NAMES_MAX = 50;
const MOVES_MAX = 50;
const PORTIONS_MAX = 20;
const PREFIXES_MAX = 20;
const SAMPLES_MAX = 4;

export function impactOf(ground: Ground, comparisons: readonly Comparison[]): Impact {
  const groups = new Map<string, Comparison[]>();
  for (const comparison of comparisons) {
    const { before, after } = comparison;
    if (before.key === after.key) continue;
    const key = `${before.key}\n${after.key}`;
    const alike = groups.get(key);
    if (alike) alike.push(comparison);
    else groups.set(key, [comparison]);
  }
  const survey = new CellSurvey(ground);
  const found: { readonly alike: readonly Comparison[]; readonly moved: Moved }[] = [];
  for (const alike of groups.values()) {
    const moved = movedIn(ground, survey, alike[0]!);
    if (moved) found.push({ alike, moved });
  }
  const weight = ({ alike, moved }: (typeof found)[number]) => (moved.v4 + moved.v6) * alike.length;
  found.sort((one, other) => weight(other) - weight(one));
  const sum = (of: (one: (typeof found)[number]) => number) => found.reduce((all, one) => all + of(one), 0);
  const compared = comparisons.length;
  const all = Math.max(compared, 1);
  return {
    compared,
    changed: sum(({ alike }) => alike.length),
    mean: {
      v4: sum(({ alike, moved }) => moved.v4 * alike.length) / all,
      v6: sum(({ alike, moved }) => moved.v6 * alike.length) / all,
    },
    groups: found.slice(0, GROUPS_MAX).map(({ alike, moved }) => {
      const moves = movesOf(ground, survey, alike[0]!);
      return {
        names: alike.slice(0, NAMES_MAX).map(({ name, type }) => ({ name, type })),
        namesTotal: alike.length,
        ...moved,
        moves: moves.slice(0, MOVES_MAX),
        movesTotal: moves.length,
      };
    }),
    groupsTotal: found.length,
  };
}

interface Moved extends Shares {
  readonly unplaced: number;
}

/** How much moves, and not where: a zone of a thousand records of which each changes in its own way has many answers. */
function movedIn(ground: Ground, survey: CellSurvey, comparison: Comparison): Moved | undefined {
  const moved = { v4: 0, v6: 0, unplaced: 0 };
  const shareOf = byClasses(comparison, (flows) => flows.reduce((sum, { share }) => sum + share, 0));
  let isAny = false;
  eachPatch(ground, survey, comparison, ({ family, part, isPlaced, before, after }) => {
    const share = shareOf(before, after);
    if (share === 0) return;
    isAny = true;
    if (isPlaced) moved[family] += share * part;
    else if (family === 'v4') moved.unplaced += share * part;
  });
  return isAny ? moved : undefined;
}

function movesOf(ground: Ground, survey: CellSurvey, comparison: Comparison): readonly Move[] {
  const tallies = new Map<string, Tally>();
  const flowsOf = byClasses(comparison, (flows) =>
    flows.map((flow) => ({ share: flow.share, tally: tallyOf(tallies, flow) })),
  );
  eachPatch(ground, survey, comparison, ({ family, patch, part, isPlaced, prefix, before, after }) => {
    for (const { share, tally } of flowsOf(before, after)) {
      if (isPlaced) addPlaced(tally, family, patch.location, share * part);
      else if (family === 'v4') tally.unplaced += share * part;
      if (prefix && tally.prefixes.size < PREFIXES_MAX) tally.prefixes.add(prefixText(prefix));
      addSample(tally, patch, isPlaced ? patch.count : 0);
    }
  });
  const moves = [...tallies.values()].map((tally) => moveOf(ground, tally));
  return moves.sort((a, b) => b.v4 + b.v6 - (a.v4 + a.v6) || b.unplaced - a.unplaced);
}

/** What is made of the flows from a class of before to one of after; made once for each two. */
function byClasses<T>(
  { before, after }: Comparison,
  make: (flows: readonly Flow[]) => T,
): (old: number, now: number) => T {
  const made = new Map<number, T>();
  return (old, now) => {
    const key = old * after.classes + now;
    const known = made.get(key);
    if (known !== undefined) return known;
    const fresh = make(flowsBetween(before.answered(old), after.answered(now)));
    made.set(key, fresh);
    return fresh;
  };
}

/** Addresses that are treated alike before, and alike after. */
interface Part {
  readonly family: 'v4' | 'v6';
  readonly patch: Patch;
  /** Of all placed addresses of the family; of all unplaced ones if they are not placed. */
  readonly part: number;
  readonly isPlaced: boolean;
  readonly prefix: Prefix | undefined;
  /** Classes. */
  readonly before: number;
  readonly after: number;
}

function eachPatch(
  ground: Ground,
  survey: CellSurvey,
  { before, after }: Comparison,
  visit: (part: Part) => void,
): void {
  const prefixes = [...prefixesOf(before), ...prefixesOf(after)];
  for (const family of ['v4', 'v6'] as const) {
    const total = ground.total[family];
    // How much of the clients without a place lies here: they are no share of the others.
    const unplacedTotal = ground[family].get(0)?.count ?? 0;
    for (const { prefix, patches } of survey.cells(family, prefixes)) {
      const classBefore = classesIn(before, prefix);
      const classAfter = classesIn(after, prefix);
      for (const patch of patches) {
        const { location, count } = patch;
        const isPlaced = location !== 0 || !ground.isPlaced;
        const part = count / Math.max(isPlaced ? total : unplacedTotal, 1);
        visit({
          family,
          patch,
          part,
          isPlaced,
          prefix,
          before: classBefore(location),
          after: classAfter(location),
        });
      }
    }
  }
}

interface Tally {
  readonly from: Side;
  readonly to: Side;
  v4: number;
  v6: number;
  unplaced: number;
  /** By location: what moves there. */
  readonly locations: Map<number, { v4: number; v6: number }>;
  readonly prefixes: Set<string>;
  /** Largest patches first. */
  readonly samples: Readonly<Record<'v4' | 'v6', Sample[]>>;
}

interface Sample {
  readonly address: Uint8Array;
  readonly count: number;
}

function prefixesOf({ choice }: View): readonly Prefix[] {
  return choice?.overrides.map(({ prefix }) => prefix) ?? [];
}

/** The class of each location in a cell: that of the longest subnet around it, else its own. */
function classesIn({ choice }: View, cell: Prefix | undefined): (location: number) => number {
  if (!choice) return () => 0;
  let longest = -1;
  let cls = 0;
  for (const override of cell ? choice.overrides : []) {
    const { length } = override.prefix;
    // Of equal ones the first counts.
    if (length <= longest || length > cell!.length || !covers(override.prefix, cell!.bytes)) continue;
    longest = length;
    cls = override.cls;
  }
  return longest >= 0 ? () => cls : (location) => choice.classOf[location]!;
}

function tallyOf(tallies: Map<string, Tally>, { from, to }: Flow): Tally {
  const key = JSON.stringify([
    from.pool,
    from.region,
    from.reason,
    to.pool,
    to.region,
    to.reason,
    from.answers.length === 0,
    to.answers.length === 0,
  ]);
  const known = tallies.get(key);
  if (known) return known;
  const tally: Tally = {
    from,
    to,
    v4: 0,
    v6: 0,
    unplaced: 0,
    locations: new Map(),
    prefixes: new Set(),
    samples: { v4: [], v6: [] },
  };
  tallies.set(key, tally);
  return tally;
}

function addPlaced(tally: Tally, family: 'v4' | 'v6', location: number, share: number): void {
  tally[family] += share;
  const known = tally.locations.get(location);
  if (known) known[family] += share;
  else tally.locations.set(location, family === 'v4' ? { v4: share, v6: 0 } : { v4: 0, v6: share });
}

/** Half of them of each family, so that both are there where both move; those of the largest patches. */
function addSample({ samples }: Tally, { samples: [address] }: Patch, count: number): void {
  if (!address) return;
  const list = address.length === 4 ? samples.v4 : samples.v6;
  const isFull = list.length === SAMPLES_MAX / 2;
  if (isFull && count <= list.at(-1)!.count) return;
  if (isFull) list.pop();
  list.push({ address, count });
  list.sort((one, other) => other.count - one.count);
}

function moveOf({ locations }: Ground, tally: Tally): Move {
  const countries = new Map<string, { v4: number; v6: number }>();
  const continents = new Map<string, { v4: number; v6: number }>();
  const networks = new Map<string, { v4: number; v6: number }>();
  const add = (to: typeof countries, code: string | undefined, { v4, v6 }: Shares) => {
    if (code === undefined) return;
    const known = to.get(code);
    if (!known) {
      to.set(code, { v4, v6 });
      return;
    }
    known.v4 += v4;
    known.v6 += v6;
  };
  const continentOf = continentsOf(locations);
  for (const [id, shares] of tally.locations) {
    const location = locations[id]!;
    add(countries, location.country, shares);
    add(continents, continentOf[id], shares);
    add(networks, location.asn === undefined ? undefined : `AS${location.asn}`, shares);
  }
  const { from, to, v4, v6, unplaced } = tally;
  return {
    from,
    to,
    v4,
    v6,
    countries: portions(countries),
    countriesTotal: countries.size,
    continents: portions(continents),
    networks: portions(networks),
    prefixes: [...tally.prefixes],
    unplaced,
    samples: [...tally.samples.v4, ...tally.samples.v6].map(({ address }) => formatAddress(address)),
  };
}

function portions(shares: ReadonlyMap<string, Shares>): readonly Portion[] {
  return [...shares]
    .map(([code, { v4, v6 }]) => ({ code, v4, v6 }))
    .sort((a, b) => b.v4 + b.v6 - (a.v4 + a.v6))
    .slice(0, PORTIONS_MAX);
}

function prefixText({ bytes, length }: Prefix): string {
  return `${formatAddress(bytes)}/${length}`;
}
