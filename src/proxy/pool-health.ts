import { createPoolPicker } from '../core/balance/layered.js';
import { arrange, type LayerPolicy, type Member } from '../core/balance/layers.js';
import { DEFAULT_OVERPROVISIONING, type PoolModel } from '../core/balance/model.js';
import { OutlierDetector } from '../core/balance/outlier.js';
import type { Algorithm, Picker } from '../core/balance/picker.js';
import { SLOW_START_STEPS, slowStartSteps } from '../core/balance/slow-start.js';
import { PoolBreaker } from './pool-breaker.js';
import type { IdleConnection, UpstreamEndpoint } from './upstream-endpoint.js';

/** An endpoint can be used again, or can't: by its checks, its answers, or the operator's will. */
export type PoolChange = (pool: string, endpoint: string, up: boolean, detail: string) => void;

/**
 * What decides whether the endpoints of one pool may be used, and how much: checks, passive health, drain, weights,
 * slow start. After changes the next pick makes a new picker: when many endpoints fail at once, one for all of them.
 * `tick` brings the time.
 */
export class PoolHealth<C extends IdleConnection = IdleConnection> {
  /** Endpoints that are up, not ejected and not draining. */
  healthy: number;
  nowMs = 0;
  readonly #model: PoolModel;
  readonly #endpoints: readonly UpstreamEndpoint<C>[];
  readonly #algorithm: Algorithm;
  readonly #policy: LayerPolicy;
  readonly #outliers: OutlierDetector | null;
  /** Null where the pool has none. */
  readonly breaker: PoolBreaker | null;
  /** Of the slow start, as the picker has them. */
  readonly #steps: Uint8Array;
  readonly #onChange: PoolChange;
  /** Null after a change. */
  #picker: Picker | null = null;
  #panic = false;
  #ramping = false;

  constructor(
    model: PoolModel,
    endpoints: readonly UpstreamEndpoint<C>[],
    onChange: PoolChange,
    random: () => number = Math.random,
  ) {
    const { balance, hash, outlier, overprovisioning, panic, fail } = model;
    this.#model = model;
    this.#endpoints = endpoints;
    this.#algorithm = hash === undefined ? { balance } : { balance, bound: hash.bound };
    this.#policy = {
      overprovisioning: overprovisioning ?? DEFAULT_OVERPROVISIONING,
      panic: panic ?? null,
      ...(fail === 'open' ? { fail } : {}),
    };
    this.#outliers = outlier === undefined ? null : new OutlierDetector(endpoints.length, outlier);
    const { breaker } = model;
    this.breaker =
      breaker === undefined
        ? null
        : new PoolBreaker(
            { breaker, overprovisioning: this.#policy.overprovisioning },
            endpoints,
            random,
            (index, detail) => this.#changed(endpoints[index]!, detail),
          );
    this.#steps = new Uint8Array(endpoints.length);
    this.#onChange = onChange;
    this.healthy = endpoints.length;
  }

  /** Over the endpoints that may be used now. */
  get picker(): Picker {
    return this.#picker ?? this.#build();
  }

