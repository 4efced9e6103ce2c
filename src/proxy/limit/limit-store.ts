import type { ProxyModel } from '../../core/balance/model.js';
import type { GeoTrie } from '../../core/geo/trie.js';
import { ALONE, bucketRate, type RegionShare } from '../../core/limit/bucket-rate.js';
import { BUCKET_SLOTS, BucketTable, bucketTableBytes } from '../../core/limit/bucket-table.js';
import { limitIdentity, limitNumber, limitsIn } from '../../core/limit/limit-identity.js';
import { DEFAULT_RATE_LIMIT_KEYS, type RateLimitModel } from '../../core/limit/limit-model.js';
import { SourceTable, sourceShareBytes, sourceTableBytes } from '../../core/limit/source-table.js';
import { StableSlots } from '../../core/tally/stable-slots.js';
import { LIMIT_CELL, limitCells, limitCellsBytes } from './limit-cells.js';
import type { ProtectionPlan } from './protection.js';

export interface LimitStoreOptions {
  /** Of the hash of all keys: the same in all proxies that share limits. */
  readonly key: readonly [number, number];
  /** Other proxies are told. */
  readonly tells: boolean;
  /** Milliseconds of the system's monotonic clock. */
  readonly clock: () => number;
}

/** One limit, and what became of requests. */
export interface LimitTotals {
  readonly name: string;
  readonly dryRun: boolean;
  readonly passed: number;
  readonly refused: number;
  readonly wouldRefuse: number;
  readonly withoutKey: number;
}

type LimitMap = ReadonlyMap<string, { readonly model: RateLimitModel; readonly slot: number }>;

interface Thread {
  readonly cells: SharedArrayBuffer;
  readonly sourceShare: SharedArrayBuffer;
}

/** How often `sweep` is called, and in how many calls it looks at every account: in 30 s, before a clock wraps. */
export const SWEEP_MS = 250;
const SWEEPS = 120;

/** The main thread's side of limits and lists: memory, who has which slot, and what all threads counted. */
export class LimitStore {
  readonly #options: LimitStoreOptions;
  readonly #baseMs: number;
  readonly #threads: Thread[] = [];
  readonly #slots: StableSlots;
  #memory: { readonly buckets: SharedArrayBuffer; readonly sources: SharedArrayBuffer } | null = null;
  #table: BucketTable | null = null;
  #limits: LimitMap = new Map();
  #byNumber: ReadonlyMap<number, number> = new Map();
  #numbers: ReadonlyMap<number, number> = new Map();
  #lists: ReadonlyMap<string, GeoTrie> = new Map();
  /** Of the configuration before, to which threads go back where they can't take the next one. */
  #former: { readonly limits: LimitMap; readonly lists: ReadonlyMap<string, GeoTrie> } = {
    limits: new Map(),
    lists: new Map(),
  };
  #share: RegionShare = ALONE;
  #swept = 0;

  constructor(options: LimitStoreOptions) {
    this.#options = options;
    this.#baseMs = options.clock();
    this.#slots = new StableSlots(0, BUCKET_SLOTS, (slot) => this.#clear(slot));
  }

  /** Takes the limits of a configuration; accounts of those that stay go on. Nothing is allocated before there is one. */
  use(model: ProxyModel, lists: ReadonlyMap<string, GeoTrie>): void {
    const limits = limitsIn(model);
    const guarded = limits.length > 0 || model.listeners.some(({ sources }) => sources !== undefined);
    this.#former = { limits: this.#limits, lists: this.#lists };
    this.#lists = lists;
    if (this.#memory === null && (guarded || lists.size > 0)) {
      const buckets = new SharedArrayBuffer(bucketTableBytes(model.rateLimitKeys ?? DEFAULT_RATE_LIMIT_KEYS));
      this.#memory = { buckets, sources: new SharedArrayBuffer(sourceTableBytes()) };
      this.#table = new BucketTable(buckets, this.#options.tells);
    }
    const used = new Map<string, { readonly model: RateLimitModel; readonly slot: number }>();
    for (const limit of limits) {
      const slot = this.#slots.take(limitIdentity(limit));
      if (slot !== undefined) used.set(limitIdentity(limit), { model: limit, slot });
    }
    this.#slots.retain(new Set([...used.keys(), ...this.#limits.keys()]));
    this.#limits = used;
    const shared = [...used.values()].filter((of) => of.model.local !== true);
    this.#byNumber = new Map(shared.map((of) => [limitNumber(of.model), of.slot]));
    this.#numbers = new Map([...this.#byNumber].map(([number, slot]) => [slot, number]));
    this.#setRates();
  }

  /** For the thread with this number; null while nothing is limited. */
  plan(index: number): ProtectionPlan | null {
    if (this.#memory === null) return null;
    const thread = this.#threads[index] ?? {
      cells: new SharedArrayBuffer(limitCellsBytes()),
      sourceShare: new SharedArrayBuffer(sourceShareBytes()),
    };
    this.#threads[index] = thread;
    const { key, tells } = this.#options;
    const { limits, lists: formerLists } = this.#former;
    const slots = new Map([...limits, ...this.#limits].map(([identity, { slot }]) => [identity, slot]));
    const lists = new Map([...formerLists, ...this.#lists]);
    return { ...this.#memory, ...thread, key, tells, baseMs: this.#baseMs, slots, lists };
  }

  /** A thread is gone, and its connections with it. */
  died(index: number): void {
    const thread = this.#threads[index];
    if (thread === undefined || this.#memory === null) return;
    new SourceTable(this.#memory.sources, thread.sourceShare).forgetOwn();
  }

  /** How the limits are shared with other proxies from now on. */
  share(share: RegionShare): void {
    if (share.proxies === this.#share.proxies && share.heard === this.#share.heard) return;
    this.#share = share;
    this.#setRates();
  }

  /** Frees accounts that are not needed any more, a part of the table with each call; every SWEEP_MS. */
  sweep(): void {
    const table = this.#table;
    if (table === null) return;
    this.#swept = table.sweep(this.#swept, Math.ceil(table.keys / SWEEPS), this.nowMs);
  }

  get table(): BucketTable | null {
    return this.#table;
  }

  get nowMs(): number {
    return this.#options.clock() - this.#baseMs;
  }

  /** The slot of a limit by its number among proxies. */
  slotOf(number: number): number | undefined {
    return this.#byNumber.get(number);
  }

  numberOf(slot: number): number | undefined {
    return this.#numbers.get(slot);
  }

  totals(): readonly LimitTotals[] {
    return [...this.#limits.values()].map(({ model, slot }) => {
      const cell = (at: number) =>
        this.#threads.reduce((sum, { cells }) => sum + limitCells(cells, slot)[at]!, 0);
      return {
        name: model.name,
        dryRun: model.dryRun,
        passed: cell(LIMIT_CELL.PASSED),
        refused: cell(LIMIT_CELL.REFUSED),
        wouldRefuse: cell(LIMIT_CELL.DRY_RUN),
        withoutKey: cell(LIMIT_CELL.WITHOUT_KEY),
      };
    });
  }

  #setRates(): void {
    for (const { model, slot } of this.#limits.values()) {
      this.#table?.setRate(slot, bucketRate(model, model.local === true ? ALONE : this.#share));
    }
  }

  #clear(slot: number): void {
    this.#table?.clear(slot);
    for (const { cells } of this.#threads) limitCells(cells, slot).fill(0);
  }
}
