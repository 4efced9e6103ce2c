import { LISTENER_CELL, ROUTE_STRIDE, STATUS_CLASSES } from './cells.js';
import { LISTENER_EVENTS } from './listener-events.js';

/**
 * What one listener counts on one worker: its own cells, laid out as LISTENER_CELL says. The byte paths bump them;
 * `cell-publisher.ts` brings them to the main thread.
 */
export class ListenerCounters {
  /** By LISTENER_EVENT. */
  readonly events: Float64Array;
  /** `127.0.0.1:8080`. */
  readonly listener: string;
  /** By status class (index 1 to 5), for requests that never reached a route. */
  readonly unrouted: Float64Array;
  readonly cells: Float64Array = new Float64Array(LISTENER_CELL.STRIDE);
  readonly #routed = new Map<string, Float64Array>();

  constructor(listener: string) {
    this.listener = listener;
    this.events = this.cells.subarray(LISTENER_CELL.EVENTS, LISTENER_CELL.EVENTS + LISTENER_EVENTS.length);
    this.unrouted = this.cells.subarray(LISTENER_CELL.UNROUTED, LISTENER_CELL.UNROUTED + STATUS_CLASSES);
  }

  get connections(): number {
    return this.cells[LISTENER_CELL.CONNECTIONS]!;
  }
  set connections(count: number) {
    this.cells[LISTENER_CELL.CONNECTIONS] = count;
  }

  get active(): number {
    return this.cells[LISTENER_CELL.ACTIVE]!;
  }
  set active(count: number) {
    this.cells[LISTENER_CELL.ACTIVE] = count;
  }

  /** Connections beyond the limit. */
  get refused(): number {
    return this.cells[LISTENER_CELL.REFUSED]!;
  }
  set refused(count: number) {
    this.cells[LISTENER_CELL.REFUSED] = count;
  }

  /** Responses that broke after their head was passed on. */
  get aborted(): number {
    return this.cells[LISTENER_CELL.ABORTED]!;
  }
  set aborted(count: number) {
    this.cells[LISTENER_CELL.ABORTED] = count;
  }

  /** Requests that are on their way through a pool. */
  get inFlight(): number {
    return this.cells[LISTENER_CELL.IN_FLIGHT]!;
  }
  set inFlight(count: number) {
    this.cells[LISTENER_CELL.IN_FLIGHT] = count;
  }

  /** A request of this priority (an index of PRIORITIES) was shed. */
  shed(priority: number): void {
    this.cells[LISTENER_CELL.SHED + priority]! += 1;
  }

  /** To and from clients. */
  get bytesIn(): number {
    return this.cells[LISTENER_CELL.BYTES_IN]!;
  }
  set bytesIn(count: number) {
    this.cells[LISTENER_CELL.BYTES_IN] = count;
  }

  get bytesOut(): number {
    return this.cells[LISTENER_CELL.BYTES_OUT]!;
  }
  set bytesOut(count: number) {
    this.cells[LISTENER_CELL.BYTES_OUT] = count;
  }

  /** A TLS handshake that ended well, or did not. */
  handshake(outcome: 'full' | 'resumed' | 'failed'): void {
    if (outcome === 'failed') this.cells[LISTENER_CELL.TLS_FAILED]! += 1;
    else this.cells[LISTENER_CELL.TLS_HANDSHAKES]! += 1;
    if (outcome === 'resumed') this.cells[LISTENER_CELL.TLS_RESUMED]! += 1;
  }

  /** Status classes of one pool's requests; every call for a pool gives the same array. */
  classesOf(pool: string): Float64Array {
    const known = this.#routed.get(pool);
    if (known !== undefined) return known;
    const classes = new Float64Array(ROUTE_STRIDE);
    this.#routed.set(pool, classes);
    return classes;
  }

  get routed(): ReadonlyMap<string, Float64Array> {
    return this.#routed;
  }
}

export function countStatus(classes: Float64Array, status: number): void {
  classes[Math.floor(status / 100)]! += 1;
}
