import type { Query } from '../core/answer/query.js';
import { formatAddress, maskBytes } from '../core/dns/rdata/address.js';
import { ANSWER_KINDS } from '../core/limit/answer-kind.js';
import type { RateLimiter } from '../core/limit/rate-limiter.js';

/** A client prefix begins or ceases to be limited. */
export interface LimitEvent {
  readonly limited: boolean;
  readonly prefix: string;
  /** One of ANSWER_KINDS. */
  readonly kind: string;
  /** The zone's slot. */
  readonly zone: number;
}

/** Told in one second: a flood with forged addresses must not flood the log too. */
const EVENTS_MAX = 3;
/** Prefixes whose end is waited for. */
const WATCHED_MAX = 64;

/** Tells who is limited. Who was told of is looked at once a second, until it is over. */
export class LimitWatch {
  readonly #limiter: RateLimiter;
  readonly #tell: (event: LimitEvent) => void;
  readonly #watched = new Map<number, LimitEvent & { readonly tag: number }>();
  #left = EVENTS_MAX;

  constructor(limiter: RateLimiter, tell: (event: LimitEvent) => void) {
    this.#limiter = limiter;
    this.#tell = tell;
  }

  /** The account charged last is over its rate. */
  limited(query: Query, kind: number, zone: number, prefixLength: number): void {
    if (this.#left === 0 || this.#watched.size >= WATCHED_MAX) return;
    const { at, tag } = this.#limiter.account;
    if (this.#watched.get(at)?.tag === tag) return;
    const { source, sourceAt, sourceFamily } = query;
    const address = source.slice(sourceAt, sourceAt + (sourceFamily === 4 ? 4 : 16));
    const prefix = `${formatAddress(maskBytes(address, prefixLength))}/${prefixLength}`;
    const event = { limited: true, prefix, kind: ANSWER_KINDS[kind] ?? '', zone };
    this.#left--;
    this.#watched.set(at, { ...event, tag });
    this.#tell(event);
  }

  /** About once a second. */
  tick(): void {
    this.#left = EVENTS_MAX;
    for (const [at, { tag, ...event }] of this.#watched) {
      if (this.#left === 0) return;
      if (this.#limiter.isLimited({ at, tag })) continue;
      this.#left--;
      this.#watched.delete(at);
      this.#tell({ ...event, limited: false });
    }
  }
}
