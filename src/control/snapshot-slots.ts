import { POOL, type Snapshot, ZONE } from '../core/answer/snapshot.js';
import {
  POOL_SLOT_OTHER,
  POOL_SLOTS,
  ZONE_SLOT_NONE,
  ZONE_SLOT_OTHER,
  ZONE_SLOTS,
} from '../core/tally/cells.js';
import { StableSlots } from '../core/tally/stable-slots.js';

/** A pool of a snapshot. */
export interface PoolName {
  readonly zone: string;
  readonly pool: string;
  /** Empty where it has none. */
  readonly region: string;
  /** Pools of pools that it is in; absent where there are none. */
  readonly groups?: readonly string[];
}

/** Zones and pools of a snapshot, by their numbers. */
export interface SnapshotNames {
  readonly zones: (readonly [number: number, origin: string])[];
  readonly pools: (readonly [number: number, name: PoolName])[];
  /** Present: these are only those that came since the snapshot before; `gone` are those that went, `all` gives all. */
  readonly since?: { readonly gone: SnapshotNames; readonly all: () => SnapshotNames };
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
  #used: { readonly zones: Set<string>; readonly pools: Set<string> } = {
    zones: new Set(),
    pools: new Set(),
  };
  /** Names that went since all were looked at; undefined: anything may be out of use. */
  #left: { readonly zones: Set<string>; readonly pools: Set<string> } | undefined;

  constructor({ clearZone, clearPool }: SlotCells) {
    this.#zones = new StableSlots(ZONE_SLOT_OTHER + 1, ZONE_SLOTS, clearZone);
    this.#pools = new StableSlots(POOL_SLOT_OTHER + 1, POOL_SLOTS, clearPool);
  }

  /** Writes the slots into a snapshot that no worker has yet; those of zones that others share with it stay the same. */
  number(snapshot: Snapshot, names: SnapshotNames): void {
    const { since } = names;
    // A slot that got free goes to whoever has had none.
    if (!since || this.#zones.hasIdle || this.#pools.hasIdle) {
      this.#used = { zones: new Set<string>(), pools: new Set<string>() };
      this.#left = undefined;
      this.#write(snapshot, since ? since.all() : names);
      return;
    }
    this.#left ??= { zones: new Set(), pools: new Set() };
    for (const [, origin] of since.gone.zones) {
      this.#used.zones.delete(origin);
      this.#left.zones.add(origin);
    }
    for (const [, name] of since.gone.pools) {
      this.#used.pools.delete(poolKey(name));
      this.#left.pools.add(poolKey(name));
    }
    this.#write(snapshot, names);
  }

  #write(snapshot: Snapshot, { zones, pools }: SnapshotNames): void {
    const used = this.#used;
    for (const [number, origin] of zones) {
      snapshot.zones[number * ZONE.STRIDE + ZONE.SLOT] = this.#zones.take(origin) ?? ZONE_SLOT_OTHER;
      used.zones.add(origin);
    }
    for (const [number, name] of pools) {
      const key = poolKey(name);
      const slot = this.#pools.take(key);
      snapshot.pools[number * POOL.STRIDE + POOL.SLOT] = slot ?? POOL_SLOT_OTHER;
      if (slot !== undefined) this.#poolNames.set(key, name);
      used.pools.add(key);
    }
  }

  /** All workers answer from the snapshot that was numbered last. */
  published(): void {
    if (this.#left) {
      this.#zones.release(this.#left.zones, this.#used.zones);
      this.#pools.release(this.#left.pools, this.#used.pools);
    } else {
      this.#zones.retain(this.#used.zones);
      this.#pools.retain(this.#used.pools);
    }
    this.#left = { zones: new Set(), pools: new Set() };
    if (this.#poolNames.size === this.#pools.size) return;
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
