import { COUNTER } from '../answer/counters.js';
import { createQuery } from '../answer/query.js';
import { DIAL_FULL, ENDPOINT, MODE, POOL, REGION_LIST, RRSET, type Snapshot } from '../answer/snapshot.js';
import { formatAddress } from '../dns/rdata/address.js';
import {
  isNeverAnswered,
  SLOT_DRAINED,
  SLOT_FORCED_DOWN,
  SLOT_FORCED_UP,
  WORD_ALWAYS_DOWN,
  WORD_ALWAYS_UP,
} from '../health/word.js';
import { POOL_STATE, poolState } from '../policy/pool.js';
import type { Rule, Steering } from '../zone/model.js';
import type { DecisionSource } from './decision.js';
import { type Outcome, outcomeOf } from './outcome.js';

/** Something that would change the answer: in words, and what the answer would be then. */
export interface Change {
  readonly kind: 'pool_down' | 'pool_up' | 'endpoints_down' | 'dial' | 'rollout' | 'forced' | 'client';
  readonly text: string;
  /** The pool or pools that it is about. */
  readonly pool?: string;
  /** Rule, from 0. */
  readonly rule?: number;
  /** What part of the answers each pool would give then, 0 to 1; absent where that stays open. */
  readonly pools?: readonly { readonly pool: string; readonly share: number }[];
}

/** Pools and rules that are looked at. */
const POOLS_MAX = 8;
const RULES_MAX = 6;

/** What would change the answers of a class, most likely first. */
export function changesOf(
  source: DecisionSource,
  rrset: number,
  cls: number,
  list: number,
  steering: Steering,
): readonly Change[] {
  const look = new Look(source, rrset, list);
  return [
    ...look.poolsDown(),
    ...look.poolsUp(),
    ...look.dials(),
    ...look.rollouts(),
    ...look.forces(),
    ...(steering.kind === 'rules' ? otherRules(look, steering.rules, cls) : elsewhere(steering)),
  ];
}

class Look {
  readonly #source: DecisionSource;
  readonly #rrset: number;
  readonly #list: number;
  readonly now: Outcome;
  /** Tables to suppose in. */
  #copy: { readonly endpoints: Int32Array; readonly health: Int32Array } | undefined;
  /** Those of the list, in its order. */
  readonly #pools: readonly number[];

  constructor(source: DecisionSource, rrset: number, list: number) {
    this.#source = source;
    this.#rrset = rrset;
    this.#list = list;
    this.now = this.#outcome(source.snapshot, source.health);
    this.#pools = poolsOf(source.snapshot, rrset, list);
  }

  /** Of each pool that answers: how near it is to failing over, and who would answer then. */
  poolsDown(): readonly Change[] {
    const serving = [...new Set(this.now.pools.map(({ number }) => number))].slice(0, POOLS_MAX);
    if (this.now.reason === 'failed_open') return [];
    return serving.flatMap((pool): Change[] => {
      const name = this.#name(pool);
      const then = this.#suppose(pool, false);
      if (then.key === this.now.key) return [];
      const { up, most } = this.#distance(pool);
      const kind = up === most ? 'pool_down' : 'endpoints_down';
      const text = `if ${endpointsText(name, up, most)} went down: ${describe(then)}`;
      return [{ kind, text, pool: name, pools: sharesOf(then) }];
    });
  }

