import { SLOW_START_STEPS } from '../core/balance/slow-start.js';
import {
  BreakerBank,
  type BreakerForce,
  type BreakerModel,
  type BreakerState,
} from '../core/limit/breaker.js';
import { Recovery } from '../core/limit/recovery.js';

/** What of an endpoint its breaker reads and writes; `UpstreamEndpoint` has it. */
export interface BrokenEndpoint {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly draining: boolean;
  readonly ejected: boolean;
  readonly backup: boolean;
  readonly weight: number;
  /** Its breaker lets nothing through at the moment. */
  barred: boolean;
  breaker: BreakerState;
  breakerOpenings: number;
}

/** The circuit breakers of one pool in one worker: what they decide is kept at the endpoints, where `pick` finds it. */
export class PoolBreaker {
  /** Part of the requests that the pool takes, 0 to 1: less than 1 only for a while after all breakers were open. */
  admitted = 1;
  readonly #bank: BreakerBank;
  readonly #recovery: Recovery;
  readonly #overprovisioning: number;
  readonly #endpoints: readonly BrokenEndpoint[];
  readonly #random: () => number;
  readonly #onChange: (index: number, detail: string) => void;

  /** `onChange`: an endpoint may be picked again, or may not, or its share changes. */
  constructor(
    { breaker, overprovisioning }: { readonly breaker: BreakerModel; readonly overprovisioning: number },
    endpoints: readonly BrokenEndpoint[],
    random: () => number,
    onChange: (index: number, detail: string) => void,
  ) {
    this.#bank = new BreakerBank(endpoints.length, breaker);
    this.#recovery = new Recovery(breaker.openMsMax);
    this.#overprovisioning = overprovisioning;
    this.#endpoints = endpoints;
    this.#random = random;
    this.#onChange = onChange;
  }

  /** A request goes to the endpoint. */
  enter(endpoint: BrokenEndpoint, nowMs: number): void {
    if (!this.#bank.enter(endpoint.index, nowMs)) return;
    this.#take(endpoint);
    this.#assess(nowMs);
  }

  record(endpoint: BrokenEndpoint, good: boolean, latencyMs: number, nowMs: number): void {
    if (!this.#bank.record(endpoint.index, good, latencyMs, nowMs, this.#random())) return;
    this.#take(endpoint);
    this.#assess(nowMs);
  }

  tick(nowMs: number): void {
    if (this.#bank.sweep(nowMs)) for (const endpoint of this.#endpoints) this.#take(endpoint);
    this.#assess(nowMs);
  }

  force(endpoint: BrokenEndpoint, wanted: BreakerForce, nowMs: number): void {
    if (!this.#bank.force(endpoint.index, wanted, nowMs)) return;
    this.#take(endpoint);
    this.#assess(nowMs);
  }

  /** Of SLOW_START_STEPS. */
  steps(index: number, nowMs: number): number {
    return this.#bank.steps(index, nowMs);
  }

  /** Milliseconds until the first endpoint that a breaker keeps out may get a trial; null if breakers keep out none. */
  retryAfterMs(nowMs: number): number | null {
    let soonest: number | null = null;
    for (const { index, up, draining } of this.#endpoints) {
      if (!up || draining || !this.#bank.isBarred(index)) continue;
      soonest = Math.min(soonest ?? Number.POSITIVE_INFINITY, this.#bank.opensForMs(index, nowMs));
    }
    return soonest;
  }

  /** Takes over what the breakers of a former configuration know of the same endpoints. */
  adopt(from: PoolBreaker): void {
    const known = new Map(from.#endpoints.map((endpoint) => [endpoint.name, endpoint] as const));
    for (const endpoint of this.#endpoints) {
      const before = known.get(endpoint.name);
      if (before === undefined) continue;
      this.#bank.adopt(endpoint.index, from.#bank, before.index);
      this.#take(endpoint);
    }
  }

  /** How much the endpoints in use can carry. A breaker that tries wants requests, and takes no more than its trials. */
  #assess(nowMs: number): void {
    let whole = 0;
    let able = 0;
    let collapsed = true;
    let trying = false;
    for (const { index, up, draining, ejected, backup, weight, barred, breaker } of this.#endpoints) {
      if (!up || draining) continue;
      if (!barred && !ejected) collapsed = false;
      if (backup) continue;
      whole += weight;
      if (barred || ejected) continue;
      if (breaker === 'half_open') trying = true;
      else able += (weight * this.#bank.steps(index, nowMs)) / SLOW_START_STEPS;
    }
    if (whole === 0) return;
    if (collapsed) this.#recovery.collapse(nowMs);
    const part = this.#recovery.admitted((this.#overprovisioning * able) / whole, nowMs);
    this.admitted = trying ? 1 : part;
  }

  #take(endpoint: BrokenEndpoint): void {
    const state = this.#bank.state(endpoint.index);
    const barred = this.#bank.isBarred(endpoint.index);
    const before = endpoint.breaker;
    if (state === before && barred === endpoint.barred) return;
    endpoint.breaker = state;
    endpoint.barred = barred;
    if (state === 'open' && before !== 'open') endpoint.breakerOpenings++;
    this.#onChange(endpoint.index, DETAILS[state]);
  }
}

const DETAILS = {
  open: 'its circuit breaker is open',
  half_open: 'its circuit breaker tries it',
  closed: 'its circuit breaker is closed',
} as const;
