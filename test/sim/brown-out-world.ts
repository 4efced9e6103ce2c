import { DEFAULT_LIMITS, type PoolModel } from '../../src/core/balance/model.js';
import { backoffMs } from '../../src/core/limit/backoff.js';
import { DEFAULT_RETRIES, type RetryModel, RetryPolicy } from '../../src/core/limit/retry.js';
import type { UpstreamEndpoint } from '../../src/proxy/upstream-endpoint.js';
import { UpstreamPool } from '../../src/proxy/upstream-pool.js';
import { Dice } from './dice.js';

export interface BrownOut {
  readonly seed: number;
  readonly seconds: number;
  /** Requests in a second. */
  readonly rate: number;
  readonly endpoints: number;
  /** Work that an endpoint does at once; what comes beyond that gets a 503. */
  readonly capacity: (endpoint: number, second: number) => number;
  readonly pool: Partial<PoolModel>;
}

export interface Second {
  requests: number;
  /** Sent to endpoints, retries too. */
  attempts: number;
  /** Answered with a 200 to the client. */
  good: number;
  /** The client got a failure of an endpoint, or none was there to be asked. */
  failed: number;
}

const SERVICE_MS = 100;
const TICK_MS = 100;

/** A pool as a worker of the proxy has it, its endpoints and its clients, in virtual time; what happened in each second. */
export function simulateBrownOut(options: BrownOut): {
  readonly seconds: readonly Second[];
  readonly pool: UpstreamPool;
} {
  const { seed, seconds, rate, endpoints, capacity } = options;
  const dice = new Dice(seed);
  const model: PoolModel = {
    name: 'web',
    balance: 'p2c',
    endpoints: Array.from({ length: endpoints }, (_, i) => ({
      address: { host: `10.0.0.${i}`, port: 80 },
      weight: 1,
    })),
    ...options.pool,
  };
  const pool = new UpstreamPool(model, DEFAULT_LIMITS, () => {}, dice.random);
  const retries = new RetryPolicy(model.retries ?? { ...DEFAULT_RETRIES, max: 0 });
  const busy = new Array<number>(endpoints).fill(0);
  const rows = Array.from(
    { length: seconds + 1 },
    (): Second => ({ requests: 0, attempts: 0, good: 0, failed: 0 }),
  );
  const row = (nowMs: number): Second => rows[Math.min(seconds, Math.floor(nowMs / 1_000))]!;
  const events = new EventQueue();

  const attempt = (nowMs: number, tried: readonly number[]): void => {
    const endpoint = pool.pick(tried);
    if (typeof endpoint === 'string') {
      row(nowMs).failed++;
      if (tried.length > 0) pool.retries.leave();
      return;
    }
    pool.enter(endpoint);
    row(nowMs).attempts++;
    const { index } = endpoint;
    const fits = busy[index]! < capacity(index, nowMs / 1_000);
    if (fits) busy[index]!++;
    const tookMs = fits ? SERVICE_MS * dice.between(0.5, 1.5) : dice.between(1, 10);
    events.add(nowMs + tookMs, (thenMs) => {
      if (fits) busy[index]!--;
      answered(thenMs, tried, endpoint, fits ? 200 : 503, tookMs);
    });
  };
  const answered = (
    nowMs: number,
    tried: readonly number[],
    endpoint: UpstreamEndpoint,
    status: number,
    tookMs: number,
  ): void => {
    pool.leave(endpoint);
    pool.result(endpoint, status, tookMs);
    if (status === 200) row(nowMs).good++;
    else if (tried.length < retries.model.max && retries.takesStatus(status, 'GET')) {
      if (pool.retries.take(nowMs, tried.length === 0) === null) {
        const pauseMs = backoffMs(tried.length + 1, retries.model, dice.random(), null) ?? 0;
        events.add(nowMs + pauseMs, (thenMs) => attempt(thenMs, [...tried, endpoint.index]));
        return;
      }
    }
    if (status !== 200) row(nowMs).failed++;
    if (tried.length > 0) pool.retries.leave();
  };
  const arrive = (nowMs: number): void => {
    row(nowMs).requests++;
    if (retries.model.max > 0) pool.retries.request(nowMs);
    attempt(nowMs, []);
    events.add(nowMs + dice.between(0, 2_000 / rate), arrive);
  };
  events.add(0, arrive);
  const tick = (nowMs: number): void => {
    pool.tick(nowMs);
    events.add(nowMs + TICK_MS, tick);
  };
  events.add(0, tick);
  events.runUntil(seconds * 1_000);
  return { seconds: rows.slice(0, seconds), pool };
}

/** Everything that fails is tried again, `max` times. */
export function retriesOf(max: number): RetryModel {
  return { ...DEFAULT_RETRIES, max };
}

export function sum(seconds: readonly Second[], key: keyof Second, from = 0, to = seconds.length): number {
  return seconds.slice(from, to).reduce((all, second) => all + second[key], 0);
}

/** A binary heap by time. */
class EventQueue {
  readonly #heap: { readonly atMs: number; readonly run: (nowMs: number) => void }[] = [];

  add(atMs: number, run: (nowMs: number) => void): void {
    const heap = this.#heap;
    let i = heap.push({ atMs, run }) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.atMs <= heap[i]!.atMs) return;
      [heap[parent], heap[i]] = [heap[i]!, heap[parent]!];
      i = parent;
    }
  }

  runUntil(endMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs < endMs; next = this.#heap[0]) {
      this.#removeFirst();
      next.run(next.atMs);
    }
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && heap[child]!.atMs < heap[least]!.atMs) least = child;
      }
      if (least === i) return;
      [heap[least], heap[i]] = [heap[i]!, heap[least]!];
      i = least;
    }
  }
}
