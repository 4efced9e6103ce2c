import { hashText } from '../../core/balance/hash.js';
import type { ListenerModel } from '../../core/balance/model.js';
import type { GeoTrie } from '../../core/geo/trie.js';
import type { RouteModel } from '../../core/http/route.js';
import { BucketTable } from '../../core/limit/bucket-table.js';
import { ClientAddress } from '../../core/limit/client-address.js';
import { KeyHash } from '../../core/limit/key-hash.js';
import { connectionLimit, limitIdentity } from '../../core/limit/limit-identity.js';
import type { AccessListModel, RateLimitModel } from '../../core/limit/limit-model.js';
import { SourceTable } from '../../core/limit/source-table.js';
import { ConnectionGuard } from './connection-guard.js';
import { limitCells } from './limit-cells.js';
import { type AccessHolder, type BoundLimit, type GuardModules, RequestGuard } from './request-guard.js';

/** What a thread needs to protect its listeners; the buffers are shared. */
export interface ProtectionPlan {
  readonly buckets: SharedArrayBuffer;
  readonly sources: SharedArrayBuffer;
  /** Of this thread alone: what it counts, and its part of the connections. */
  readonly cells: SharedArrayBuffer;
  readonly sourceShare: SharedArrayBuffer;
  /** Of the hash of all keys. */
  readonly key: readonly [number, number];
  /** What is used is told to other proxies. */
  readonly tells: boolean;
  /** Where the clock of the limits began: milliseconds of the system's monotonic clock. */
  readonly baseMs: number;
  /** By `limitIdentity`. */
  readonly slots: ReadonlyMap<string, number>;
  /** By the name of the list. */
  readonly lists: ReadonlyMap<string, GeoTrie>;
}

/** Limits and lists of one thread: makes the guards of its listeners and routes. */
export class Protection {
  readonly #modules: GuardModules & { readonly sources: SourceTable };
  readonly #cells: SharedArrayBuffer;
  #slots: ProtectionPlan['slots'];
  readonly #lists = new Map<string, AccessHolder>();

  /** `clock`: milliseconds of the system's monotonic clock. */
  constructor(plan: ProtectionPlan, clock: () => number) {
    const { baseMs } = plan;
    this.#modules = {
      table: new BucketTable(plan.buckets, plan.tells),
      sources: new SourceTable(plan.sources, plan.sourceShare),
      hash: new KeyHash(plan.key),
      client: new ClientAddress(),
      now: () => clock() - baseMs,
    };
    this.#cells = plan.cells;
    this.#slots = plan.slots;
    this.use(plan);
  }

  /** Another configuration, or another database: guards that are made from now on go by it, and all lists. */
  use({ slots, lists }: Pick<ProtectionPlan, 'slots' | 'lists'>): void {
    this.#slots = slots;
    for (const [name, trie] of lists) this.#holder(name).trie = trie;
  }

  /** Of a listener, before routing; null if it has no limits. */
  listenerGuard(model: ListenerModel): RequestGuard | null {
    if (model.protocol !== 'http' || model.limits === undefined) return null;
    return this.#guard(model.limits, undefined, '');
  }

  /** Null for a route with neither limits nor a list. */
  routeGuard({ limits = [], access, match }: RouteModel): RequestGuard | null {
    if (limits.length === 0 && access === undefined) return null;
    return this.#guard(limits, access, JSON.stringify(match));
  }

  /** Null for a listener where everybody may connect as often as they want. */
  connectionGuard(model: ListenerModel): ConnectionGuard | null {
    const { access, sources } = model;
    if (access === undefined && sources === undefined) return null;
    const hasRate = sources !== undefined && sources.perSecond > 0;
    return new ConnectionGuard(this.#modules, {
      access: access === undefined ? null : this.#holder(access.name),
      sources: sources ?? null,
      rate: hasRate ? this.#bound(connectionLimit(sources)) : null,
      listener: hashText(sources?.name ?? ''),
    });
  }

  #guard(
    limits: readonly RateLimitModel[],
    access: AccessListModel | undefined,
    route: string,
  ): RequestGuard {
    return new RequestGuard(this.#modules, {
      access: access === undefined ? null : this.#holder(access.name),
      limits: limits.flatMap((limit) => this.#bound(limit) ?? []),
      route,
    });
  }

  /** Null if there is no slot for it. */
  #bound(model: RateLimitModel): BoundLimit | null {
    const slot = this.#slots.get(limitIdentity(model));
    return slot === undefined ? null : { model, slot, cells: limitCells(this.#cells, slot) };
  }

  #holder(name: string): AccessHolder {
    const known = this.#lists.get(name) ?? { trie: null };
    this.#lists.set(name, known);
    return known;
  }
}
