import { withFallbacks } from '../core/balance/fallback-pools.js';
import { listenerName } from '../core/balance/listener-name.js';
import { formatAddress, type ListenerModel, type ProxyModel } from '../core/balance/model.js';
import { poolsOfRoute } from '../core/http/route.js';
import { StableSlots } from '../core/tally/stable-slots.js';
import {
  cellBytes,
  ENDPOINT_GAUGES,
  ENDPOINT_SLOTS,
  LISTENER_GAUGES,
  LISTENER_SLOTS,
  OTHER_SLOT,
  POOL_GAUGES,
  POOL_SLOTS,
  ROUTE_SLOTS,
  WorkerCells,
} from './cells.js';

/** Where a worker counts what: plain data that goes to it together with the model. */
export interface CellPlan {
  /** In the order of the model. */
  readonly listeners: readonly { readonly slot: number; readonly routes: ReadonlyMap<string, number> }[];
  readonly pools: readonly { readonly slot: number; readonly endpoints: readonly number[] }[];
}

/** Cells of one thing, added up over all workers. */
export interface Totals {
  /** `LISTENER_CELL`, `POOL_CELL` or `ENDPOINT_CELL` says what is where; of a route: the status classes. */
  readonly cells: Float64Array;
}

export interface ListenerTotals extends Totals {
  readonly listener: string;
  /** Status classes of its requests to each pool. */
  readonly routes: ReadonlyMap<string, Float64Array>;
}

export interface PoolTotals extends Totals {
  readonly pool: string;
}

export interface EndpointTotals extends Totals {
  readonly pool: string;
  readonly endpoint: string;
}

/** Names can hold neither, so that these join two names to one. */
const BETWEEN = '\n';

type Part = 'listener' | 'route' | 'pool' | 'endpoint';

const GAUGES: Readonly<Record<Part, readonly number[]>> = {
  listener: LISTENER_GAUGES,
  route: [],
  pool: POOL_GAUGES,
  endpoint: ENDPOINT_GAUGES,
};
const PARTS: readonly Part[] = ['listener', 'route', 'pool', 'endpoint'];

/** The main thread's side of the counters: who has which slot, and the sums over the workers. */
export class CellBook {
  readonly #slots: Readonly<Record<Part, StableSlots>>;
  readonly #workers = new Map<SharedArrayBuffer, WorkerCells>();
  /** What workers that ended had counted. */
  readonly #past = new WorkerCells();
  /** What is in the model of now, with its slot. */
  #used: Readonly<Record<Part, ReadonlyMap<string, number>>> = nothingUsed();

  constructor() {
    const slots = (part: Part, count: number) =>
      new StableSlots(OTHER_SLOT + 1, count, (slot) => this.#clear(part, slot));
    this.#slots = {
      listener: slots('listener', LISTENER_SLOTS),
      route: slots('route', ROUTE_SLOTS),
      pool: slots('pool', POOL_SLOTS),
      endpoint: slots('endpoint', ENDPOINT_SLOTS),
    };
  }

  /**
   * The slots of everything in a model, of which the totals speak from now on. What is gone keeps its slot as long as there
   * is room, and finds its counts again when it comes back.
   */
  plan(model: ProxyModel): CellPlan {
    const used = nothingUsed();
    const slotOf = (part: Part, name: string): number => {
      const slot = this.#slots[part].take(name) ?? OTHER_SLOT;
      used[part].set(name, slot);
      return slot;
    };
    const listeners = model.listeners.map((listener) => {
      const name = listenerName(listener);
      const routes = withFallbacks(poolsOf(listener), model.pools).map(
        (pool) => [pool, slotOf('route', `${name}${BETWEEN}${pool}`)] as const,
      );
      return { slot: slotOf('listener', name), routes: new Map(routes) };
    });
    const pools = model.pools.map((pool) => ({
      slot: slotOf('pool', pool.name),
      endpoints: pool.endpoints.map(({ address }) =>
        slotOf('endpoint', `${pool.name}${BETWEEN}${formatAddress(address)}`),
      ),
    }));
    for (const part of PARTS) this.#slots[part].retain(new Set(used[part].keys()));
    this.#used = used;
    return { listeners, pools };
  }

  /** Memory for a worker that begins. */
  open(): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(cellBytes());
    this.#workers.set(memory, new WorkerCells(memory));
    return memory;
  }

  /** A worker ended: what it counted stays, what it had open is gone. */
  close(memory: SharedArrayBuffer): void {
    const worker = this.#workers.get(memory);
    if (!worker) return;
    this.#workers.delete(memory);
    for (const part of PARTS) {
      for (const [slot] of this.#slots[part].entries()) {
        const past = this.#past[part](slot);
        add(past, worker[part](slot));
        for (const gauge of GAUGES[part]) past[gauge] = 0;
      }
    }
  }

  listeners(): readonly ListenerTotals[] {
    const routes = new Map<string, Map<string, Float64Array>>();
    for (const [name, slot] of this.#used.route) {
      const [listener = '', pool = ''] = name.split(BETWEEN);
      const of = routes.get(listener) ?? new Map<string, Float64Array>();
      routes.set(listener, of.set(pool, this.#sum('route', slot)));
    }
    return [...this.#used.listener].map(([listener, slot]) => ({
      listener,
      cells: this.#sum('listener', slot),
      routes: routes.get(listener) ?? new Map<string, Float64Array>(),
    }));
  }

  pools(): readonly PoolTotals[] {
    return [...this.#used.pool].map(([pool, slot]) => ({ pool, cells: this.#sum('pool', slot) }));
  }

  endpoints(): readonly EndpointTotals[] {
    return [...this.#used.endpoint].map(([name, slot]) => {
      const [pool = '', endpoint = ''] = name.split(BETWEEN);
      return { pool, endpoint, cells: this.#sum('endpoint', slot) };
    });
  }

  #sum(part: Part, slot: number): Float64Array {
    const sum = this.#past[part](slot).slice();
    for (const worker of this.#workers.values()) add(sum, worker[part](slot));
    return sum;
  }

  /** Nobody counts there: whoever had the slot is gone from the model. */
  #clear(part: Part, slot: number): void {
    for (const worker of [this.#past, ...this.#workers.values()]) worker[part](slot).fill(0);
  }
}

function nothingUsed(): Record<Part, Map<string, number>> {
  return { listener: new Map(), route: new Map(), pool: new Map(), endpoint: new Map() };
}

/** The pools that a listener sends HTTP requests to, each once: for others nothing is counted by route. */
function poolsOf(listener: ListenerModel): readonly string[] {
  if (listener.protocol !== 'http') return [];
  return [...new Set(listener.routes.flatMap(poolsOfRoute))];
}

function add(sum: Float64Array, part: Float64Array): void {
  for (let i = 0; i < part.length; i++) sum[i] = sum[i]! + part[i]!;
}
