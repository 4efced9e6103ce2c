import type { Endpoint, Family, Pool, Steering } from '../zone/model.js';
import type { NumberIndex, SnapshotIndex, ZoneContent } from './build.js';

/** Where the pools, endpoints and steerings of one zone are, and how to learn what they stand for. */
export interface ZoneIndex {
  readonly origin: string;
  readonly number: number;
  readonly firstPool: number;
  readonly pools: number;
  readonly firstEndpoint: number;
  readonly endpoints: number;
  readonly firstSteering: number;
  readonly steerings: number;
  readonly content: () => ZoneContent;
}

/** An index that is there as a whole, for those who ask for single numbers. */
export function byNumber(index: SnapshotIndex): NumberIndex {
  return {
    zone: (number) => index.zones[number] ?? '',
    pool: (number) => index.pools[number]?.pool,
    endpoint: (number) => index.endpoints[number],
    steering: (classes) => index.steerings.get(classes),
    outsideName: (slot) => index.outside.get(slot),
  };
}

/** The index of a snapshot, zone by zone: what nobody asks for is not looked at. */
export class IndexBook implements SnapshotIndex, NumberIndex {
  readonly #zones: ReadonlyMap<number, ZoneIndex>;
  readonly outside: ReadonlyMap<number, string>;
  #whole: Omit<SnapshotIndex, 'outside'> | undefined;
  /** Found last: the next question is mostly about the same. */
  #last: ZoneIndex | undefined;

  /** By the numbers of zones, and names outside by their alias slots. */
  constructor(zones: ReadonlyMap<number, ZoneIndex>, outside: ReadonlyMap<number, string>) {
    this.#zones = zones;
    this.outside = outside;
  }

  zone(number: number): string {
    return this.#zones.get(number)?.origin ?? '';
  }

  pool(number: number): Pool | undefined {
    const zone = this.#find((at) => number >= at.firstPool && number < at.firstPool + at.pools);
    return zone?.content().pools[number - zone.firstPool]?.pool;
  }

  endpoint(number: number): { readonly family: Family; readonly endpoint: Endpoint } | undefined {
    const zone = this.#find((at) => number >= at.firstEndpoint && number < at.firstEndpoint + at.endpoints);
    return zone?.content().endpoints[number - zone.firstEndpoint];
  }

  steering(classes: number): Steering | undefined {
    const zone = this.#find((at) => classes >= at.firstSteering && classes < at.firstSteering + at.steerings);
    return zone?.content().steerings.get(classes);
  }

  outsideName(slot: number): string | undefined {
    return this.outside.get(slot);
  }

  get zones(): SnapshotIndex['zones'] {
    return this.#all().zones;
  }

  get pools(): SnapshotIndex['pools'] {
    return this.#all().pools;
  }

  get endpoints(): SnapshotIndex['endpoints'] {
    return this.#all().endpoints;
  }

  get steerings(): SnapshotIndex['steerings'] {
    return this.#all().steerings;
  }

  /** All of it at once. */
  #all(): Omit<SnapshotIndex, 'outside'> {
    if (this.#whole) return this.#whole;
    const zones: string[] = [];
    const pools: SnapshotIndex['pools'][number][] = [];
    const endpoints: SnapshotIndex['endpoints'][number][] = [];
    const steerings = new Map<number, Steering>();
    for (const { number, origin, firstPool, firstEndpoint, content } of this.#zones.values()) {
      zones[number] = origin;
      const zone = content();
      for (const [i, entry] of zone.pools.entries()) pools[firstPool + i] = { zone: number, ...entry };
      for (const [i, entry] of zone.endpoints.entries()) endpoints[firstEndpoint + i] = entry;
      for (const [classes, steering] of zone.steerings) steerings.set(classes, steering);
    }
    this.#whole = { zones, pools, endpoints, steerings };
    return this.#whole;
  }

  /** Ten thousand comparisons take microseconds; only `explain` comes here. */
  #find(test: (zone: ZoneIndex) => boolean): ZoneIndex | undefined {
    if (this.#last && test(this.#last)) return this.#last;
    for (const zone of this.#zones.values()) {
      if (!test(zone)) continue;
      this.#last = zone;
      return zone;
    }
    return undefined;
  }
}
