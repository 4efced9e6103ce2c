import type { CellPlan } from './cell-book.js';
import { ENDPOINT_CELL, LISTENER_CELL, OTHER_SLOT, POOL_CELL, ROUTE_STRIDE, WorkerCells } from './cells.js';

/** What of a listener is read; `ListenerCounters` has it. */
export interface PublishedListener {
  readonly cells: Float64Array;
  readonly routed: ReadonlyMap<string, Float64Array>;
}

/** What of a pool is read; `UpstreamPool` has it. */
export interface PublishedPool {
  readonly panic?: boolean;
  readonly queued?: number;
  /** 0 where there is none. */
  readonly concurrencyLimit?: number;
  readonly newestFirst?: boolean;
  readonly endpoints: readonly PublishedEndpoint[];
  readonly tally?: { readonly cells: Float64Array; readonly endpoints: Float64Array };
  activeOf(index: number): number;
}

export interface PublishedEndpoint {
  readonly index: number;
  readonly connections: number;
  readonly idle: number;
  readonly connectFailures: number;
  readonly ejected?: boolean;
  readonly ejections?: number;
  readonly breaker?: 'closed' | 'open' | 'half_open';
  readonly breakerOpenings?: number;
}

/**
 * Brings the counts of one worker into the cells that the main thread reads, a few times a second. The request path counts
 * in memory of its own and knows no slots. What is added is the change since the last time: so a listener or pool that a
 * reload replaced and its successor may share a slot until the last connection of the old one is gone.
 */
export class CellPublisher {
  readonly #cells: WorkerCells;
  #sources = new Map<object, Source>();
  #leaving = new Set<Source>();

  /** `memory`: what `CellBook.open` gave. */
  constructor(memory: SharedArrayBuffer) {
    this.#cells = new WorkerCells(memory);
  }

