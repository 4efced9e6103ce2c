import { type FixedReply, fixedReply } from '../core/http/fixed-reply.js';
import type { FieldSource, RouteFacts } from '../core/http/route-match.js';
import { Router } from '../core/http/router.js';
import { type AdmissionModel, AdmissionPolicy, PRIORITIES } from '../core/limit/admission.js';
import { compilePattern } from './pattern.js';

/** What of a listener's counters is used; `ListenerCounters` has it. */
export interface AdmissionCounters {
  /** Requests that are on their way through a pool. */
  readonly inFlight: number;
  shed(priority: number): void;
}

/** A refusal, as it is written to the access log. */
export interface ShedReply extends FixedReply {
  readonly reason: 'shed';
}

/** Retry-After differs between them, so that those who were shed together don't come back together. */
const REPLIES = 8;

/** Decides for one worker whether a request of a listener is taken, or shed because too many are in progress. */
export class RequestAdmission {
  readonly #policy: AdmissionPolicy;
  readonly #priorities: Router<number>;
  readonly #fallback: number;
  readonly #counters: AdmissionCounters;
  readonly #replies: readonly ShedReply[];
  readonly #random: () => number;

  /** `random`: 0 up to 1. */
  constructor(model: AdmissionModel, counters: AdmissionCounters, random: () => number) {
    this.#policy = new AdmissionPolicy(model);
    const entries = model.classes.map(({ match, priority }) => ({ match, to: PRIORITIES.indexOf(priority) }));
    this.#priorities = new Router(entries, compilePattern);
    this.#fallback = PRIORITIES.indexOf(model.fallback);
    this.#counters = counters;
    this.#replies = Array.from({ length: REPLIES }, (_, i) =>
      shedReply(model.retryAfterSeconds, i / (REPLIES - 1)),
    );
    this.#random = random;
  }

  /** Null if the request is taken; else the answer, which is counted. The caller counts `inFlight`. */
  check(fields: FieldSource, facts: RouteFacts): ShedReply | null {
    const { inFlight } = this.#counters;
    if (inFlight < this.#policy.calmBelow) return null;
    const priority = this.#priorities.find(facts, fields) ?? this.#fallback;
    if (this.#policy.admits(priority, inFlight)) return null;
    this.#counters.shed(priority);
    return this.#replies[Math.floor(this.#random() * REPLIES)] ?? this.#replies[0]!;
  }
}

/** A 503 (RFC 9110 §15.6.4). `part`: how far between `leastSeconds` and twice that. */
function shedReply(leastSeconds: number, part: number): ShedReply {
  const seconds = Math.round(leastSeconds * (1 + part));
  const reply = fixedReply({
    status: 503,
    type: 'text/plain; charset=utf-8',
    body: '503 too many requests are in progress\n',
    fields: [
      { name: 'Cache-Control', value: 'no-store' },
      { name: 'Retry-After', value: String(seconds) },
    ],
  });
  return { ...reply, reason: 'shed' };
}
