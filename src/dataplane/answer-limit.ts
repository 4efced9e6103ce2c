import { COUNTER } from '../core/answer/counters.js';
import type { Query } from '../core/answer/query.js';
import { NODE, ZONE } from '../core/answer/snapshot.js';
import { finishAnswer, truncate } from '../core/answer/write.js';
import { CLASS, RCODE } from '../core/dns/iana.js';
import {
  ANSWER_KIND,
  ANSWER_KINDS,
  type LimitedAnswer,
  type RateLimiter,
  VERDICT,
} from '../core/limit/rate-limiter.js';

/** Told when a client prefix begins to be limited; at most so often. */
const TELL_INTERVAL_MS = 1000;

export interface LimitedClient {
  /** Its address, 4 or 16 bytes, of which the first `prefix` bits count. */
  readonly address: Uint8Array;
  readonly prefix: number;
  readonly kind: (typeof ANSWER_KINDS)[number];
}

/** Rate limits on the answers of datagrams: on streams, and with a valid cookie, the client's address is not forged. */
export class AnswerLimit {
  readonly #limiter: RateLimiter;
  readonly #counters: Float64Array;
  readonly #tell: (client: LimitedClient) => void;
  readonly #now: () => number;
  readonly #answer: LimitedAnswer;
  #nextTellMs = 0;

  constructor(
    limiter: RateLimiter,
    counters: Float64Array,
    modules: { readonly tell: (client: LimitedClient) => void; readonly now: () => number },
  ) {
    this.#limiter = limiter;
    this.#counters = counters;
    this.#tell = modules.tell;
    this.#now = modules.now;
    const source = new Uint8Array(16);
    this.#answer = { source, sourceAt: 0, family: 4, kind: 0, identityA: 0, identityB: 0, rate: 0 };
  }

  /** `length`, or what is left of the answer that `query` has just got: less if it is truncated now, 0 if it is not sent. */
  apply(query: Query, length: number): number {
    if (query.cookieValid) return length;
    const answer = this.#answer;
    answer.source = query.source;
    answer.sourceAt = query.sourceAt;
    answer.family = query.sourceFamily;
    classify(query, answer, this.#limiter.limits.rates);
    const verdict = this.#limiter.judge(answer, query.nowSeconds);
    return verdict === VERDICT.SEND ? length : this.#limit(query, length, verdict);
  }

  #limit(query: Query, length: number, verdict: number): number {
    const { kind } = this.#answer;
    if (this.#limiter.begun && this.#now() >= this.#nextTellMs) this.#report();
    const { logOnly } = this.#limiter.limits;
    const at = COUNTER.LIMITED + 3 * kind + (logOnly ? 2 : verdict - VERDICT.SLIP);
    this.#counters[at] = this.#counters[at]! + 1;
    if (logOnly) return length;
    if (verdict === VERDICT.DROP) return 0;
    truncate(query);
    return finishAnswer(query);
  }

  #report(): void {
    this.#nextTellMs = this.#now() + TELL_INTERVAL_MS;
    const { source, sourceAt, family, kind } = this.#answer;
    const { ipv4Prefix, ipv6Prefix } = this.#limiter.limits;
    this.#tell({
      address: source.slice(sourceAt, sourceAt + (family === 4 ? 4 : 16)),
      prefix: family === 4 ? ipv4Prefix : ipv6Prefix,
      kind: ANSWER_KINDS[kind]!,
    });
  }
}

/** What counts as the same answer: as in BIND, names by type, NODATA by name, NXDOMAIN by zone, referrals by delegation. */
function classify(query: Query, answer: LimitedAnswer, rates: readonly number[]): void {
  answer.identityA = 0;
  answer.identityB = 0;
  answer.kind = kindOf(query);
  answer.rate = rates[answer.kind]!;
  if (answer.kind === ANSWER_KIND.ERROR || query.class !== CLASS.IN) return;
  const { nodes, zones } = query.snapshot;
  const { encloser } = query;
  const zone = nodes[encloser + NODE.ZONE]!;
  const own = zones[zone * ZONE.STRIDE + ZONE.RATES + answer.kind]!;
  if (own >= 0) answer.rate = own;
  switch (answer.kind) {
    case ANSWER_KIND.NXDOMAIN:
      answer.identityA = zone;
      return;
    case ANSWER_KIND.REFERRAL:
      answer.identityA = nodes[encloser + NODE.CUT]!;
      return;
    case ANSWER_KIND.NODATA:
      answer.identityA = encloser;
      return;
    default:
      // All that a wildcard makes is one: its closest encloser is.
      answer.identityA = encloser;
      answer.identityB = query.type;
  }
}

function kindOf(query: Query): number {
  if (query.rcode === RCODE.NXDOMAIN) return ANSWER_KIND.NXDOMAIN;
  if (query.rcode !== RCODE.NOERROR) return ANSWER_KIND.ERROR;
  if (query.answers > 0 || query.truncated) return ANSWER_KIND.RESPONSE;
  if (query.authorities === 0) return ANSWER_KIND.ERROR;
  return query.authoritative ? ANSWER_KIND.NODATA : ANSWER_KIND.REFERRAL;
}
