import type { AccessReason } from '../core/access-log/entry.js';
import { countLatency } from '../core/tally/latency.js';
import { ENDPOINT_CELL, POOL_CELL } from './cells.js';
import { STICKY_RESULTS, type StickyResult } from './sticky-tally.js';

/**
 * What the request path of one worker counts for a pool: a few additions each, nothing else. What a pool knows of itself
 * (connections, failures, ejections) is read from it when the counts are published.
 */
export class PoolTally {
  /** As POOL_CELL says. */
  readonly cells: Float64Array = new Float64Array(POOL_CELL.STRIDE);
  /** As ENDPOINT_CELL says, one endpoint after the other. */
  readonly endpoints: Float64Array;

  constructor(endpoints: number) {
    this.endpoints = new Float64Array(endpoints * ENDPOINT_CELL.STRIDE);
  }

  /** A request was routed to the pool. */
  issued(): void {
    this.#bump(POOL_CELL.ISSUED);
  }

  /** A response of the endpoint with that index was passed on, `ms` after the request's head. */
  answered(endpoint: number, status: number, ms: number): void {
    const failed = status >= 500;
    this.#bump(failed ? POOL_CELL.ERRORS : POOL_CELL.OK);
    countLatency(this.cells, POOL_CELL.LATENCY, ms);
    const cells = this.endpoints;
    const at = endpoint * ENDPOINT_CELL.STRIDE;
    cells[at + ENDPOINT_CELL.REQUESTS] = cells[at + ENDPOINT_CELL.REQUESTS]! + 1;
    if (failed) cells[at + ENDPOINT_CELL.ERRORS] = cells[at + ENDPOINT_CELL.ERRORS]! + 1;
  }

  /** A request is tried once more. */
  retried(): void {
    this.#bump(POOL_CELL.RETRIED);
  }

  /** An endpoint answered with a failure, and the request is tried at another one. */
  passedOver(endpoint: number): void {
    const cells = this.endpoints;
    const at = endpoint * ENDPOINT_CELL.STRIDE;
    cells[at + ENDPOINT_CELL.REQUESTS] = cells[at + ENDPOINT_CELL.REQUESTS]! + 1;
    cells[at + ENDPOINT_CELL.ERRORS] = cells[at + ENDPOINT_CELL.ERRORS]! + 1;
  }

  /** A request goes to a second endpoint beside the first. */
  hedged(): void {
    this.#bump(POOL_CELL.HEDGED);
  }

  /** A request is not tried once more, though its route would. */
  denied(why: 'budget' | 'limit' | 'body' | 'retry_after'): void {
    switch (why) {
      case 'budget':
        return this.#bump(POOL_CELL.RETRY_NO_BUDGET);
      case 'limit':
        return this.#bump(POOL_CELL.RETRY_LIMIT);
      case 'body':
        return this.#bump(POOL_CELL.RETRY_BODY);
      case 'retry_after':
        return this.#bump(POOL_CELL.RETRY_AFTER);
    }
  }

  /** The adaptive limit left no room. */
  overLimit(): void {
    this.#bump(POOL_CELL.CONCURRENCY_REFUSED);
  }

  /** A request gave way to a newer one in a full queue. */
  displaced(): void {
    this.#bump(POOL_CELL.DISPLACED);
  }

  /** A request was answered with the response to another one. */
  coalesced(): void {
    this.#bump(POOL_CELL.COALESCED);
  }

  /** A limit of the pool as a whole left no room. */
  bounded(): void {
    this.#bump(POOL_CELL.BOUNDED);
  }

  /** No response of an endpoint was passed on, and why. */
  failed(reason: AccessReason): void {
    switch (reason) {
      case 'connect_timeout':
      case 'response_timeout':
        this.#bump(POOL_CELL.TIMEOUTS);
        break;
      case 'breaker_open':
        this.#bump(POOL_CELL.BREAKER_REFUSED);
        this.#bump(POOL_CELL.SHED);
        break;
      case 'no_endpoint':
      case 'no_room':
      case 'queue_timeout':
        this.#bump(POOL_CELL.SHED);
        break;
      case 'malformed_response':
      case 'upstream_closed':
        this.#bump(POOL_CELL.ERRORS);
        break;
    }
  }

  /** What became of a session; `endpoint` is -1 before one answered. */
  sticky(result: StickyResult, endpoint: number): void {
    this.#bump(POOL_CELL.STICKY + STICKY_RESULTS.indexOf(result));
    if (result !== 'kept') return;
    const at = endpoint * ENDPOINT_CELL.STRIDE + ENDPOINT_CELL.STICKY;
    this.endpoints[at] = this.endpoints[at]! + 1;
  }

  /** A request got something else than this pool. */
  degraded(to: 'pool' | 'page' | 'stale'): void {
    const { TO_POOL, TO_PAGE, TO_STALE } = POOL_CELL;
    this.#bump(to === 'pool' ? TO_POOL : to === 'page' ? TO_PAGE : TO_STALE);
  }

  #bump(cell: number): void {
    this.cells[cell] = this.cells[cell]! + 1;
  }
}
