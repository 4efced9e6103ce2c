import type { LocationTrie } from '../geo/location.js';
import type { GeoTrie } from '../geo/trie.js';
import { compileRules } from '../policy/geo-rules.js';
import { compileNearest } from '../policy/nearest.js';
import type { DynamicRRset, Rule, Steering, Zone } from '../zone/model.js';
import { leafPools } from '../zone/pool-groups.js';
import { MODE, POLICY } from './snapshot.js';
import type { Ints } from './table.js';

/**
 * Tries are kept from one compilation to the next: they depend on the rules and the geo database, not on the
 * zone. A new database starts an empty cache.
 */
export interface TrieCache {
  readonly rules: Map<string, GeoTrie>;
  readonly nearest: Map<string, ReturnType<typeof compileNearest>>;
}

export function createTrieCache(): TrieCache {
  return { rules: new Map(), nearest: new Map() };
}

/** Makes what a cache does not have. */
export interface TrieMaker {
  readonly rules: typeof compileRules;
  readonly nearest: typeof compileNearest;
}

export const TRIE_MAKER: TrieMaker = { rules: compileRules, nearest: compileNearest };

/** Where tries come from: what the last compilation made and this one needs goes on in `next`. */
export interface TrieSource {
  readonly geo: LocationTrie;
  readonly previous: TrieCache;
  readonly next: TrieCache;
  readonly make: TrieMaker;
}

/** What a dynamic RRset becomes: see MODE and RRSET.CLASSES. */
export interface CompiledSteering {
  readonly trie: GeoTrie | undefined;
  readonly classes: number;
  readonly mode: number;
  /** Every pool that can answer, by name. */
  readonly reachable: ReadonlySet<string>;
}

/**
 * Writes the class table and the chains of a dynamic RRset to `steering`. `poolNumbers` gives the numbers of what
 * stands behind a name of a pool of this zone, in order. Among weighted pools the first of them takes part; the others
 * stand behind the list, before the fallbacks.
 */
export function compileSteering(
  rrset: DynamicRRset,
  zone: Zone,
  poolNumbers: (name: string) => readonly number[],
  steering: Ints,
  tries: TrieSource,
): CompiledSteering {
  const plan = planOf(rrset, zone, tries);
  const reachable = new Set<string>();
  const lists = plan.lists.map((list) => {
    const names = withFallbacks(list.pools, zone);
    for (const name of names) for (const leaf of leafPools(zone, name)) reachable.add(leaf.name);
    const chained = [...new Set(names.flatMap(poolNumbers))];
    if (plan.mode === MODE.CHAIN) return steering.push(chained.length, ...chained);
    if (plan.mode === MODE.REGIONS) {
      const regions = list.pools.flatMap((name) =>
        poolNumbers(name).flatMap((number) => [number, plan.regions.get(name)!]),
      );
      return steering.push(plan.wanted, regions.length / 2, ...regions, chained.length, ...chained);
    }
    const later = list.pools.flatMap((name) => poolNumbers(name).slice(1));
    const behind = [...new Set([...later, ...names.slice(list.pools.length).flatMap(poolNumbers)])];
    return steering.push(
      list.pools.length,
      ...list.pools.flatMap((name, i) => [poolNumbers(name)[0]!, list.weights[i]!]),
      behind.length,
      ...behind,
    );
  });
  const classes = steering.push(POLICY_OF[rrset.steering.kind], ...lists) + 1;
  return { trie: plan.trie, classes, mode: plan.mode, reachable };
}

const POLICY_OF: Readonly<Record<Steering['kind'], number>> = {
  rules: POLICY.RULES,
  nearest: POLICY.NEAREST,
  weighted: POLICY.WEIGHTED,
  failover: POLICY.FAILOVER,
};

interface PoolList {
  readonly pools: readonly string[];
  /** Beside `pools`, for MODE.WEIGHTED. */
  readonly weights: readonly number[];
}

