/** Plain numbers that the byte paths bump; the metrics read them when asked. */
export class ListenerCounters {
  /** `127.0.0.1:8080`. */
  readonly listener: string;
  connections = 0;
  active = 0;
  /** Connections beyond the limit. */
  refused = 0;
  /** Responses that broke after their head was passed on. */
  aborted = 0;
  /** To and from clients. */
  bytesIn = 0;
  bytesOut = 0;
  /** By status class (index 1 to 5), for requests that never reached a route. */
  readonly unrouted: Float64Array = new Float64Array(6);
  readonly #routed = new Map<string, Float64Array>();

  constructor(listener: string) {
    this.listener = listener;
  }

  /** Status classes of one pool's requests; every call for a pool gives the same array. */
  classesOf(pool: string): Float64Array {
    const known = this.#routed.get(pool);
    if (known !== undefined) return known;
    const classes = new Float64Array(6);
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
