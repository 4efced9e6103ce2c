import type { Snapshot } from '../core/answer/snapshot.js';
import {
  dialKeys,
  dialsOf,
  divertOf,
  endpointForceOf,
  endpointKeys,
  forceKeys,
  forceOf,
  type HeldDivert,
  type HeldSteering,
  NOTHING_HELD,
  type PoolPlace,
} from '../core/steering/held.js';
import {
  type DialledPool,
  dialledPool,
  endpointAddresses,
  markSnapshot,
  type SteeredEndpoint,
  steeredEndpoints,
} from '../core/steering/marks.js';
import { poolOfGroup } from '../core/zone/pool-groups.js';
import type { PoolName } from './snapshot-slots.js';

type PoolNames = readonly (readonly [number: number, name: PoolName])[];

interface MarkedSnapshot {
  readonly snapshot: Snapshot;
  /** Its pools, by number. */
  readonly places: readonly (PoolPlace | undefined)[];
}

/** What an order reaches. */
export interface Reach {
  readonly pools: number;
  readonly endpoints: number;
}

/** Keeps what is steered marked in every snapshot that is answered from. */
export class SteeringMarks {
  /** The newest, and the one before while not every worker has the newest. */
  #live: readonly MarkedSnapshot[] = [];
  #held: HeldSteering = NOTHING_HELD;
  /** Whether anything was ever steered since the start. */
  #marked = false;

