import { backoffMs } from '../core/limit/backoff.js';
import type { RetryFailure, RetryPolicy } from '../core/limit/retry.js';
import type { Deadlines } from './deadlines.js';
import type { PoolRetries } from './pool-retries.js';
import type { PoolTally } from './pool-tally.js';
import type { Delayed, RetryClock } from './retry-clock.js';
import type { PickFailure } from './upstream-pool.js';

/** A pool as retries use it; `UpstreamPool` is one. */
export interface RetriedPool<E> {
  readonly tally: Pick<PoolTally, 'retried' | 'denied'>;
  readonly retries: PoolRetries;
  pick(tried: readonly number[], key: number): E | PickFailure;
}

export interface RetryModules {
  readonly retryClock: RetryClock;
  readonly deadlines: Pick<Deadlines, 'nowMs'>;
  /** 0 up to 1. */
  readonly random: () => number;
}

/** What is to be tried once more: its owner knows. */
export interface RetriedRequest {
  /** Endpoints that failed, the last one too. */
  readonly tried: readonly number[];
  readonly key: number;
  /** The pause before the retry is over. */
  onRetry(): void;
}

/** The retries of one request, of whatever protocol: whether there is another one, and the pause before it. */
export class RetryTurns<E> implements Delayed {
  dueMs = 0;
  readonly policy: RetryPolicy;
  readonly #request: RetriedRequest;
  readonly #pool: RetriedPool<E>;
  readonly #method: string;
  readonly #modules: RetryModules;
  #count = 0;
  #ended = false;

  constructor(
    request: RetriedRequest,
    {
      pool,
      policy,
      method,
    }: { readonly pool: RetriedPool<E>; readonly policy: RetryPolicy; readonly method: string },
    modules: RetryModules,
  ) {
    this.policy = policy;
    this.#request = request;
    this.#pool = pool;
    this.#method = method;
    this.#modules = modules;
    pool.retries.request(modules.deadlines.nowMs);
  }

  /** How long an endpoint has for the head of its response. */
  get tryMs(): number {
    return this.policy.model.tryMs ?? Number.POSITIVE_INFINITY;
  }

  /** True if another answer than one with this status is worth asking for. */
  isFailure(status: number): boolean {
    return this.policy.takesStatus(status, this.#method);
  }

  get mayBeSentTwice(): boolean {
    return this.policy.takesMethod(this.#method);
  }

  /** After a failure: true if `onRetry` will follow. `complete`: all of the body that was sent can be sent once more. */
  afterFailure(failure: RetryFailure, complete: boolean): boolean {
    return this.policy.takesFailure(failure, this.#method) && this.#schedule(complete, null);
  }

  /** After a response with that status, which asks to wait for `askedMs` or, with null, for nothing: likewise. */
  afterStatus(status: number, complete: boolean, askedMs: number | null): boolean {
    return this.isFailure(status) && this.#schedule(complete, askedMs);
  }

  /** Takes one retry at once; null if there is none, or nobody who isn't among `tried`. */
  takeNow(complete: boolean, tried: readonly number[]): E | null {
    if (!this.#allowed(complete)) return null;
    const next = this.#pool.pick(tried, this.#request.key);
    return typeof next === 'string' || !this.#pay() ? null : next;
  }

  onDue(): void {
    this.#request.onRetry();
  }

  /** The request has ended. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#count === 0) return;
    this.#modules.retryClock.delete(this);
    this.#pool.retries.leave();
  }

  #schedule(complete: boolean, askedMs: number | null): boolean {
    if (!this.#allowed(complete)) return false;
    const { deadlines, random, retryClock } = this.#modules;
    const pauseMs = backoffMs(this.#count + 1, this.policy.model, random(), askedMs);
    if (pauseMs === null) {
      this.#pool.tally.denied('retry_after');
      return false;
    }
    // With nobody else to ask, the failure at hand says more than one of ours.
    const next = this.#pool.pick(this.#request.tried, this.#request.key);
    if ((typeof next === 'string' && next !== 'no_room') || !this.#pay()) return false;
    this.dueMs = deadlines.nowMs + pauseMs;
    retryClock.add(this);
    return true;
  }

  #allowed(complete: boolean): boolean {
    if (this.#count >= this.policy.model.max) return false;
    if (!complete) this.#pool.tally.denied('body');
    return complete;
  }

  /** Takes one retry from the pool; false if there is none left. */
  #pay(): boolean {
    const { tally, retries } = this.#pool;
    const denial = retries.take(this.#modules.deadlines.nowMs, this.#count === 0);
    if (denial !== null) {
      tally.denied(denial);
      return false;
    }
    this.#count++;
    tally.retried();
    return true;
  }
}
