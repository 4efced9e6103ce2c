import { ALIAS_SLOTS_MAX, createAliasTable, writeAliasSlot } from '../core/answer/alias-slot.js';
import type { NameResolver, Resolved } from '../sources/name-resolver.js';

export interface AliasModules {
  readonly resolver: NameResolver;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly timers: {
    setTimeout(run: () => void, ms: number): unknown;
    clearTimeout(handle: unknown): void;
  };
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly log: { warn(facts: object, message: string): void; error(facts: object, message: string): void };
}

export interface AliasOptions {
  /** Addresses that could not be refreshed for so long are given up; without it the last good ones stay. */
  readonly maxAgeMs?: number;
  /** Names at once; default ALIAS_SLOTS_MAX. */
  readonly capacity?: number;
}

export interface AliasStatus {
  /** Names by what is known: all refreshed in time; older addresses in use; a family that was never resolved. */
  readonly names: { readonly fresh: number; readonly stale: number; readonly unresolved: number };
  readonly refreshes: { readonly ok: number; readonly failed: number };
  /** Seconds since the oldest addresses in use were confirmed. */
  readonly ageSeconds: number;
}

/** Addresses are asked for again after their TTL, but not sooner and not later than this. */
const REFRESH_MS_MIN = 5_000;
const REFRESH_MS_MAX = 3_600_000;
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;
/** Names being resolved at once. */
const RUNNING_MAX = 32;

interface Known {
  readonly addresses: readonly Uint8Array[];
  readonly goodMs: number;
  readonly expiresMs: number;
}

interface Entry {
  readonly name: string;
  readonly slot: number;
  v4?: Known | undefined;
  v6?: Known | undefined;
  failures: number;
  timer: unknown;
  /** Tells that the first attempt is over. */
  readonly first: Promise<void>;
  readonly tried: () => void;
}

/**
 * Keeps the addresses of the names outside this server that ALIAS records lead to, in the table of alias slots. The
 * last good ones stay while a name can't be resolved.
 */
export class AliasWatch {
  readonly table: Int32Array;
  readonly #modules: AliasModules;
  readonly #options: AliasOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #free: number[];
  readonly #queue: Entry[] = [];
  readonly #refreshes = { ok: 0, failed: 0 };
  #running = 0;
  #closed = false;

  constructor(options: AliasOptions, modules: AliasModules) {
    const capacity = options.capacity ?? ALIAS_SLOTS_MAX;
    this.#options = options;
    this.#modules = modules;
    this.table = createAliasTable(capacity);
    this.#free = Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
  }

