/**
 * What one worker of the proxy tells of its counts: doubles in memory that it shares with the main thread. Only the worker
 * writes (`cell-publisher.ts`), and only the main thread reads (`cell-book.ts`). A listener, pool, route or endpoint keeps its slot over reloads, so its
 * counters go on.
 *
 *     listeners: LISTENER_SLOTS × LISTENER_CELL.STRIDE | routes | pools | endpoints
 *
 * Slot 0 of each part takes what found no slot of its own.
 */

export const OTHER_SLOT = 0;

export const LISTENER_SLOTS = 512;
export const ROUTE_SLOTS = 4096;
export const POOL_SLOTS = 2048;
export const ENDPOINT_SLOTS = 16_384;

/** The status classes `1xx` to `5xx` have the indexes 1 to 5. */
export const STATUS_CLASSES = 6;

export const LISTENER_CELL = {
  CONNECTIONS: 0,
  /** Gauge. */
  ACTIVE: 1,
  /** Connections beyond the limit. */
  REFUSED: 2,
  /** Responses that broke after their head was passed on. */
  ABORTED: 3,
  BYTES_IN: 4,
  BYTES_OUT: 5,
  TLS_HANDSHAKES: 6,
  TLS_RESUMED: 7,
  TLS_FAILED: 8,
  /** Gauge: requests that are on their way through a pool. */
  IN_FLIGHT: 9,
  /** Requests shed, by priority (PRIORITIES). */
  SHED: 10,
  /** By status class, for requests that never reached a route. */
  UNROUTED: 16,
  /** By LISTENER_EVENT. */
  EVENTS: 24,
  /** By COMPRESSION_CELL. */
  COMPRESSION: 64,
  STRIDE: 80,
} as const;

/** What became of responses where compression is on, from LISTENER_CELL.COMPRESSION on. */
export const COMPRESSION_CELL = {
  /** Compressed, by coding. */
  gzip: 0,
  br: 1,
  zstd: 2,
  /** Passed on as they were, by reason. */
  not_accepted: 3,
  type: 4,
  size: 5,
  coded: 6,
  no_transform: 7,
  partial: 8,
  busy: 9,
  /** Cut, because their compression failed. */
  failed: 10,
  /** Of the bodies that were compressed. */
  bytes_in: 11,
  bytes_out: 12,
} as const;

export type CompressionOutcome = Exclude<keyof typeof COMPRESSION_CELL, 'bytes_in' | 'bytes_out'>;

/** Requests of one listener to one pool, by status class. */
export const ROUTE_STRIDE = 8;

export const POOL_CELL = {
  /** Requests that were given to the pool; TCP: sessions. */
  ISSUED: 0,
  OK: 1,
  /** Answered by an endpoint with a status of 500 or more, or not in a valid way. */
  ERRORS: 2,
  CONNECT_FAILURES: 3,
  TIMEOUTS: 4,
  RETRIED: 5,
  /** Refused for want of room or of a healthy endpoint. */
  SHED: 6,
  EJECTIONS: 7,
  /** Gauges. The last is 1 while too few endpoints are healthy. */
  IN_FLIGHT: 8,
  QUEUED: 9,
  PANIC: 10,
  /** LATENCY_CELLS cells: from the request's head to the end of its response. */
  LATENCY: 16,
  /** Refused because circuit breakers are open. */
  BREAKER_REFUSED: 185,
  /** Not tried once more: for want of budget; too many retries in progress; a body too large to keep; a long Retry-After. */
  RETRY_NO_BUDGET: 186,
  RETRY_LIMIT: 187,
  RETRY_BODY: 188,
  RETRY_AFTER: 189,
  /** Found no room because of a limit of the pool as a whole. */
  BOUNDED: 190,
  /** Found no room because of the adaptive limit. */
  CONCURRENCY_REFUSED: 201,
  /** Gave way to newer ones in a full queue. */
  DISPLACED: 202,
  /** Gauges: the adaptive limit, and 1 while the queue serves the newest first. */
  CONCURRENCY_LIMIT: 203,
  NEWEST_FIRST: 204,
  /** Answered with the response to another request for the same. */
  COALESCED: 205,
  /** Requests that a second endpoint was asked beside the first. */
  HEDGED: 191,
  /** By STICKY_RESULTS. */
  STICKY: 192,
  /** Requests that got something else: another pool, a page, or a response that was kept. */
  TO_POOL: 198,
  TO_PAGE: 199,
  TO_STALE: 200,
  STRIDE: 208,
} as const;