  /** Marks a snapshot that no worker has yet. `pools` are by their numbers. */
  number(snapshot: Snapshot, pools: readonly (PoolName | undefined)[]): void {
    const places = pools.map((name) => name && placeOf(name));
    this.#live = [...this.#live, { snapshot, places }];
    // Tables may be shared with, or copied from, those that were marked before: then old marks are in them.
    if (this.#marked) markSnapshot(snapshot, places, this.#held);
  }

  /** As `number`, where only these pools came and went since the snapshot before. */
  renumber(snapshot: Snapshot, put: PoolNames, gone: PoolNames): void {
    const before = this.#live.at(-1);
    if (!before) throw new Error('no snapshot was numbered before');
    const places = [...before.places];
    for (const [number] of gone) places[number] = undefined;
    const fresh: (PoolPlace | undefined)[] = [];
    for (const [number, name] of put) {
      places[number] = placeOf(name);
      fresh[number] = places[number];
    }
    this.#live = [...this.#live, { snapshot, places }];
    // What was marked while tables were copied is not in the copy.
    const isMoved = snapshot.memory !== before.snapshot.memory;
    if (this.#marked) markSnapshot(snapshot, isMoved ? places : fresh, this.#held);
  }

  /** All workers answer from the snapshot that was numbered last. */
  published(): void {
    this.#live = this.#live.slice(-1);
  }

  get held(): HeldSteering {
    return this.#held;
  }

  /** What holds from now on. */
  hold(held: HeldSteering): void {
    if (isNothing(held) && isNothing(this.#held)) return;
    this.#held = held;
    this.#marked = true;
    for (const { snapshot, places } of this.#live) markSnapshot(snapshot, places, held);
  }

  /** Endpoints that are steered, at most so many; `health`: the words of all. */
  endpoints(health: Int32Array, limit: number): readonly SteeredEndpoint[] {
    const newest = this.#live.at(-1);
    if (!newest || isNothing(this.#held)) return [];
    const found: SteeredEndpoint[] = [];
    for (const [pool, place] of newest.places.entries()) {
      if (found.length >= limit) break;
      if (!place) continue;
      found.push(...steeredEndpoints(newest.snapshot, pool, place, this.#held, health));
    }
    return found.slice(0, limit);
  }

  /** Pools that are dialled, at most so many; the priority groups of one are one. */
  pools(limit: number): readonly DialledPool[] {
    const newest = this.#live.at(-1);
    if (!newest || this.#held.dials.size === 0) return [];
    const found = new Map<string, DialledPool>();
    for (const place of newest.places) {
      if (found.size >= limit) break;
      if (!place) continue;
      const dialled = dialledPool(place, this.#held);
      if (dialled) found.set(`${place.zone}/${place.pool}`, dialled);
    }
    return [...found.values()];
  }

  /** What steers one pool of the newest snapshot, by its number. */
  poolSteering(pool: number): DialledPool | undefined {
    const place = this.#live.at(-1)?.places[pool];
    return place && dialledPool(place, this.#held);
  }

  /** What steers one endpoint: `number` is its pool's. */
  endpointSteering(number: number, address: string): SteeredEndpoint['causes'] {
    const place = this.#live.at(-1)?.places[number];
    if (!place) return [];
    const force = endpointForceOf(this.#held, place, address) ?? forceOf(this.#held, place);
    const dials = dialsOf(this.#held, place).filter(({ percent }) => percent === 0);
    return force && (force.state === 'down' || dials.length === 0) ? [force] : dials;
  }

  /** What targets of forces, or of dials, name at present. */
  reach(targets: Iterable<string>, kind: 'force' | 'dial' = 'force'): ReadonlyMap<string, Reach> {
    const keysOf = kind === 'force' ? forceKeys : dialKeys;
    const wanted = new Map<string, { pools: Set<string>; endpoints: number }>();
    for (const target of targets) wanted.set(target, { pools: new Set(), endpoints: 0 });
    const newest = this.#live.at(-1);
    const isWanted = [...wanted.keys()].some((target) => target.split('/').length > 2);
    for (const [number, place] of newest?.places.entries() ?? []) {
      if (!place) continue;
      const addresses = endpointAddresses(newest!.snapshot, number);
      for (const key of keysOf(place)) {
        const found = wanted.get(key);
        found?.pools.add(`${place.zone}/${place.pool}`);
        if (found) found.endpoints += addresses.length;
      }
      if (!isWanted) continue;
      for (const address of addresses) {
        for (const key of endpointKeys(place, address)) {
          const found = wanted.get(key);
          found?.pools.add(`${place.zone}/${place.pool}`);
          if (found) found.endpoints++;
        }
      }
    }
    return new Map(
      [...wanted].map(([target, { pools, endpoints }]) => [target, { pools: pools.size, endpoints }]),
    );
  }

  /** Origins of the zones in which targets of any kind name a pool at present, or perhaps an endpoint. */
  zonesOf(targets: ReadonlySet<string>): ReadonlySet<string> {
    const zones = new Set<string>();
    // Before the address of an endpoint stands its pool, or `*`.
    const named = new Set([...targets].map((target) => target.split('/').slice(0, 2).join('/')));
    for (const place of this.#live.at(-1)?.places ?? []) {
      if (!place || zones.has(place.zone)) continue;
      const keys = [
        ...forceKeys(place),
        ...dialKeys(place),
        ...endpointKeys(place, '').map((key) => key.slice(0, -1)),
      ];
      if (keys.some((key) => named.has(key))) zones.add(place.zone);
    }
    return zones;
  }

  /** The newest snapshot, and the numbers in it of a pool's priority groups; undefined where it has no such pool. */
  poolIn(
    zone: string,
    pool: string,
  ):
    | { readonly snapshot: Snapshot; readonly place: PoolPlace; readonly numbers: readonly number[] }
    | undefined {
    const newest = this.#live.at(-1);
    const numbers: number[] = [];
    for (const [number, place] of newest?.places.entries() ?? []) {
      if (place?.zone === zone && place.pool === pool) numbers.push(number);
    }
    if (!newest || numbers.length === 0) return undefined;
    return { snapshot: newest.snapshot, place: newest.places[numbers[0]!]!, numbers };
  }

  /** Whether a zone has pools in the newest snapshot. */
  hasZone(zone: string): boolean {
    return this.#live.at(-1)?.places.some((place) => place?.zone === zone) ?? false;
  }

  /** What takes clients of one pool of the newest snapshot, by its number. */
  divertOf(pool: number): HeldDivert | undefined {
    const place = this.#live.at(-1)?.places[pool];
    return place && divertOf(this.#held, place);
  }

  /** Pools by their targets, for messages. */
  get poolTargets(): readonly string[] {
    const places = this.#live.at(-1)?.places ?? [];
    return [...new Set(places.flatMap((place) => (place ? forceKeys(place)[0]! : [])))];
  }
}

export function isNothing({ forces, dials, diverts }: HeldSteering): boolean {
  return forces.size === 0 && dials.size === 0 && diverts.size === 0;
}

function placeOf({ zone, pool, region, groups = [] }: PoolName): PoolPlace {
  return { zone, pool: poolOfGroup(pool), region, groups };
}
