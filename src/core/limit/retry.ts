/** Which requests are tried once more, and after which failures. */

import type { StatusRange } from '../zone/model.js';
import type { BackoffModel } from './backoff.js';

/** `connect`: nothing was sent. `reset`: no whole head of a response came. `timeout`: it did not come in time. */
export type RetryFailure = 'connect' | 'reset' | 'timeout';

/** Of a route or a pool, as the configuration says it. */
export interface RetryModel extends BackoffModel {
  /** Retries of one request at most, each at another endpoint. */
  readonly max: number;
  /** Beside `connect`, after which nothing can have been done twice. */
  readonly failures: readonly Exclude<RetryFailure, 'connect'>[];
  readonly statuses: readonly StatusRange[];
  readonly methods: readonly string[];
  /** Bytes of a request's body that are kept for it. */
  readonly bodyBytes: number;
  /** How long one endpoint has for the head of its response; null: as long as the request. */
  readonly tryMs: number | null;
  /** After so long without the head of a response a second endpoint is asked beside the first; null: never. */
  readonly hedgeMs: number | null;
}

/** RFC 9110 §9.2.2; TRACE is never forwarded. */
export const IDEMPOTENT_METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'] as const;
export const IDEMPOTENT: ReadonlySet<string> = new Set(IDEMPOTENT_METHODS);

/** Where no policy says more: endpoints that are asked after one that can't be reached, that one too. */
export const ENDPOINTS_TRIED_MAX = 3;

export const DEFAULT_RETRIES = {
  max: 1,
  failures: ['reset', 'timeout'],
  statuses: [{ from: 502, to: 504 }],
  methods: IDEMPOTENT_METHODS,
  bodyBytes: 16_384,
  tryMs: null,
  hedgeMs: null,
  baseMs: 25,
  maxMs: 250,
  retryAfterMs: 1_000,
} as const satisfies RetryModel;

const STATUSES = 600;

/** Null where nothing is ever tried once more. */
export function retryPolicy(model: RetryModel): RetryPolicy | null {
  return model.max === 0 ? null : new RetryPolicy(model);
}

/** A RetryModel made ready for requests. */
export class RetryPolicy {
  readonly model: RetryModel;
  readonly #statuses = new Uint8Array(STATUSES);
  readonly #methods: ReadonlySet<string>;
  readonly #reset: boolean;
  readonly #timeout: boolean;

  constructor(model: RetryModel) {
    this.model = model;
    for (const { from, to } of model.statuses) this.#statuses.fill(1, from, to + 1);
    this.#methods = new Set(model.methods);
    this.#reset = model.failures.includes('reset');
    this.#timeout = model.failures.includes('timeout');
  }

  /** True if a response with that status may be thrown away for another one. */
  takesStatus(status: number, method: string): boolean {
    return this.#statuses[status] === 1 && this.#methods.has(method);
  }

  /** True if a request may be sent twice at all. */
  takesMethod(method: string): boolean {
    return this.#methods.has(method);
  }

  takesFailure(failure: RetryFailure, method: string): boolean {
    if (failure === 'connect') return true;
    return (failure === 'reset' ? this.#reset : this.#timeout) && this.#methods.has(method);
  }
}
