/** A backend with so many places, behind an adaptive limit, under a virtual clock. */

import { ConcurrencyLimit, type ConcurrencyModel } from '../../src/core/limit/concurrency-limit.js';
import { Dice } from './dice.js';

const TICK_MS = 100;

export interface Backend {
  /** Requests that are worked on at once; the others wait inside. */
  places: number;
  /** Mean time of one, milliseconds. */
  serviceMs: number;
}

interface Work {
  readonly beganMs: number;
  readonly doneMs: number;
}

/** Requests arrive at random; one beyond the limit is refused. */
export class LimitSimulation {
  readonly limit: ConcurrencyLimit;
  readonly backend: Backend;
  readonly dice: Dice;
  nowMs = 0;
  served = 0;
  refused = 0;
  latencies: number[] = [];
  /** The limit at each tick. */
  limits: number[] = [];
  /** In progress, the first to be done in front. */
  readonly #work: Work[] = [];
  #nextTickMs = 0;

  constructor(model: ConcurrencyModel, backend: Backend, seed: number) {
    this.limit = new ConcurrencyLimit(model);
    this.backend = backend;
    this.dice = new Dice(seed);
  }

  /** `perSecond` requests for so long. */
  run(durationMs: number, perSecond: number): void {
    const endMs = this.nowMs + durationMs;
    while (this.nowMs < endMs) {
      this.nowMs += (-Math.log(1 - this.dice.random()) * 1000) / perSecond;
      for (; this.#nextTickMs <= this.nowMs; this.#nextTickMs += TICK_MS) {
        this.#finish(this.#nextTickMs);
        this.limit.tick(this.#nextTickMs, this.dice.random());
        this.limits.push(this.limit.limit);
      }
      this.#finish(this.nowMs);
      this.#arrive();
    }
  }

  /** Forgets what was noted. */
  reset(): void {
    this.served = 0;
    this.refused = 0;
    this.latencies = [];
    this.limits = [];
  }

  #arrive(): void {
    const work = this.#work;
    if (work.length >= this.limit.limit) {
      this.refused++;
      return;
    }
    const { places, serviceMs } = this.backend;
    const beginMs = work.length < places ? this.nowMs : work[work.length - places]!.doneMs;
    const doneMs = beginMs + serviceMs * (0.5 + this.dice.random());
    const at = work.findLastIndex((other) => other.doneMs <= doneMs) + 1;
    work.splice(at, 0, { beganMs: this.nowMs, doneMs });
  }

  #finish(untilMs: number): void {
    const work = this.#work;
    for (let next = work[0]; next !== undefined && next.doneMs <= untilMs; next = work[0]) {
      const latencyMs = next.doneMs - next.beganMs;
      this.limit.sample(latencyMs, work.length, next.doneMs);
      this.latencies.push(latencyMs);
      this.served++;
      work.shift();
    }
  }
}