  /** Pools that would answer if they came back. */
  poolsUp(): readonly Change[] {
    const serving = new Set(this.now.pools.map(({ number }) => number));
    const found: Change[] = [];
    for (const pool of this.#pools) {
      if (found.length === POOLS_MAX) break;
      if (serving.has(pool) && this.now.reason !== 'failed_open') continue;
      if (!this.#isDown(pool)) continue;
      const then = this.#suppose(pool, true);
      if (then.key === this.now.key) continue;
      const name = this.#name(pool);
      const text = `if pool ${name} came back: ${describe(then)}`;
      found.push({ kind: 'pool_up', text, pool: name, pools: sharesOf(then) });
    }
    return found;
  }

  /** Dials: what would be without them. */
  dials(): readonly Change[] {
    const { snapshot, health } = this.#source;
    const dialled = this.#pools.filter((pool) => snapshot.pools[pool * POOL.STRIDE + POOL.DIAL]! < DIAL_FULL);
    return dialled.slice(0, POOLS_MAX).flatMap((pool): Change[] => {
      const pools = Int32Array.from(snapshot.pools);
      pools[pool * POOL.STRIDE + POOL.DIAL] = DIAL_FULL;
      pools[pool * POOL.STRIDE + POOL.SHED] = pools[pool * POOL.STRIDE + POOL.LOAD]!;
      const then = this.#outcome({ ...snapshot, pools }, health);
      if (then.key === this.now.key) return [];
      const name = this.#name(pool);
      const text = `if the dial of pool ${name} went back to 100 %: ${describe(then)}`;
      return [{ kind: 'dial', text, pool: name, pools: sharesOf(then) }];
    });
  }

  /** Rollouts: what would be if they had taken all, and without them. */
  rollouts(): readonly Change[] {
    const { snapshot, health } = this.#source;
    const diverted = this.#pools.filter((pool) => snapshot.pools[pool * POOL.STRIDE + POOL.DIVERT] !== 0);
    return diverted.slice(0, POOLS_MAX).flatMap((pool) => {
      const name = this.#name(pool);
      return ([DIAL_FULL, 0] as const).flatMap((share): Change[] => {
        const pools = Int32Array.from(snapshot.pools);
        pools[pool * POOL.STRIDE + POOL.DIVERTED] = share;
        const then = this.#outcome({ ...snapshot, pools }, health);
        if (then.key === this.now.key) return [];
        const text = `if the rollout from pool ${name} ${share === 0 ? 'were aborted' : 'were promoted'}: ${describe(then)}`;
        return [{ kind: 'rollout', text, pool: name, pools: sharesOf(then) }];
      });
    });
  }

  /** What operators force upon endpoints: what would be without. */
  forces(): readonly Change[] {
    const { endpoints } = this.#source.snapshot;
    const own = new Map<number, number>();
    const forced = new Set<string>();
    for (const pool of this.#pools) {
      for (const endpoint of this.#endpoints(pool)) {
        const at = endpoint * ENDPOINT.STRIDE;
        if (!STEERED.has(endpoints[at + ENDPOINT.SLOT]!)) continue;
        own.set(endpoint, endpoints[at + ENDPOINT.HEALTH]!);
        forced.add(this.#name(pool));
      }
    }
    if (own.size === 0) return [];
    const then = this.#withSlots(own);
    if (then.key === this.now.key) return [];
    const pool = [...forced].join(', ');
    const text = `without what operators force in ${pool}: ${describe(then)}`;
    return [{ kind: 'forced', text, pool, pools: sharesOf(then) }];
  }

  #outcome(snapshot: Snapshot, health: Int32Array, list = this.#list): Outcome {
    const query = createQuery(snapshot, health, new Float64Array(COUNTER.SIZE), 1);
    return outcomeOf(query, this.#source.index, this.#rrset, list);
  }

  /** What another class of the same record gets. */
  ofClass(cls: number): Outcome {
    const { snapshot, health } = this.#source;
    const classes = snapshot.nodes[this.#rrset + RRSET.CLASSES]!;
    return this.#outcome(snapshot, health, snapshot.steering[classes + cls]!);
  }

  #suppose(pool: number, isUp: boolean): Outcome {
    const { snapshot, health } = this.#source;
    const slots = new Map<number, number>();
    for (const endpoint of this.#endpoints(pool)) {
      const counts = snapshot.endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.SLOT]!;
      // An operator's "down" is more than what is supposed: not even failing open answers it.
      if (isUp || !isNeverAnswered(counts)) slots.set(endpoint, health.length + Number(isUp));
    }
    return this.#withSlots(slots);
  }

  /** The outcome if endpoints read these health words; two words are there for what is supposed. One copy serves all. */
  #withSlots(slots: ReadonlyMap<number, number>): Outcome {
    const { snapshot, health } = this.#source;
    this.#copy ??= { endpoints: Int32Array.from(snapshot.endpoints), health: withSupposed(health) };
    const { endpoints } = this.#copy;
    for (const [endpoint, slot] of slots) endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.SLOT] = slot;
    const then = this.#outcome({ ...snapshot, endpoints }, this.#copy.health);
    for (const endpoint of slots.keys()) {
      const at = endpoint * ENDPOINT.STRIDE + ENDPOINT.SLOT;
      endpoints[at] = snapshot.endpoints[at]!;
    }
    return then;
  }

  #isDown(pool: number): boolean {
    const { snapshot, health } = this.#source;
    const query = createQuery(snapshot, health, new Float64Array(COUNTER.SIZE), 1);
    return poolState(query, pool, snapshot.nodes[this.#rrset + RRSET.FAMILY]!) === POOL_STATE.DOWN;
  }

  /** How many endpoints are up, and how few of them, the heaviest, have to go until the pool serves no more. */
  #distance(pool: number): { readonly up: number; readonly most: number } {
    const { snapshot, health } = this.#source;
    const weights: number[] = [];
    let spares = 0;
    for (const endpoint of this.#endpoints(pool)) {
      const at = endpoint * ENDPOINT.STRIDE;
      if (health[snapshot.endpoints[at + ENDPOINT.SLOT]!]! < 0) continue;
      const weight = snapshot.endpoints[at + ENDPOINT.WEIGHT]!;
      if (weight > 0) weights.push(weight);
      else spares++;
    }
    const up = weights.length + spares;
    // Spares take over once nothing else is up, so that all have to go.
    if (spares > 0) return { up, most: up };
    weights.sort((a, b) => b - a);
    const needed = this.#needed(pool);
    let left = weights.reduce((sum, weight) => sum + weight, 0);
    let gone = 0;
    while (
      gone < weights.length &&
      (needed >= 0 ? left > 0 && left >= needed : weights.length - gone >= -needed)
    ) {
      left -= weights[gone++]!;
    }
    return { up, most: Math.max(gone, 1) };
  }

  #needed(pool: number): number {
    const { snapshot } = this.#source;
    const family = snapshot.nodes[this.#rrset + RRSET.FAMILY]!;
    return snapshot.pools[pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY + POOL.NEEDED]!;
  }

  #endpoints(pool: number): readonly number[] {
    const { nodes, pools } = this.#source.snapshot;
    const family = nodes[this.#rrset + RRSET.FAMILY]!;
    const range = pool * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
    const first = pools[range + POOL.ENDPOINTS]!;
    return Array.from({ length: pools[range + POOL.COUNT]! }, (_, i) => first + i);
  }

  #name(pool: number): string {
    return this.#source.index.pool(pool)!.name;
  }
}