  /** Begins to resolve names; those that are known stay. Names beyond the capacity have no slot: their ALIAS fails. */
  watch(names: readonly string[]): void {
    let left = 0;
    for (const name of names) {
      if (this.#entries.has(name)) continue;
      const slot = this.#free.pop();
      if (slot === undefined) left++;
      else this.#add(name, slot);
    }
    if (left > 0) {
      this.#modules.log.error(
        { left, resolved: this.#entries.size },
        'too many names outside for ALIAS records',
      );
    }
  }

  /** Gives up all names but these. Call it when no snapshot in use has the others. */
  retain(names: readonly string[]): void {
    const wanted = new Set(names);
    for (const entry of this.#entries.values()) {
      if (wanted.has(entry.name)) continue;
      this.#modules.timers.clearTimeout(entry.timer);
      this.#entries.delete(entry.name);
      entry.tried();
      writeAliasSlot(this.table, entry.slot, { expires: 0 });
      this.#free.push(entry.slot);
    }
  }

  slotOf(name: string): number | undefined {
    return this.#entries.get(name)?.slot;
  }

  /** Resolves when every name was tried once, or after `ms`. */
  async firstRound(ms: number): Promise<void> {
    let timer: unknown;
    const timeout = new Promise<void>((resolve) => {
      timer = this.#modules.timers.setTimeout(resolve, ms);
    });
    await Promise.race([Promise.all([...this.#entries.values()].map(({ first }) => first)), timeout]);
    this.#modules.timers.clearTimeout(timer);
  }

  get status(): AliasStatus {
    const names = { fresh: 0, stale: 0, unresolved: 0 };
    const nowMs = this.#modules.now();
    let oldestMs = nowMs;
    for (const { v4, v6, failures } of this.#entries.values()) {
      names[!v4 || !v6 ? 'unresolved' : failures > 0 ? 'stale' : 'fresh']++;
      oldestMs = Math.min(oldestMs, v4?.goodMs ?? nowMs, v6?.goodMs ?? nowMs);
    }
    return { names, refreshes: { ...this.#refreshes }, ageSeconds: (nowMs - oldestMs) / 1000 };
  }

  close(): void {
    this.#closed = true;
    this.retain([]);
    this.#modules.resolver.close();
  }

  #add(name: string, slot: number): void {
    let tried = () => {};
    const first = new Promise<void>((resolve) => {
      tried = resolve;
    });
    const entry: Entry = { name, slot, failures: 0, timer: undefined, first, tried };
    this.#entries.set(name, entry);
    this.#enqueue(entry);
  }

  #enqueue(entry: Entry): void {
    this.#queue.push(entry);
    this.#advance();
  }

  #advance(): void {
    while (this.#running < RUNNING_MAX && !this.#closed) {
      const entry = this.#queue.shift();
      if (!entry) return;
      if (!this.#isWatched(entry)) continue;
      this.#running++;
      void this.#refresh(entry).finally(() => {
        this.#running--;
        entry.tried();
        this.#advance();
      });
    }
  }

  /** The name may have been given up, and perhaps taken up again in another slot. */
  #isWatched(entry: Entry): boolean {
    return this.#entries.get(entry.name) === entry;
  }

  async #refresh(entry: Entry): Promise<void> {
    const { resolver, now, log } = this.#modules;
    const [v4, v6] = await Promise.all([resolver.resolve(entry.name, 4), resolver.resolve(entry.name, 6)]);
    if (!this.#isWatched(entry) || this.#closed) return;
    const nowMs = now();
    entry.v4 = this.#take(entry.v4, v4, nowMs);
    entry.v6 = this.#take(entry.v6, v6, nowMs);
    const error = 'error' in v4 ? v4.error : 'error' in v6 ? v6.error : undefined;
    if (error !== undefined && entry.failures === 0) {
      log.warn({ name: entry.name, error }, 'the target of an ALIAS could not be resolved');
    }
    this.#refreshes[error === undefined ? 'ok' : 'failed']++;
    entry.failures = error === undefined ? 0 : entry.failures + 1;
    const expiresMs = Math.min(
      entry.v4?.expiresMs ?? nowMs + REFRESH_MS_MAX,
      entry.v6?.expiresMs ?? nowMs + REFRESH_MS_MAX,
    );
    writeAliasSlot(this.table, entry.slot, {
      v4: entry.v4?.addresses,
      v6: entry.v6?.addresses,
      expires: Math.floor(expiresMs / 1000),
    });
    const waitMs = error === undefined ? expiresMs - nowMs : retryMs(entry.failures);
    // Up to a tenth sooner, so that names don't come all at once, and addresses are there before the old expire.
    const earlyMs = waitMs * (1 - 0.1 * this.#modules.random());
    entry.timer = this.#modules.timers.setTimeout(() => this.#enqueue(entry), earlyMs);
  }

  /** What is known of one family after an attempt. */
  #take(before: Known | undefined, result: Resolved, nowMs: number): Known | undefined {
    if (!('error' in result)) {
      const { addresses, ttlSeconds } = result;
      const keptMs = Math.min(Math.max(ttlSeconds * 1000, REFRESH_MS_MIN), REFRESH_MS_MAX);
      return { addresses, goodMs: nowMs, expiresMs: nowMs + keptMs };
    }
    const { maxAgeMs } = this.#options;
    const isTooOld = before && maxAgeMs !== undefined && nowMs - before.goodMs > maxAgeMs;
    return isTooOld ? undefined : before;
  }
}

function retryMs(failures: number): number {
  return Math.min(RETRY_MS_MIN * 2 ** Math.min(failures - 1, 10), RETRY_MS_MAX);
}
