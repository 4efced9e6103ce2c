import type { Query } from '../core/answer/query.js';
import { NODE, ZONE } from '../core/answer/snapshot.js';
import { finishAnswer, truncate } from '../core/answer/write.js';
import { ANSWER_KIND, ANSWER_KINDS, accountId, answerKind } from '../core/limit/answer-kind.js';
import { costOf, RateLimiter } from '../core/limit/rate-limiter.js';
import { isTrusted, type TrustedPrefix } from '../core/proxy-protocol/trusted.js';
import { QueryRing, queryRingBytes } from '../core/query-log/ring.js';
import {
  LIMIT_ACTION,
  POOL_CELLS,
  POOL_SLOTS,
  TRANSPORT,
  tally,
  tallyLimited,
  ZONE_CELL,
  ZONE_SLOTS,
  zoneSlot,
} from '../core/tally/cells.js';
import { type LimitEvent, LimitWatch } from './limit-watch.js';

/** Response-rate limiting, as the configuration says it. Rates of 0 mean no limit. */
export interface LimitOptions {
  readonly responsesPerSecond: number;
  readonly nxdomainsPerSecond: number;
  readonly errorsPerSecond: number;
  readonly windowSeconds: number;
  readonly slip: number;
  /** 1 to 32, and 1 to 64. */
  readonly ipv4Prefix: number;
  readonly ipv6Prefix: number;
  readonly exempt: readonly TrustedPrefix[];
  readonly tableSize: number;
  /** Count what would be limited, and send it. */
  readonly logOnly: boolean;
}

export interface QueryLogOptions {
  /** The part of the queries that is logged: above 0, at most 1. */
  readonly sample: number;
  /** Of one worker. */
  readonly maxPerSecond: number;
}

export interface LedgerOptions {
  readonly limit?: LimitOptions;
  readonly queryLog?: QueryLogOptions;
}

/** What a worker writes and the main thread reads. It outlives the worker. */
export interface LedgerMemory {
  readonly zones: Float64Array;
  readonly pools: Float64Array;
  /** A QueryRing's, where queries are logged. */
  readonly ring?: SharedArrayBuffer;
}

export function createLedgerMemory({ queryLog }: LedgerOptions): LedgerMemory {
  const shared = (length: number) => new Float64Array(new SharedArrayBuffer(8 * length));
  return {
    zones: shared(ZONE_SLOTS * ZONE_CELL.STRIDE),
    pools: shared(POOL_SLOTS * POOL_CELLS),
    ...(queryLog && { ring: new SharedArrayBuffer(queryRingBytes()) }),
  };
}

export interface LedgerModules {
  /** Milliseconds that never go back, and milliseconds since 1970. */
  readonly monotonic: () => number;
  readonly now: () => number;
  readonly seed: number;
  /** Two random words, nobody's guess. */
  readonly key: readonly [number, number];
  /** A prefix begins or ceases to be limited; a few a second. */
  readonly onLimit: (event: LimitEvent) => void;
}

/** Between two looks at the clock, under load; `tick` looks at it too. */
const CLOCK_EVERY = 32;

/**
 * What follows an answer: it is limited, counted and logged. One object of one worker, called once for every message
 * after `answer()`; nothing is allocated but when a prefix begins to be limited.
 */
export class Ledger {
  readonly #zones: Float64Array;
  readonly #pools: Float64Array;
  readonly #ring: QueryRing | null;
  readonly #modules: LedgerModules;
  readonly #limiter: RateLimiter | null;
  readonly #limit: LimitOptions | null;
  readonly #watch: LimitWatch | null;
  /** Of the node, µs; zones may have their own. */
  readonly #costs: Int32Array = new Int32Array(ANSWER_KINDS.length);
  readonly #mask4: number;
  readonly #mask6High: number;
  readonly #mask6Low: number;
  readonly #sample: number;
  readonly #perSecond: number;
  #untilSample = 1;
  #budget: number;
  #random: number;
  #untilClock = 0;
  #action: number = SENT;

