import { failModeOf } from '../core/balance/degradation.js';
import { type EndpointModel, formatAddress, type PoolModel, type ProxyModel } from '../core/balance/model.js';
import { stateOfServices } from '../core/health/report-facts.js';
import type { BreakerForce, BreakerState } from '../core/limit/breaker.js';
import type { ReceiverStatus } from '../report/delivery.js';
import type { EndpointTotals, ListenerTotals, PoolTotals } from './cell-book.js';
import { ENDPOINT_CELL, LISTENER_CELL, POOL_CELL } from './cells.js';
import type {
  ConfigurationStatus,
  ControlRefusal,
  EndpointStatus,
  ListenerStatus,
  PoolStatus,
  ProxyControl,
  ProxyCounts,
  ProxyStatus,
} from './control.js';
import type { EndpointOrder, EndpointOrders, PoolOrder, ProxyOrder } from './endpoint-orders.js';
import type { LimitFigures } from './limit/limit-figures.js';

export interface ControlFacts {
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly workers: number;
}

export interface ControlModules {
  /** In use now; a reload changes it. */
  readonly model: () => ProxyModel;
  readonly counts: ProxyCounts;
  readonly orders: EndpointOrders;
  /** What the active checks say; up where there are none. */
  readonly health: (pool: string, endpoint: number) => { readonly up: boolean; readonly detail: string };
  /** Has every worker carry out an order. */
  readonly send: (order: ProxyOrder) => void;
  readonly draining: () => boolean;
  readonly configuration: () => ConfigurationStatus;
  readonly reports: () => readonly ReceiverStatus[];
  readonly limits?: () => LimitFigures;
  readonly log: { info(facts: object, message: string): void };
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

/** The proxy as the main thread knows it: configuration, checks and orders are there, counts in shared memory. */
export class SharedControl implements ProxyControl {
  readonly #facts: ControlFacts;
  readonly #modules: ControlModules;

  constructor(facts: ControlFacts, modules: ControlModules) {
    this.#facts = facts;
    this.#modules = modules;
  }

  status(): ProxyStatus {
    const { model, counts, draining, configuration, reports, limits } = this.#modules;
    const { node } = model();
    const pools = this.#pools();
    return {
      node,
      ...this.#facts,
      ...(draining() ? { state: 'draining', reason: 'it is stopping' } : stateOf(pools)),
      draining: draining(),
      configuration: configuration(),
      listeners: counts.listeners().map(listenerStatus),
      pools,
      reports: reports(),
      ...(limits && { limits: limits() }),
    };
  }

  notReady(): string | null {
    return this.#modules.draining() ? 'draining' : null;
  }

  drain(pool: string, endpoint: string, on: boolean): ControlRefusal | null {
    const { orders, nowMs = Date.now } = this.#modules;
    // A drain that is ordered again goes on; sessions don't stay for longer.
    const known = orders.of(pool, endpoint);
    const drainingSinceMs = !on ? 0 : known.draining ? (known.drainingSinceMs ?? 0) : nowMs();
    return this.#order(pool, endpoint, { draining: on, drainingSinceMs });
  }

  weight(pool: string, endpoint: string, weight: number | null): ControlRefusal | null {
    return this.#order(pool, endpoint, { weight });
  }

  breaker(pool: string, endpoint: string, wanted: BreakerForce): ControlRefusal | null {
    const model = this.#modules.model().pools.find(({ name }) => name === pool);
    if (model !== undefined && model.breaker === undefined) {
      const message = `pool ${pool} has no circuit breaker: add pools.${pool}.breaker, or drain the endpoint`;
      return { code: 'no_breaker', message };
    }
    return this.#order(pool, endpoint, { breaker: wanted });
  }

  maintain(pool: string, on: boolean | null, by: string, why?: string): ControlRefusal | null {
    const { model, orders, send, log, nowMs = Date.now } = this.#modules;
    const refusal = unknownPool(model(), pool);
    if (refusal !== null) return refusal;
    const order: PoolOrder = { pool, maintenance: on, by, atMs: nowMs(), ...(why !== undefined && { why }) };
    orders.setPool(order);
    send(order);
    log.info(order, 'an operator changed a pool');
    return null;
  }

  #order(
    pool: string,
    endpoint: string,
    change: Partial<Pick<EndpointOrder, 'draining' | 'drainingSinceMs' | 'weight' | 'breaker'>>,
  ): ControlRefusal | null {
    const { model, orders, send, log } = this.#modules;
    const refusal = unknown(model(), pool, endpoint);
    if (refusal !== null) return refusal;
    const order = { ...orders.of(pool, endpoint), ...change };
    orders.set(order);
    send(order);
    log.info(order, 'an operator changed an endpoint');
    return null;
  }

