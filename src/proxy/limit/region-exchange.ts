import { hashText } from '../../core/balance/hash.js';
import type { RegionShare } from '../../core/limit/bucket-rate.js';
import type { BucketTable, Used } from '../../core/limit/bucket-table.js';
import {
  type Authenticate,
  decodeRegionMessage,
  encodeRegionMessage,
  REGION_ENTRIES_MAX,
  type RegionEntry,
} from '../../core/limit/region-message.js';
import {
  REGION_CLOCK_MS,
  REGION_INTERVAL_MS,
  RegionPeers,
  type RegionVerdict,
} from '../../core/limit/region-peers.js';
import type { Timers } from '../modules.js';

/** The limits of this proxy, as the exchange needs them. */
export interface SharedLimits {
  readonly table: BucketTable | null;
  readonly nowMs: number;
  slotOf(number: number): number | undefined;
  numberOf(slot: number): number | undefined;
  share(share: RegionShare): void;
}

export interface ExchangeModules {
  readonly limits: SharedLimits;
  readonly authenticate: Authenticate;
  /** Never waits, never throws. `name`: a peer's address and port. */
  readonly send: (name: string, message: Uint8Array) => void;
  readonly timers: Timers;
  readonly random: () => number;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
}

export type RegionResult = 'sent' | 'received' | 'forged' | Exclude<RegionVerdict, 'ok'>;

/** Between two rounds, so that proxies don't fall into step. */
const JITTER = 0.2;
/** Far below what a message can hold: then the sender begins anew. */
const SEQUENCE_MAX = 20_000;
/** What is not told in one round is told in the next. */
const MESSAGES_MAX = 64;

/**
 * Tells the other proxies of the region what this one let through since the last round, ten times a second, and takes off its
 * own accounts what they let through. Nothing is acknowledged: what is lost is an error of as many requests.
 */
export class RegionExchange {
  readonly counts: Record<RegionResult, number> = {
    ...{ sent: 0, received: 0, forged: 0, unknown_sender: 0, stale: 0, repeated: 0 },
  };
  readonly #from: number;
  readonly #names: readonly string[];
  readonly #modules: ExchangeModules;
  readonly #peers: RegionPeers;
  #epochMs: number;
  readonly #used: Used = { first: 0, second: 0, slot: 0, count: 0 };
  #sequence = 0;
  #timer: unknown = null;
  #closed = false;

  /** `name`: what the others, `names`, know this proxy by. */
  constructor(name: string, names: readonly string[], modules: ExchangeModules) {
    this.#from = hashText(name);
    this.#names = names;
    this.#modules = modules;
    this.#peers = new RegionPeers(names);
    this.#epochMs = modules.wallMs();
    this.#share();
  }

  start(): void {
    this.round();
    this.#arm();
  }

  /** Says goodbye: the others then need not keep a part of the limits for this one. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#modules.timers.clear(this.#timer);
    this.#tell([], true);
  }

  /** One message came from `name`. */
  receive(name: string, bytes: Uint8Array): void {
    const { limits, authenticate, wallMs } = this.#modules;
    // Before the costs of a code: strangers get no more than this.
    if (!this.#names.includes(name)) {
      this.counts.unknown_sender++;
      return;
    }
    const message = decodeRegionMessage(bytes, authenticate);
    if (message === null) {
      this.counts.forged++;
      return;
    }
    const verdict = this.#peers.hear(name, message, limits.nowMs, wallMs());
    if (verdict !== 'ok') {
      this.counts[verdict]++;
      return;
    }
    this.counts.received++;
    this.#share();
    const { table, nowMs } = limits;
    if (table === null) return;
    for (const { first, second, limit, count } of message.entries) {
      const slot = limits.slotOf(limit);
      // A proxy whose configuration is another one for now has other limits.
      if (slot !== undefined) table.charge(first, second, slot, count, nowMs);
    }
  }

  /** Tells everybody what was used; with nothing to tell, that this proxy is there. */
  round(): void {
    this.#share();
    const { table } = this.#modules.limits;
    for (let i = 0; i < MESSAGES_MAX; i++) {
      const entries = table === null ? [] : this.#take(table);
      if (i === 0 || entries.length > 0) this.#tell(entries, false);
      if (entries.length < REGION_ENTRIES_MAX) return;
    }
  }

  peers(): ReturnType<RegionPeers['list']> {
    return this.#peers.list(this.#modules.limits.nowMs);
  }

  #take(table: BucketTable): readonly RegionEntry[] {
    const entries: RegionEntry[] = [];
    const used = this.#used;
    while (entries.length < REGION_ENTRIES_MAX && table.nextUsed(used)) {
      const limit = this.#modules.limits.numberOf(used.slot);
      if (limit === undefined) continue;
      entries.push({ first: used.first, second: used.second, limit, count: used.count });
    }
    return entries;
  }

  #tell(entries: readonly RegionEntry[], goodbye: boolean): void {
    const { authenticate, send, wallMs } = this.#modules;
    const sentMs = wallMs();
    this.#renewEpoch(sentMs);
    const head = {
      goodbye,
      epochMs: this.#epochMs,
      sentMs,
      sequence: ++this.#sequence,
      from: this.#from,
    };
    const message = encodeRegionMessage({ ...head, entries }, authenticate);
    for (const name of this.#names) send(name, message);
    this.counts.sent++;
  }

  /** Numbers must not run out; and nobody believes a start that lies ahead, since the clock was set back. */
  #renewEpoch(wallMs: number): void {
    if (this.#epochMs <= wallMs + REGION_CLOCK_MS && this.#sequence < SEQUENCE_MAX) return;
    this.#epochMs = this.#epochMs > wallMs + REGION_CLOCK_MS ? wallMs : Math.max(wallMs, this.#epochMs + 1);
    this.#sequence = 0;
  }

  #share(): void {
    this.#modules.limits.share(this.#peers.share(this.#modules.limits.nowMs));
  }

  #arm(): void {
    if (this.#closed) return;
    const { timers, random } = this.#modules;
    const delayMs = REGION_INTERVAL_MS * (1 - JITTER + 2 * JITTER * random());
    this.#timer = timers.set(() => {
      this.round();
      this.#arm();
    }, delayMs);
  }
}
