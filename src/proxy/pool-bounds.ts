import type { PoolLimits } from '../core/balance/model.js';

/** What of an endpoint is counted; `UpstreamEndpoint` has it. */
export interface BoundEndpoint {
  readonly connections: number;
  readonly connecting: number;
  readonly idle: number;
  readonly spare: number;
}

/** The limits of a pool as a whole, in one worker. Only pools that have some have this. */
export class PoolBounds {
  /** Since the last `measure` a limit of the pool kept out an endpoint that had room of its own. */
  denied = false;
  readonly #endpoints: readonly BoundEndpoint[];
  readonly #active: ArrayLike<number>;
  readonly #requestsMax: number;
  readonly #connectionsMax: number;
  readonly #connectingMax: number;
  #mayConnect = true;

  /** `active`: requests in progress, by endpoint. */
  constructor(limits: PoolLimits, endpoints: readonly BoundEndpoint[], active: ArrayLike<number>) {
    this.#endpoints = endpoints;
    this.#active = active;
    this.#requestsMax = limits.requests ?? Number.POSITIVE_INFINITY;
    this.#connectionsMax = limits.connections ?? Number.POSITIVE_INFINITY;
    this.#connectingMax = limits.pending ?? Number.POSITIVE_INFINITY;
  }

  /** Adds up what the pool does now; false if it can take no other request. */
  measure(): boolean {
    let active = 0;
    let connections = 0;
    let connecting = 0;
    for (let i = 0; i < this.#endpoints.length; i++) {
      const endpoint = this.#endpoints[i]!;
      active += this.#active[i]!;
      connections += endpoint.connections;
      connecting += endpoint.connecting;
    }
    this.#mayConnect = connections < this.#connectionsMax && connecting < this.#connectingMax;
    this.denied = active >= this.#requestsMax;
    return !this.denied;
  }

  /** After `measure`: whether a request may go there, over a connection that is kept or a new one. */
  admits({ idle, spare }: BoundEndpoint): boolean {
    if (this.#mayConnect || idle > 0 || spare > 0) return true;
    this.denied = true;
    return false;
  }
}
