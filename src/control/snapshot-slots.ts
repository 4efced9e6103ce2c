import { POOL, type Snapshot, ZONE } from '../core/answer/snapshot.js';
import {
  POOL_SLOT_OTHER,
  POOL_SLOTS,
  ZONE_SLOT_NONE,
  ZONE_SLOT_OTHER,
  ZONE_SLOTS,
} from '../core/tally/cells.js';
import { StableSlots } from './stable-slots.js';

/** A pool of a snapshot. */
export interface PoolName {
  readonly zone: string;
  readonly pool: string;
  /** Empty where it has none. */
  readonly region: string;
}

/** Empties the cells of a slot that gets another name. */
export interface SlotCells {
  readonly clearZone: (slot: number) => void;
  readonly clearPool: (slot: number) => void;
}

/** Gives zones and pools the slots that they are counted in, the same ones in every snapshot. */
export class SnapshotSlots {
  readonly #zones: StableSlots;
  readonly #pools: StableSlots;
  readonly #poolNames = new Map<string, PoolName>();
  #used: { readonly zones: ReadonlySet<string>; readonly pools: ReadonlySet<string> } = {
    zones: new Set(),
    pools: new Set(),
  };

  constructor({ clearZone, clearPool }: SlotCells) {
    this.#zones = new StableSlots(ZONE_SLOT_OTHER + 1, ZONE_SLOTS, clearZone);
    this.#pools = new StableSlots(POOL_SLOT_OTHER + 1, POOL_SLOTS, clearPool);
  }

  /** Writes the slots into a snapshot that no worker has yet. `origins` and `pools` are in its order. */
  number(snapshot: Snapshot, origins: readonly string[], pools: readonly PoolName[]): void {
    for (const [i, origin] of origins.entries()) {
      snapshot.zones[i * ZONE.STRIDE + ZONE.SLOT] = this.#zones.take(origin) ?? ZONE_SLOT_OTHER;
    }
    const keys = pools.map(poolKey);
    for (const [i, key] of keys.entries()) {
      const slot = this.#pools.take(key);
      snapshot.pools[i * POOL.STRIDE + POOL.SLOT] = slot ?? POOL_SLOT_OTHER;
      if (slot !== undefined) this.#poolNames.set(key, pools[i]!);
    }
    this.#used = { zones: new Set(origins), pools: new Set(keys) };
  }

  /** All workers answer from the snapshot that was numbered last. */
  published(): void {
    this.#zones.retain(this.#used.zones);
    this.#pools.retain(this.#used.pools);
    const kept = new Set(this.#pools.entries().map(([, key]) => key));
    for (const key of this.#poolNames.keys()) if (!kept.has(key)) this.#poolNames.delete(key);
  }

  /** Empty for queries without a zone, `other` for zones without a slot. */
  zoneName(slot: number): string {
    return slot === ZONE_SLOT_NONE ? '' : (this.#zones.nameOf(slot) ?? 'other');
  }

  poolName(slot: number): PoolName {
    const key = this.#pools.nameOf(slot);
    return (key === undefined ? undefined : this.#poolNames.get(key)) ?? OTHER_POOL;
  }

  /** Slots that have been counted in, with their names. */
  zones(): readonly (readonly [slot: number, name: string])[] {
    return [[ZONE_SLOT_NONE, ''], [ZONE_SLOT_OTHER, 'other'], ...this.#zones.entries()];
  }

  pools(): readonly (readonly [slot: number, name: PoolName])[] {
    const known = this.#pools.entries().map(([slot]) => [slot, this.poolName(slot)] as const);
    return [[POOL_SLOT_OTHER, OTHER_POOL], ...known];
  }
}

const OTHER_POOL: PoolName = { zone: 'other', pool: 'other', region: '' };

function poolKey({ zone, pool }: PoolName): string {
  return `${zone} ${pool}`;
}