  constructor(options: LedgerOptions, memory: LedgerMemory, modules: LedgerModules) {
    this.#zones = memory.zones;
    this.#pools = memory.pools;
    this.#modules = modules;
    this.#ring = memory.ring && options.queryLog ? new QueryRing(memory.ring) : null;
    this.#sample = options.queryLog?.sample ?? 0;
    this.#perSecond = options.queryLog?.maxPerSecond ?? 0;
    this.#budget = this.#perSecond;
    this.#random = modules.seed | 0 || 1;
    const { limit } = options;
    this.#limit = limit ?? null;
    this.#limiter = limit ? new RateLimiter(limit.tableSize, limit.windowSeconds, modules.key) : null;
    this.#watch = this.#limiter ? new LimitWatch(this.#limiter, modules.onLimit) : null;
    this.#mask4 = maskOf(limit?.ipv4Prefix ?? 32);
    this.#mask6High = maskOf(Math.min(limit?.ipv6Prefix ?? 64, 32));
    this.#mask6Low = maskOf(Math.max((limit?.ipv6Prefix ?? 64) - 32, 0));
    this.#costs.fill(costOf(limit?.responsesPerSecond ?? 0));
    this.#costs[ANSWER_KIND.NXDOMAIN] = costOf(limit?.nxdomainsPerSecond ?? 0);
    this.#costs[ANSWER_KIND.ERROR] = costOf(limit?.errorsPerSecond ?? 0);
    if (this.#ring) this.#untilSample = this.#gap();
    this.tick();
  }

  /** About once a second. */
  tick(): void {
    this.#budget = this.#perSecond;
    this.#look();
    this.#watch?.tick();
  }

  /**
   * Takes the answer of `length` bytes that `query` got, 0 for none. Returns the length of what leaves: the same, less
   * where it leaves truncated, or 0.
   *
   * @param transport one of TRANSPORT.
   */
  settle(query: Query, length: number, transport: number): number {
    if (length === 0) return 0;
    const { encloser } = query;
    const zone = encloser < 0 ? -1 : query.snapshot.nodes[encloser + NODE.ZONE]!;
    const slot = zoneSlot(query, zone);
    let sent = length;
    if (this.#limiter !== null && transport === TRANSPORT.UDP && !query.cookieValid) {
      sent = this.#charge(this.#limiter, query, length, zone, slot);
    }
    tally(query, this.#zones, this.#pools, slot, transport, length);
    if (this.#ring !== null && --this.#untilSample <= 0) this.#log(this.#ring, query, transport, slot, sent);
    this.#action = SENT;
    return sent;
  }

  #charge(limiter: RateLimiter, query: Query, length: number, zone: number, slot: number): number {
    if (--this.#untilClock < 0) this.#look();
    const kind = answerKind(query);
    const cost = this.#cost(query, kind, zone);
    if (cost === 0) return length;
    const { source, sourceAt: at, sourceFamily: family } = query;
    const high = wordAt(source, at) & (family === 4 ? this.#mask4 : this.#mask6High);
    const low = family === 4 ? 0 : wordAt(source, at + 4) & this.#mask6Low;
    const limited = limiter.charge(high, low, (family << 8) | kind, accountId(query, kind, zone), cost);
    return limited === 0 ? length : this.#restrain(query, length, zone, slot, kind, limited);
  }

  #cost(query: Query, kind: number, zone: number): number {
    if (zone < 0 || kind === ANSWER_KIND.ERROR) return this.#costs[kind]!;
    const field = kind === ANSWER_KIND.NXDOMAIN ? ZONE.LIMIT_NXDOMAINS : ZONE.LIMIT_RESPONSES;
    const cost = query.snapshot.zones[zone * ZONE.STRIDE + field]!;
    return cost >= 0 ? cost : this.#costs[kind]!;
  }

  /** What is left of an answer beyond the rate. */
  #restrain(query: Query, length: number, zone: number, slot: number, kind: number, limited: number): number {
    const limit = this.#limit!;
    // Looked at here only: most answers are not beyond the rate.
    if (isTrusted(limit.exempt, query.source, query.sourceAt, query.sourceFamily)) return length;
    this.#watch!.limited(query, kind, slot, query.sourceFamily === 4 ? limit.ipv4Prefix : limit.ipv6Prefix);
    const own = zone < 0 ? -1 : query.snapshot.zones[zone * ZONE.STRIDE + ZONE.LIMIT_SLIP]!;
    const slip = own >= 0 ? own : limit.slip;
    const slips = slip > 0 && limited % slip === 0;
    const action = limit.logOnly ? LIMIT_ACTION.LOGGED : slips ? LIMIT_ACTION.SLIPPED : LIMIT_ACTION.DROPPED;
    tallyLimited(this.#zones, slot, kind, action);
    this.#action = action + 1;
    if (action === LIMIT_ACTION.DROPPED) return 0;
    // An error has no records to leave out, and TCP would not help: it leaves as it is.
    if (action === LIMIT_ACTION.LOGGED || kind === ANSWER_KIND.ERROR) return length;
    truncate(query);
    return finishAnswer(query);
  }

  #log(ring: QueryRing, query: Query, transport: number, slot: number, sent: number): void {
    this.#untilSample = this.#gap();
    if (this.#budget <= 0) return;
    this.#budget--;
    ring.add(query, this.#modules.now(), transport, slot, this.#action, sent);
  }

  /** Queries until the next sample: so many that each has the same chance (geometric distribution). */
  #gap(): number {
    if (this.#sample >= 1) return 1;
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    const u = ((x >>> 0) + 0.5) / 0x1_0000_0000;
    return 1 + Math.floor(Math.log(u) / Math.log1p(-this.#sample));
  }

  #look(): void {
    this.#untilClock = CLOCK_EVERY;
    if (this.#limiter) this.#limiter.nowMs = this.#modules.monotonic() | 0;
  }
}

/** Index into LOG_ACTIONS; the others are LIMIT_ACTION + 1. */
const SENT = 0;

function maskOf(bits: number): number {
  return bits === 0 ? 0 : -1 << (32 - bits);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