  /** True while endpoints are used although they aren't healthy, or refused although they are. */
  get panic(): boolean {
    if (this.#picker === null) this.#build();
    return this.#panic;
  }

  /** True if answers are to be told to `record`. */
  get passive(): boolean {
    return this.#outliers !== null || this.breaker !== null;
  }

  /** How one use of an endpoint ended, for passive health. */
  record(endpoint: UpstreamEndpoint<C>, good: boolean, latencyMs: number): void {
    if (this.breaker !== null) this.breaker.record(endpoint, good, latencyMs, this.nowMs);
    if (this.#outliers !== null) this.#count(endpoint, good);
  }

  #count(endpoint: UpstreamEndpoint<C>, good: boolean): void {
    const others = this.healthy - (endpoint.available ? 1 : 0);
    if (this.#outliers?.record(endpoint.index, good, others, this.nowMs) !== true) return;
    this.#setEjected(endpoint, true);
    this.#changed(endpoint, 'ejected for its answers');
  }

  tick(nowMs: number): void {
    this.nowMs = nowMs;
    this.breaker?.tick(nowMs);
    if (this.#outliers?.sweep(nowMs, (index) => this.#endpoints[index]!.available) === true) {
      this.#takeEjections(this.#outliers);
    } else if (
      this.#ramping &&
      this.#endpoints.some((one) => this.#steps[one.index] !== this.#stepsOf(one))
    ) {
      this.#picker = null;
    }
  }

  /** The verdict of the active checks. */
  judge(endpoint: UpstreamEndpoint<C>, up: boolean, detail: string): void {
    const changed = endpoint.up !== up;
    endpoint.up = up;
    endpoint.detail = detail;
    if (!changed) return;
    // A connection to a dead endpoint may hang instead of failing: don't hand it to the next request.
    if (!up) endpoint.closeIdle();
    else endpoint.slowSinceMs = this.nowMs;
    if (up && this.#outliers?.forgive(endpoint.index) === true) this.#setEjected(endpoint, false);
    this.#changed(endpoint, detail);
  }

  /** An active check was good, which ends an ejection. */
  passed(endpoint: UpstreamEndpoint<C>): void {
    if (this.#outliers?.forgive(endpoint.index) !== true) return;
    this.#setEjected(endpoint, false);
    this.#changed(endpoint, 'no longer ejected: a check was good');
  }

  drain(endpoint: UpstreamEndpoint<C>, on: boolean): void {
    if (endpoint.draining === on) return;
    endpoint.draining = on;
    if (on) endpoint.closeIdle();
    else endpoint.slowSinceMs = this.nowMs;
    this.#changed(endpoint, on ? 'drained' : 'resumed');
  }

  setWeight(endpoint: UpstreamEndpoint<C>, weight: number): void {
    if (endpoint.weight === weight) return;
    endpoint.weight = weight;
    this.#picker = null;
  }

  /** After a sweep. */
  #takeEjections(outliers: OutlierDetector): void {
    const changed = this.#endpoints.filter(({ index, ejected }) => outliers.isEjected(index) !== ejected);
    for (const endpoint of changed) this.#setEjected(endpoint, !endpoint.ejected);
    for (const endpoint of changed) {
      this.#changed(endpoint, endpoint.ejected ? 'ejected: worse than the others' : 'no longer ejected');
    }
  }

  #setEjected(endpoint: UpstreamEndpoint<C>, ejected: boolean): void {
    endpoint.ejected = ejected;
    if (ejected) endpoint.ejections++;
    else endpoint.slowSinceMs = this.nowMs;
  }

  #changed(endpoint: UpstreamEndpoint<C>, detail: string): void {
    this.#picker = null;
    this.healthy = this.#endpoints.filter(({ available }) => available).length;
    this.#onChange(this.#model.name, endpoint.name, endpoint.available, detail);
  }

  #build(): Picker {
    const members = this.#endpoints.map((endpoint) => this.#member(endpoint));
    const arrangement = arrange(members, this.#policy);
    this.#panic = arrangement.panic;
    this.#ramping = members.some(({ steps }) => steps < SLOW_START_STEPS);
    this.#picker = createPoolPicker(this.#algorithm, arrangement);
    return this.#picker;
  }

  #member(endpoint: UpstreamEndpoint<C>): Member {
    const { index, identity, weight, priority, backup, draining, up, ejected, barred } = endpoint;
    const steps = this.#stepsOf(endpoint);
    this.#steps[index] = steps;
    const healthy = up && !ejected && !barred;
    return { index, identity, weight, steps, priority, backup, draining, healthy, barred };
  }

  #stepsOf({ slowSinceMs, index }: UpstreamEndpoint<C>): number {
    const { slowStart } = this.#model;
    const own =
      slowStart === undefined ? SLOW_START_STEPS : slowStartSteps(this.nowMs - slowSinceMs, slowStart);
    return this.breaker === null ? own : Math.min(own, this.breaker.steps(index, this.nowMs));
  }
}