  /** From now on these are published, in the order of the plan. */
  use(plan: CellPlan, listeners: readonly PublishedListener[], pools: readonly PublishedPool[]): void {
    const sources = new Map<object, Source>();
    for (const [i, listener] of listeners.entries()) {
      const known = this.#sources.get(listener) ?? new ListenerSource(listener);
      known.use(this.#cells, plan.listeners[i]);
      sources.set(listener, known);
    }
    for (const [i, pool] of pools.entries()) {
      const known = this.#sources.get(pool) ?? new PoolSource(pool);
      known.use(this.#cells, plan.pools[i]);
      sources.set(pool, known);
    }
    for (const [key, source] of this.#sources) if (!sources.has(key)) this.#leaving.add(source);
    this.#sources = sources;
    this.publish();
  }

  publish(): void {
    for (const source of this.#sources.values()) source.publish();
    for (const source of this.#leaving) {
      source.publish();
      if (source.isIdle) this.#leaving.delete(source);
    }
  }
}

type Place = CellPlan['listeners'][number] | CellPlan['pools'][number];

interface Source {
  /** Nothing that is counted up and down is left. */
  readonly isIdle: boolean;
  /** Says where it counts from now on. */
  use(cells: WorkerCells, place: Place | undefined): void;
  publish(): void;
}

/** What was added to the shared cells until now. */
class Delta {
  readonly #added: Float64Array;

  constructor(length: number) {
    this.#added = new Float64Array(length);
  }

  publish(now: Float64Array, to: Float64Array): void {
    const added = this.#added;
    for (let i = 0; i < added.length; i++) {
      const change = now[i]! - added[i]!;
      if (change === 0) continue;
      to[i] = to[i]! + change;
      added[i] = now[i]!;
    }
  }
}

class ListenerSource implements Source {
  readonly #listener: PublishedListener;
  readonly #delta = new Delta(LISTENER_CELL.STRIDE);
  readonly #routes = new Map<string, Delta>();
  #own: Float64Array = new Float64Array(LISTENER_CELL.STRIDE);
  #route: (pool: string) => Float64Array = () => new Float64Array(ROUTE_STRIDE);

  constructor(listener: PublishedListener) {
    this.#listener = listener;
  }

  get isIdle(): boolean {
    return this.#listener.cells[LISTENER_CELL.ACTIVE] === 0;
  }

  use(cells: WorkerCells, place: Place | undefined): void {
    this.#own = cells.listener(place?.slot ?? OTHER_SLOT);
    const routes = place && 'routes' in place ? place.routes : undefined;
    this.#route = (pool) => cells.route(routes?.get(pool) ?? OTHER_SLOT);
  }

  publish(): void {
    this.#delta.publish(this.#listener.cells, this.#own);
    for (const [pool, classes] of this.#listener.routed) {
      const delta = this.#routes.get(pool) ?? new Delta(ROUTE_STRIDE);
      this.#routes.set(pool, delta);
      delta.publish(classes, this.#route(pool));
    }
  }
}

class PoolSource implements Source {
  readonly #pool: PublishedPool;
  readonly #now = new Float64Array(POOL_CELL.STRIDE);
  readonly #delta = new Delta(POOL_CELL.STRIDE);
  readonly #endpointNow = new Float64Array(ENDPOINT_CELL.STRIDE);
  readonly #endpointDeltas: readonly Delta[];
  #own: Float64Array = new Float64Array(POOL_CELL.STRIDE);
  #endpoints: readonly Float64Array[] = [];

  constructor(pool: PublishedPool) {
    this.#pool = pool;
    this.#endpointDeltas = pool.endpoints.map(() => new Delta(ENDPOINT_CELL.STRIDE));
  }

  get isIdle(): boolean {
    const now = this.#now;
    const open = this.#pool.endpoints.some(({ connections }) => connections > 0);
    return !open && now[POOL_CELL.IN_FLIGHT] === 0 && now[POOL_CELL.QUEUED] === 0;
  }

  use(cells: WorkerCells, place: Place | undefined): void {
    const endpoints = place && 'endpoints' in place ? place.endpoints : [];
    this.#own = cells.pool(place?.slot ?? OTHER_SLOT);
    this.#endpoints = this.#pool.endpoints.map((_, i) => cells.endpoint(endpoints[i] ?? OTHER_SLOT));
  }

  publish(): void {
    const pool = this.#pool;
    const now = this.#now;
    if (pool.tally) now.set(pool.tally.cells);
    now[POOL_CELL.IN_FLIGHT] = 0;
    now[POOL_CELL.CONNECT_FAILURES] = 0;
    now[POOL_CELL.EJECTIONS] = 0;
    for (let i = 0; i < pool.endpoints.length; i++) this.#publishEndpoint(pool.endpoints[i]!, i);
    now[POOL_CELL.QUEUED] = pool.queued ?? 0;
    now[POOL_CELL.PANIC] = pool.panic === true ? 1 : 0;
    now[POOL_CELL.CONCURRENCY_LIMIT] = pool.concurrencyLimit ?? 0;
    now[POOL_CELL.NEWEST_FIRST] = pool.newestFirst === true ? 1 : 0;
    this.#delta.publish(now, this.#own);
  }

  #publishEndpoint(endpoint: PublishedEndpoint, i: number): void {
    const pool = this.#now;
    const now = this.#endpointNow;
    const { tally } = this.#pool;
    const at = i * ENDPOINT_CELL.STRIDE;
    for (let cell = 0; cell < ENDPOINT_CELL.STRIDE; cell++) now[cell] = tally?.endpoints[at + cell] ?? 0;
    now[ENDPOINT_CELL.CONNECT_FAILURES] = endpoint.connectFailures;
    now[ENDPOINT_CELL.EJECTIONS] = endpoint.ejections ?? 0;
    now[ENDPOINT_CELL.CONNECTIONS] = endpoint.connections;
    now[ENDPOINT_CELL.IDLE] = endpoint.idle;
    now[ENDPOINT_CELL.IN_FLIGHT] = this.#pool.activeOf(endpoint.index);
    now[ENDPOINT_CELL.EJECTED] = endpoint.ejected === true ? 1 : 0;
    now[ENDPOINT_CELL.BREAKER_OPENINGS] = endpoint.breakerOpenings ?? 0;
    now[ENDPOINT_CELL.BREAKER_OPEN] = endpoint.breaker === 'open' ? 1 : 0;
    now[ENDPOINT_CELL.BREAKER_TRYING] = endpoint.breaker === 'half_open' ? 1 : 0;
    pool[POOL_CELL.IN_FLIGHT] = pool[POOL_CELL.IN_FLIGHT]! + now[ENDPOINT_CELL.IN_FLIGHT]!;
    pool[POOL_CELL.CONNECT_FAILURES] = pool[POOL_CELL.CONNECT_FAILURES]! + endpoint.connectFailures;
    pool[POOL_CELL.EJECTIONS] = pool[POOL_CELL.EJECTIONS]! + now[ENDPOINT_CELL.EJECTIONS]!;
    const to = this.#endpoints[i];
    if (to !== undefined) this.#endpointDeltas[i]!.publish(now, to);
  }
}