  #pools(): readonly PoolStatus[] {
    const { model, counts, orders } = this.#modules;
    const pools = new Map(counts.pools().map((totals) => [totals.pool, totals]));
    const endpoints = new Map(
      counts.endpoints().map((totals) => [`${totals.pool}\n${totals.endpoint}`, totals]),
    );
    return model().pools.map((pool) => {
      const statuses = pool.endpoints.map((endpoint, index) => {
        const totals = endpoints.get(`${pool.name}\n${formatAddress(endpoint.address)}`);
        return this.#endpoint(pool, index, endpoint, totals);
      });
      return poolStatus(pool, statuses, pools.get(pool.name), orders.ofPool(pool.name));
    });
  }

  #endpoint(
    pool: PoolModel,
    index: number,
    model: EndpointModel,
    totals: EndpointTotals | undefined,
  ): EndpointStatus {
    const { orders, health } = this.#modules;
    const endpoint = formatAddress(model.address);
    const { draining, weight, breaker: forced = 'auto' } = orders.of(pool.name, endpoint);
    const { up, detail } = health(pool.name, index);
    const cell = (at: number) => totals?.cells[at] ?? 0;
    // Each worker sets endpoints aside by itself: what most of them do counts.
    const most = (workers: number) => 2 * workers > this.#facts.workers;
    const ejected = most(cell(ENDPOINT_CELL.EJECTED));
    const breaker = breakerState(cell, most);
    return {
      endpoint,
      state: draining ? 'draining' : up ? (ejected ? 'ejected' : stateByBreaker(breaker)) : 'down',
      detail,
      weight: weight ?? model.weight,
      ...(weight !== null && weight !== model.weight && { configuredWeight: model.weight }),
      inFlight: cell(ENDPOINT_CELL.IN_FLIGHT),
      connections: cell(ENDPOINT_CELL.CONNECTIONS),
      idle: cell(ENDPOINT_CELL.IDLE),
      requests: cell(ENDPOINT_CELL.REQUESTS),
      errors: cell(ENDPOINT_CELL.ERRORS),
      connectFailures: cell(ENDPOINT_CELL.CONNECT_FAILURES),
      ...(pool.breaker !== undefined && {
        breaker: { state: breaker, forced, openings: cell(ENDPOINT_CELL.BREAKER_OPENINGS) },
      }),
    };
  }
}

/** What most workers see; a half-open one is on its way from open. */
function breakerState(cell: (at: number) => number, most: (workers: number) => boolean): BreakerState {
  const open = cell(ENDPOINT_CELL.BREAKER_OPEN);
  if (most(open)) return 'open';
  return most(open + cell(ENDPOINT_CELL.BREAKER_TRYING)) ? 'half_open' : 'closed';
}

function stateByBreaker(breaker: BreakerState): 'up' | 'breaker_open' | 'breaker_half_open' {
  return breaker === 'closed' ? 'up' : `breaker_${breaker}`;
}

function poolStatus(
  model: PoolModel,
  endpoints: readonly EndpointStatus[],
  totals: PoolTotals | undefined,
  order: PoolOrder | undefined,
): PoolStatus {
  const cell = (at: number) => totals?.cells[at] ?? 0;
  return {
    pool: model.name,
    balance: model.balance,
    healthy: endpoints.filter(({ state }) => state === 'up').length,
    panic: cell(POOL_CELL.PANIC) > 0,
    fail: failModeOf(model),
    maintenance: order?.maintenance ?? model.maintenance === true,
    ...(order && { maintenanceOrder: orderFacts(order) }),
    inFlight: cell(POOL_CELL.IN_FLIGHT),
    queued: cell(POOL_CELL.QUEUED),
    endpoints,
  };
}

function orderFacts({ by, atMs, why }: PoolOrder): NonNullable<PoolStatus['maintenanceOrder']> {
  return { by, atMs, ...(why !== undefined && { why }) };
}

function listenerStatus({ listener, cells }: ListenerTotals): ListenerStatus {
  return {
    listener,
    connections: cells[LISTENER_CELL.CONNECTIONS]!,
    active: cells[LISTENER_CELL.ACTIVE]!,
    refused: cells[LISTENER_CELL.REFUSED]!,
    bytesIn: cells[LISTENER_CELL.BYTES_IN]!,
    bytesOut: cells[LISTENER_CELL.BYTES_OUT]!,
  };
}

function stateOf(pools: readonly PoolStatus[]): { readonly state: string; readonly reason?: string } {
  return stateOfServices(
    pools.map(({ pool, healthy, panic }) => ({ service: pool, healthy, pool: { panic } })),
  );
}

function unknown(model: ProxyModel, pool: string, endpoint: string): ControlRefusal | null {
  const found = model.pools.find(({ name }) => name === pool);
  if (found === undefined) return unknownPool(model, pool);
  const names = found.endpoints.map(({ address }) => formatAddress(address));
  if (names.includes(endpoint)) return null;
  return { code: 'unknown_endpoint', message: `pool ${pool} has no endpoint ${endpoint}; ${listed(names)}` };
}

function unknownPool({ pools }: ProxyModel, pool: string): ControlRefusal | null {
  const names = pools.map(({ name }) => name);
  if (names.includes(pool)) return null;
  return { code: 'unknown_pool', message: `there is no pool ${pool}; ${listed(names)}` };
}

const LISTED_MAX = 10;

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'there are none';
  const more = names.length > LISTED_MAX ? ', …' : '';
  return `there ${names.length === 1 ? 'is' : 'are'} ${names.slice(0, LISTED_MAX).join(', ')}${more}`;
}
