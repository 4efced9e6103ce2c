/** What a node knows of the pools of a rollout: how much is up, which proxies tell of them, who steers them. */
import { ENDPOINT, FAMILIES, POOL, type Snapshot } from '../core/answer/snapshot.js';
import { isDown, SLOT_ALWAYS_DOWN, SLOT_ALWAYS_UP, UNKNOWN_BIT } from '../core/health/word.js';
import {
  dialsOf,
  forceOf,
  type HeldSteering,
  isAddressed,
  type SteeringCause,
} from '../core/steering/held.js';
import type { HealthTarget } from '../core/zone/targets.js';
import { causeFacts } from './steering-facts.js';
import type { SteeringMarks } from './steering-marks.js';

/** A service of a proxy; all of its services where none is named. */
export interface ReportSource {
  readonly proxy: string;
  readonly service?: string;
}

export interface PoolHealth {
  /** Part of the weight that is up, or was when it was last known. */
  readonly healthy: number;
  /** Endpoints of which nothing is known now. */
  readonly unknown: number;
}

/** The part of the health watch that is asked. */
export interface PoolWatch {
  readonly table: Int32Array;
  readonly targets: ReadonlyMap<string, HealthTarget>;
  keyOf(slot: number): string | undefined;
}

export class RolloutPools {
  readonly #marks: SteeringMarks;
  readonly #watch: PoolWatch;

  constructor(marks: SteeringMarks, watch: PoolWatch) {
    this.#marks = marks;
    this.#watch = watch;
  }

  has(zone: string, pool: string): boolean {
    return this.#marks.poolIn(zone, pool) !== undefined;
  }

  hasZone(zone: string): boolean {
    return this.#marks.hasZone(zone);
  }

  /** Names of pools, for messages. */
  get names(): readonly string[] {
    return this.#marks.poolTargets;
  }

  /** By what is really seen, whatever is forced. What the zone file sets down does not count. */
  health(zone: string, pool: string): PoolHealth | undefined {
    const found = this.#marks.poolIn(zone, pool);
    if (!found) return undefined;
    let total = 0;
    let down = 0;
    let unknown = 0;
    for (const endpoint of endpointsOf(found.snapshot, found.numbers)) {
      const { endpoints } = found.snapshot;
      const slot = endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.HEALTH]!;
      const weight = endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT]!;
      if (slot === SLOT_ALWAYS_DOWN || weight === 0) continue;
      const word = this.#watch.table[slot]!;
      total += weight;
      if (isDown(word)) down += weight;
      if (slot !== SLOT_ALWAYS_UP && (word & UNKNOWN_BIT) !== 0) unknown++;
    }
    return { healthy: total === 0 ? 0 : (total - down) / total, unknown };
  }

  /** Which services of which proxies are the pool. */
  sources(zone: string, pool: string): readonly ReportSource[] {
    const found = this.#marks.poolIn(zone, pool);
    const sources = new Map<string, ReportSource>();
    for (const endpoint of found ? endpointsOf(found.snapshot, found.numbers) : []) {
      const slot = found!.snapshot.endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.HEALTH]!;
      const key = this.#watch.keyOf(slot);
      const target = key === undefined ? undefined : this.#watch.targets.get(key);
      if (target?.proxy === undefined) continue;
      const { proxy, service } = target;
      sources.set(JSON.stringify([proxy, service]), { proxy, ...(service !== undefined && { service }) });
    }
    return [...sources.values()];
  }

  /** What an operator or a window does to a pool beside the rollout; undefined for nothing. */
  steeredBy(zone: string, pool: string): string | undefined {
    const found = this.#marks.poolIn(zone, pool);
    const { held } = this.#marks;
    if (!found) return undefined;
    const cause = forceOf(held, found.place)?.cause ?? dialsOf(held, found.place)[0]?.cause;
    if (cause) return causeFacts(cause).text;
    return isAddressed(held, found.place) ? endpointText(held, zone, pool) : undefined;
  }

  /** Words for metrics and views: whether anything is published at all. */
  get isReady(): boolean {
    return this.#marks.poolTargets.length > 0;
  }
}

function endpointText({ forces }: HeldSteering, zone: string, pool: string): string {
  const own = [...forces.values()].find(({ cause }) => cause.target.split('/').length > 2 && isOf(cause));
  return own ? causeFacts(own.cause).text : `an endpoint of ${pool} is forced`;

  function isOf({ target }: SteeringCause): boolean {
    const [origin = '', name = ''] = target.split('/');
    return (origin === '*' || `${origin}.` === zone) && (name === '*' || name === pool);
  }
}

function* endpointsOf({ pools }: Snapshot, numbers: readonly number[]): Iterable<number> {
  for (const number of numbers) {
    for (let family = 0; family < FAMILIES.length; family++) {
      const record = number * POOL.STRIDE + POOL.FAMILIES + family * POOL.PER_FAMILY;
      const first = pools[record + POOL.ENDPOINTS]!;
      const count = pools[record + POOL.COUNT]!;
      for (let i = 0; i < count; i++) yield first + i;
    }
  }
}