/** The words with two more: down, and up. */
function withSupposed(health: Int32Array): Int32Array {
  const words = new Int32Array(health.length + 2);
  words.set(health);
  words[health.length] = WORD_ALWAYS_DOWN;
  words[health.length + 1] = WORD_ALWAYS_UP;
  return words;
}

const STEERED: ReadonlySet<number> = new Set([SLOT_FORCED_DOWN, SLOT_FORCED_UP, SLOT_DRAINED]);

/** `one of the 3 endpoints of pool eu that are up`. */
function endpointsText(pool: string, up: number, most: number): string {
  if (up === 1) return `the only endpoint of pool ${pool} that is up`;
  if (up === most) return `all ${up} endpoints of pool ${pool} that are up`;
  return `${most === 1 ? 'one' : most} of the ${up} endpoints of pool ${pool} that are up`;
}

/** Every pool that the list can lead to, in order, each once. */
function poolsOf({ nodes, steering }: Snapshot, rrset: number, list: number): readonly number[] {
  const pairs = (at: number, count: number) => Array.from({ length: count }, (_, i) => steering[at + 2 * i]!);
  switch (nodes[rrset + RRSET.MODE]) {
    case MODE.WEIGHTED: {
      const count = steering[list]!;
      const end = list + 1 + 2 * count;
      const behind = steering.subarray(end + 1, end + 1 + steering[end]!);
      return [...new Set([...pairs(list + 1, count), ...behind])];
    }
    case MODE.REGIONS: {
      const count = steering[list + REGION_LIST.COUNT]!;
      const chain = list + REGION_LIST.POOLS + 2 * count;
      const behind = steering.subarray(chain + 1, chain + 1 + steering[chain]!);
      return [...new Set([...pairs(list + REGION_LIST.POOLS, count), ...behind])];
    }
    default:
      return [...steering.subarray(list + 1, list + 1 + steering[list]!)];
  }
}

/** Other rules that lead elsewhere, with the clients that they are for. */
function otherRules(look: Look, rules: readonly Rule[], cls: number): readonly Change[] {
  const found: Change[] = [];
  for (const [rule, model] of rules.entries()) {
    if (found.length === RULES_MAX) break;
    if (rule === cls - 1) continue;
    const then = look.ofClass(rule + 1);
    if (then.key === look.now.key) continue;
    const targets = targetsOf(model);
    const who = targets.length === 0 ? 'a client that no other rule is for' : `a client in ${some(targets)}`;
    const text = `${who} would match rule ${rule + 1}: ${describe(then)}`;
    found.push({ kind: 'client', text, rule, pool: model.pool, pools: sharesOf(then) });
  }
  return found;
}

function elsewhere(steering: Steering): readonly Change[] {
  if (steering.kind !== 'nearest') return [];
  return [{ kind: 'client', text: 'a client elsewhere gets the pools in the order of its own place' }];
}

const TARGETS_MAX = 4;

function targetsOf({ subnets, asns, geos }: Rule): readonly string[] {
  return [
    ...subnets.map(({ bytes, length }) => `${formatAddress(bytes)}/${length}`),
    ...asns.map((asn) => `AS${asn}`),
    ...geos,
  ];
}

function some(targets: readonly string[]): string {
  const left = targets.length - TARGETS_MAX;
  return `${targets.slice(0, TARGETS_MAX).join(', ')}${left > 0 ? ` and ${left} more places` : ''}`;
}

function sharesOf({ pools }: Outcome): readonly { readonly pool: string; readonly share: number }[] {
  return pools.map(({ pool, share }) => ({ pool, share }));
}

/** `us`; `eu 75 %, us 25 %`; `no address: the record fails closed`. */
export function describe({ pools, empty, reason }: Outcome): string {
  if (empty >= 1) return reason === 'failed_closed' ? 'no address, as the record fails closed' : 'no address';
  const whole = pools.length === 1 && empty === 0;
  const shares = pools.map(({ pool, share }) => (whole ? pool : `${pool} ${percent(share)}`));
  const text = [...shares, ...(empty > 0 ? [`no address ${percent(empty)}`] : [])].join(', ');
  return reason === 'failed_open' ? `${text}, although all is down` : text;
}

function percent(share: number): string {
  const value = share * 100;
  return `${value >= 1 || value === 0 ? Math.round(value) : Number(value.toPrecision(1))} %`;
}
