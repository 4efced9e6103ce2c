/** Proxies of a region that share one limit, under a virtual clock, on a network that delays, loses and parts. */
import type { ProxyModel } from '../../src/core/balance/model.js';
import { KeyHash } from '../../src/core/limit/key-hash.js';
import { limitNumber } from '../../src/core/limit/limit-identity.js';
import type { RateLimitModel } from '../../src/core/limit/limit-model.js';
import { LimitStore } from '../../src/proxy/limit/limit-store.js';
import { RegionExchange } from '../../src/proxy/limit/region-exchange.js';
import { Dice } from './dice.js';

const SECRET: readonly [number, number] = [1, 2];
const LOSS = 0.01;

export function hostLimit(requests: number, periodMs: number, burst: number): RateLimitModel {
  return {
    ...{ name: 'all', requests, periodMs, burst, keys: [{ by: 'host' }] },
    ...{ prefix4: 32, prefix6: 64, missing: 'address', dryRun: false },
  };
}

interface Proxy {
  readonly name: string;
  readonly store: LimitStore;
  readonly exchange: RegionExchange;
}

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

export class RegionWorld {
  readonly dice: Dice;
  readonly limit: RateLimitModel;
  readonly proxies: readonly Proxy[];
  /** When a request passed, in order. */
  readonly passed: number[] = [];
  refused = 0;
  nowMs = 0;
  #events: Event[] = [];
  /** Proxies of different parts don't hear each other. */
  #parts: readonly number[] = [];

  constructor(seed: number, limit: RateLimitModel, count = 3) {
    this.dice = new Dice(seed);
    this.limit = limit;
    const names = Array.from({ length: count }, (_, i) => `10.0.0.${i + 1}:8302`);
    this.heal();
    this.proxies = names.map((name, from) => {
      // Every machine's monotonic clock began at another time.
      const zeroMs = this.dice.below(1_000_000);
      const store = new LimitStore({ key: SECRET, tells: true, clock: () => this.nowMs + zeroMs });
      store.use(modelWith(limit), new Map());
      const exchange = new RegionExchange(
        name,
        names.filter((other) => other !== name),
        {
          limits: store,
          // What the real code is checked with elsewhere.
          authenticate: () => new Uint8Array(16),
          send: (to, message) => this.#deliver(from, names.indexOf(to), message),
          timers: { set: (run, delayMs) => this.#at(this.nowMs + delayMs, run), clear: () => {} },
          random: this.dice.random,
          wallMs: () => 1_700_000_000_000 + this.nowMs,
        },
      );
      return { name, store, exchange };
    });
    for (const { exchange } of this.proxies) this.#at(this.dice.between(0, 100), () => exchange.start());
  }

  /** `parts[i]`: which part proxy `i` is in. */
  part(parts: readonly number[]): void {
    this.#parts = parts;
  }

  heal(): void {
    this.#parts = [];
  }

  /** Requests at random times, `perSecond[i]` to proxy `i`, for `durationMs`; all with one key. */
  run(durationMs: number, perSecond: readonly number[]): void {
    const endMs = this.nowMs + durationMs;
    const next = perSecond.map((rate) => this.nowMs + this.#gap(rate));
    for (;;) {
      const soonest = Math.min(...next);
      const eventMs = this.#events[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const atMs = Math.min(soonest, eventMs);
      if (atMs > endMs) break;
      this.nowMs = atMs;
      if (eventMs <= soonest) {
        this.#events.shift()!.run();
        continue;
      }
      const proxy = next.indexOf(soonest);
      this.#ask(this.proxies[proxy]!);
      next[proxy] = atMs + this.#gap(perSecond[proxy]!);
    }
    this.nowMs = endMs;
  }

  /** Requests that passed from one moment to another. */
  passedIn(fromMs: number, toMs: number): number {
    return this.passed.filter((atMs) => atMs >= fromMs && atMs < toMs).length;
  }

  /**
   * The most that passed beyond what one bucket alone would have let pass in any span of time that lies in these bounds:
   * a burst, and what comes back.
   */
  excessIn(fromMs: number, toMs: number): number {
    const perMs = this.limit.requests / this.limit.periodMs;
    let debt = 0;
    let most = 0;
    let lastMs = fromMs;
    for (const atMs of this.passed) {
      if (atMs < fromMs || atMs >= toMs) continue;
      debt = Math.max(0, debt - (atMs - lastMs) * perMs) + 1;
      lastMs = atMs;
      most = Math.max(most, debt - this.limit.burst);
    }
    return most;
  }

  #ask({ store }: Proxy): void {
    const hash = new KeyHash(SECRET);
    const number = limitNumber(this.limit);
    hash.begin(number);
    hash.text('shop.example.com');
    const left = store.table!.take(hash.first, hash.second, store.slotOf(number)!, store.nowMs);
    if (left >= 0) this.passed.push(this.nowMs);
    else this.refused++;
  }

  #deliver(from: number, to: number, message: Uint8Array): void {
    if (this.dice.chance(LOSS) || this.#parts[from] !== this.#parts[to]) return;
    const name = this.proxies[from]!.name;
    const copy = message.slice();
    this.#at(this.nowMs + this.dice.between(0.2, 3), () => this.proxies[to]!.exchange.receive(name, copy));
  }

  #at(atMs: number, run: () => void): void {
    const place = this.#events.findIndex((event) => event.atMs > atMs);
    this.#events.splice(place < 0 ? this.#events.length : place, 0, { atMs, run });
  }

  #gap(perSecond: number): number {
    return perSecond === 0
      ? Number.POSITIVE_INFINITY
      : (-Math.log(1 - this.dice.random()) * 1_000) / perSecond;
  }
}

function modelWith(limit: RateLimitModel): ProxyModel {
  const listen = { host: '127.0.0.1', port: 80 };
  return {
    node: { name: 'p', region: 'r' },
    ...{ workers: 1, io: 'auto', reportTo: [], admin: null, pools: [], rateLimitKeys: 1024 },
    listeners: [{ protocol: 'http', listen, routes: [], trusted: [], limits: [limit] }],
    timeouts: {
      ...{ connectMs: 1, clientIdleMs: 1, headerMs: 1, responseMs: 1, upstreamIdleMs: 1, tunnelIdleMs: 1 },
      drainMs: 1,
    },
    limits: { connections: 1, upstreamConnections: 1, upstreamIdle: 1 },
  };
}