interface Plan {
  readonly trie: GeoTrie | undefined;
  readonly mode: number;
  /** One for each class. */
  readonly lists: readonly PoolList[];
  /** For MODE.REGIONS: how many regions an answer wants, and a number for the region of each pool. */
  readonly wanted: number;
  readonly regions: ReadonlyMap<string, number>;
}

const ONE_REGION = { wanted: 1, regions: new Map<string, number>() } as const;

function planOf(rrset: DynamicRRset, zone: Zone, tries: TrieSource): Plan {
  const { steering } = rrset;
  switch (steering.kind) {
    case 'rules':
      return planRules(steering.rules, tries);
    case 'nearest':
      return planNearest(steering.pools, steering.regions ?? 1, zone, tries);
    case 'failover':
      return { trie: undefined, mode: MODE.CHAIN, lists: [chain(steering.pools)], ...ONE_REGION };
    case 'weighted': {
      const pools = steering.pools.map(({ pool }) => pool);
      const weights = steering.pools.map(({ weight }) => weight);
      return { trie: undefined, mode: MODE.WEIGHTED, lists: [{ pools, weights }], ...ONE_REGION };
    }
    default:
      throw assertNever(steering);
  }
}

/** Class 0, "no rule", can't be reached: validation asks for a default. */
function planRules(rules: readonly Rule[], tries: TrieSource): Plan {
  const lists = [chain([rules.at(-1)!.pool]), ...rules.map((rule) => chain([rule.pool]))];
  if (rules.length === 1) return { trie: undefined, mode: MODE.CHAIN, lists, ...ONE_REGION };
  const targets = rules.map(({ subnets, asns, geos }) => ({ subnets: subnets.map(prefixKey), asns, geos }));
  const trie = kept(tries, 'rules', JSON.stringify(targets), () => tries.make.rules(rules, tries.geo));
  return { trie, mode: MODE.CHAIN, lists, ...ONE_REGION };
}

function planNearest(pools: readonly string[], wanted: number, zone: Zone, tries: TrieSource): Plan {
  const points = pools.map((name) => {
    const region = zone.pools.get(name)?.region;
    const location = region === undefined ? undefined : zone.regions.get(region)?.location;
    if (!location) throw new Error(`pool ${name} of ${zone.origin} has no location`);
    return location;
  });
  const { trie, orders } = kept(tries, 'nearest', JSON.stringify(points), () =>
    tries.make.nearest(tries.geo, points),
  );
  const names = [...new Set(pools.map((name) => zone.pools.get(name)?.region))];
  return {
    trie,
    mode: wanted === 1 ? MODE.CHAIN : MODE.REGIONS,
    lists: orders.map((order) => chain(order.map((i) => pools[i]!))),
    wanted,
    regions: new Map(pools.map((name) => [name, names.indexOf(zone.pools.get(name)?.region)])),
  };
}

/** The pools of a list, then the fallbacks of each, each pool once. */
function withFallbacks(pools: readonly string[], zone: Zone): readonly string[] {
  const names = [...pools];
  const seen = new Set(names);
  for (const first of pools) {
    for (
      let name = zone.pools.get(first)?.fallback;
      name !== undefined;
      name = zone.pools.get(name)?.fallback
    ) {
      if (seen.has(name)) break;
      seen.add(name);
      names.push(name);
    }
  }
  return names;
}

function chain(pools: readonly string[]): PoolList {
  return { pools, weights: [] };
}

function prefixKey(prefix: { readonly bytes: Uint8Array; readonly length: number }): string {
  return `${prefix.bytes.join('.')}/${prefix.length}`;
}

type Kept<K extends keyof TrieCache> = TrieCache[K] extends Map<string, infer T> ? T : never;

function kept<K extends keyof TrieCache>(
  tries: TrieSource,
  kind: K,
  key: string,
  make: () => Kept<K>,
): Kept<K> {
  const next = tries.next[kind] as Map<string, Kept<K>>;
  const previous = tries.previous[kind] as Map<string, Kept<K>>;
  const trie = next.get(key) ?? previous.get(key) ?? make();
  next.set(key, trie);
  return trie;
}

function assertNever(value: never): Error {
  return new Error(`unexpected ${JSON.stringify(value)}`);
}
