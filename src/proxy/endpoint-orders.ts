/** What operators ordered for pools and single endpoints. By name, so that it outlives a reload, also one without them; not a restart. */

import type { BreakerForce } from '../core/limit/breaker.js';

export interface EndpointOrder {
  readonly pool: string;
  readonly endpoint: string;
  readonly draining: boolean;
  /** When the drain was ordered, milliseconds since 1970; 0 without one. */
  readonly drainingSinceMs?: number;
  /** Null: the weight of the configuration. */
  readonly weight: number | null;
  /** Of its circuit breaker; absent: that decides by itself. */
  readonly breaker?: BreakerForce;
}

/** An order for a pool as a whole. */
export interface PoolOrder {
  readonly pool: string;
  /** Null: what the configuration says. */
  readonly maintenance: boolean | null;
  /** Whose token, and when, milliseconds since 1970. */
  readonly by: string;
  readonly atMs: number;
  readonly why?: string;
}

export type ProxyOrder = EndpointOrder | PoolOrder;

/** What of a pool obeys orders; `UpstreamPool` does. */
export interface OrderedPool {
  readonly model: {
    readonly endpoints: readonly { readonly weight: number }[];
    readonly maintenance?: boolean;
  };
  readonly endpoints: readonly { readonly index: number; readonly name: string }[];
  drain(index: number, on: boolean, sinceMs?: number): void;
  setWeight(index: number, weight: number): void;
  forceBreaker(index: number, wanted: BreakerForce): boolean;
  maintain(on: boolean): void;
}

export class EndpointOrders {
  readonly #orders = new Map<string, EndpointOrder>();
  readonly #pools = new Map<string, PoolOrder>();

  of(pool: string, endpoint: string): EndpointOrder {
    return this.#orders.get(keyOf(pool, endpoint)) ?? { pool, endpoint, draining: false, weight: null };
  }

  /** Keeps an order; one that changes nothing is forgotten. */
  set(order: EndpointOrder): void {
    const key = keyOf(order.pool, order.endpoint);
    const forces = order.breaker !== undefined && order.breaker !== 'auto';
    if (order.draining || order.weight !== null || forces) this.#orders.set(key, order);
    else this.#orders.delete(key);
  }

  /** Undefined where the configuration says how the pool is. */
  ofPool(pool: string): PoolOrder | undefined {
    return this.#pools.get(pool);
  }

  setPool(order: PoolOrder): void {
    if (order.maintenance === null) this.#pools.delete(order.pool);
    else this.#pools.set(order.pool, order);
  }

  /** For a worker that begins, and for what a reload replaced. */
  list(): readonly ProxyOrder[] {
    return [...this.#pools.values(), ...this.#orders.values()];
  }
}

/** Carries out an order where it is known; false if there is no such pool or endpoint. */
export function obey(pools: ReadonlyMap<string, OrderedPool>, order: ProxyOrder): boolean {
  const pool = pools.get(order.pool);
  if ('maintenance' in order) {
    pool?.maintain(order.maintenance ?? pool.model.maintenance === true);
    return pool !== undefined;
  }
  const endpoint = pool?.endpoints.find(({ name }) => name === order.endpoint);
  if (pool === undefined || endpoint === undefined) return false;
  pool.drain(endpoint.index, order.draining, order.drainingSinceMs ?? 0);
  pool.setWeight(endpoint.index, order.weight ?? pool.model.endpoints[endpoint.index]?.weight ?? 0);
  pool.forceBreaker(endpoint.index, order.breaker ?? 'auto');
  return true;
}

function keyOf(pool: string, endpoint: string): string {
  return `${pool}\n${endpoint}`;
}
