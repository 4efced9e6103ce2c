import type { ListenerModel, ProxyModel } from '../core/balance/model.js';
import { MIRROR_SKIPS, type MirrorSkip } from '../core/http/mirror.js';
import type { RouteModel } from '../core/http/route.js';
import type { SplitModel } from '../core/http/split.js';
import { StableSlots } from '../core/tally/stable-slots.js';
import { ROUTE_CELL, ROUTE_CELL_SLOTS, ROUTE_COUNTERS, RouteCells } from './route-cells.js';
import type { SharedRouting } from './shared-routing.js';

/** Slot 0 is for what finds none. */
const FIRST_SLOT = 1;

export interface SplitTotals {
  readonly route: string;
  /** Of the second pool, of SPLIT_POSITIONS; AS_CONFIGURED where the weights count. */
  readonly share: number;
  readonly diverted: number;
}

export interface MirrorTotals {
  readonly pool: string;
  readonly sent: number;
  readonly skipped: Readonly<Record<MirrorSkip, number>>;
}

/** The main thread's side of what routes share: who has which slot, the shares it sets, and what workers counted. */
export class RouteBook {
  readonly #cells = new RouteCells();
  readonly #secrets: readonly Uint8Array[];
  readonly #slots = new StableSlots(FIRST_SLOT, ROUTE_CELL_SLOTS, (slot) => {
    this.#cells.clear(slot);
    this.#totals.delete(slot);
  });
  /** What was counted until it was read last: the cells have 32 bits. */
  readonly #totals = new Map<number, { readonly seen: Uint32Array; readonly sums: Float64Array }>();
  #splits: ReadonlyMap<string, SplitModel> = new Map();
  #mirrors: ReadonlySet<string> = new Set();

  /** `secrets`: for the cookies of splits, SPLIT_SECRET_BYTES each. */
  constructor(secrets: readonly Uint8Array[]) {
    this.#secrets = secrets;
  }

  /** For a worker that begins. */
  get shared(): SharedRouting {
    return { memory: this.#cells.memory, secrets: this.#secrets };
  }

  /** The model with the slots of its splits and mirrors, of which the totals speak from now on. */
  place(model: ProxyModel): ProxyModel {
    const splits = new Map<string, SplitModel>();
    const mirrors = new Set<string>();
    const placed = {
      ...model,
      listeners: model.listeners.map((listener) => this.#listener(listener, splits, mirrors)),
    };
    this.#splits = splits;
    this.#mirrors = mirrors;
    this.#slots.retain(new Set([...[...splits.values()].map(splitKey), ...[...mirrors].map(mirrorKey)]));
    return placed;
  }

  /** By name. */
  get splits(): ReadonlyMap<string, SplitModel> {
    return this.#splits;
  }

  /** The share of the second pool of a split, from the next request on; AS_CONFIGURED takes it back. */
  setShare(name: string, share: number): void {
    const slot = this.#splits.get(name)?.slot;
    if (slot !== undefined) this.#cells.setShare(slot, share);
  }

  splitTotals(): readonly SplitTotals[] {
    return [...this.#splits].map(([route, { slot = 0 }]) => ({
      route,
      share: this.#cells.share(slot),
      diverted: this.#total(slot)[ROUTE_CELL.DIVERTED]!,
    }));
  }

  mirrorTotals(): readonly MirrorTotals[] {
    return [...this.#mirrors].map((pool) => {
      const sums = this.#total(this.#slots.take(mirrorKey(pool)) ?? 0);
      const skipped = MIRROR_SKIPS.map((why, i) => [why, sums[ROUTE_CELL.SKIPPED + i]!] as const);
      return {
        pool,
        sent: sums[ROUTE_CELL.MIRRORED]!,
        skipped: Object.fromEntries(skipped) as Record<MirrorSkip, number>,
      };
    });
  }

  /** To be called often enough that no counter of a cell goes around twice. */
  #total(slot: number): Float64Array {
    const known = this.#totals.get(slot) ?? {
      seen: new Uint32Array(ROUTE_COUNTERS),
      sums: new Float64Array(ROUTE_COUNTERS),
    };
    this.#totals.set(slot, known);
    const { seen, sums } = known;
    for (let cell = ROUTE_CELL.DIVERTED; cell < ROUTE_COUNTERS; cell++) {
      const now = this.#cells.counted(slot, cell);
      sums[cell] = sums[cell]! + ((now - seen[cell]!) >>> 0);
      seen[cell] = now;
    }
    return sums;
  }

  #listener(listener: ListenerModel, splits: Map<string, SplitModel>, mirrors: Set<string>): ListenerModel {
    if (listener.protocol !== 'http') return listener;
    return { ...listener, routes: listener.routes.map((route) => this.#route(route, splits, mirrors)) };
  }

  #route(route: RouteModel, splits: Map<string, SplitModel>, mirrors: Set<string>): RouteModel {
    if (!('pool' in route) || (route.split === undefined && route.mirror === undefined)) return route;
    const { split, mirror } = route;
    const placed = split && { ...split, slot: this.#slots.take(splitKey(split)) ?? 0 };
    if (placed) splits.set(placed.name, placed);
    if (mirror) mirrors.add(mirror.pool);
    return {
      ...route,
      ...(placed && { split: placed }),
      ...(mirror && { mirror: { ...mirror, slot: this.#slots.take(mirrorKey(mirror.pool)) ?? 0 } }),
    };
  }
}

/** With other pools it is another split: a share of now must not count for them for a moment. */
function splitKey({ name, arms }: SplitModel): string {
  return `split ${name} ${arms.map(({ pool }) => pool).join(' ')}`;
}

function mirrorKey(pool: string): string {
  return `mirror ${pool}`;
}