export const ENDPOINT_CELL = {
  REQUESTS: 0,
  ERRORS: 1,
  CONNECT_FAILURES: 2,
  EJECTIONS: 3,
  /** Gauges. The last is 1 while this worker sets the endpoint aside. */
  CONNECTIONS: 4,
  IDLE: 5,
  IN_FLIGHT: 6,
  EJECTED: 7,
  BREAKER_OPENINGS: 8,
  /** Gauges: 1 while this worker's circuit breaker is open, or half-open. */
  BREAKER_OPEN: 9,
  BREAKER_TRYING: 10,
  /** Requests that came to it because of their session. */
  STICKY: 11,
  STRIDE: 16,
} as const;

/** Cells that say how much there is now: they end with their worker. All others only grow. */
export const LISTENER_GAUGES: readonly number[] = [LISTENER_CELL.ACTIVE, LISTENER_CELL.IN_FLIGHT];
export const POOL_GAUGES: readonly number[] = [
  POOL_CELL.IN_FLIGHT,
  POOL_CELL.QUEUED,
  POOL_CELL.PANIC,
  POOL_CELL.CONCURRENCY_LIMIT,
  POOL_CELL.NEWEST_FIRST,
];
export const ENDPOINT_GAUGES: readonly number[] = [
  ENDPOINT_CELL.CONNECTIONS,
  ENDPOINT_CELL.IDLE,
  ENDPOINT_CELL.IN_FLIGHT,
  ENDPOINT_CELL.EJECTED,
  ENDPOINT_CELL.BREAKER_OPEN,
  ENDPOINT_CELL.BREAKER_TRYING,
];

const LISTENERS_AT = 0;
const ROUTES_AT = LISTENERS_AT + LISTENER_SLOTS * LISTENER_CELL.STRIDE;
const POOLS_AT = ROUTES_AT + ROUTE_SLOTS * ROUTE_STRIDE;
const ENDPOINTS_AT = POOLS_AT + POOL_SLOTS * POOL_CELL.STRIDE;
const CELLS = ENDPOINTS_AT + ENDPOINT_SLOTS * ENDPOINT_CELL.STRIDE;

export function cellBytes(): number {
  return 8 * CELLS;
}

/** One worker's counters; the parts are views of the same memory, none of them copied. */
export class WorkerCells {
  readonly #cells: Float64Array;

  /** `memory`: `cellBytes()` zeros at first; of its own where none is given. */
  constructor(memory: SharedArrayBuffer | ArrayBuffer = new ArrayBuffer(cellBytes())) {
    this.#cells = new Float64Array(memory);
  }

  listener(slot: number): Float64Array {
    return this.#view(LISTENERS_AT, slot, LISTENER_CELL.STRIDE);
  }

  route(slot: number): Float64Array {
    return this.#view(ROUTES_AT, slot, ROUTE_STRIDE);
  }

  pool(slot: number): Float64Array {
    return this.#view(POOLS_AT, slot, POOL_CELL.STRIDE);
  }

  endpoint(slot: number): Float64Array {
    return this.#view(ENDPOINTS_AT, slot, ENDPOINT_CELL.STRIDE);
  }

  #view(base: number, slot: number, stride: number): Float64Array {
    const at = base + slot * stride;
    return this.#cells.subarray(at, at + stride);
  }
}
