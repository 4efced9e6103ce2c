import { describe, expect, it } from 'vitest';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type ListenerModel,
  type ProxyModel,
} from '../../../../src/core/balance/model.js';
import { Head } from '../../../../src/core/http/head.js';
import { judgeRequest, type RequestFacts } from '../../../../src/core/http/hygiene.js';
import type { RateLimitModel } from '../../../../src/core/limit/limit-model.js';
import { LimitStore } from '../../../../src/proxy/limit/limit-store.js';
import { Protection } from '../../../../src/proxy/limit/protection.js';

const FEW: RateLimitModel = {
  ...{ name: 'few', requests: 3, periodMs: 60_000, burst: 3, keys: [{ by: 'address' }] },
  ...{ prefix4: 32, prefix6: 64, missing: 'address', dryRun: false },
};
const OTHER: RateLimitModel = { ...FEW, name: 'other' };

function modelWith(...limits: readonly RateLimitModel[]): ProxyModel {
  const listen = { host: '127.0.0.1', port: 80 };
  return {
    node: { name: 'p', region: 'r' },
    ...{ workers: 1, io: 'auto', reportTo: [], admin: null, pools: [], rateLimitKeys: 1_024 },
    listeners: [{ protocol: 'http', listen, routes: [], trusted: [], ...(limits.length > 0 && { limits }) }],
    ...{ timeouts: DEFAULT_TIMEOUTS, limits: DEFAULT_LIMITS },
  };
}

function request(text = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'): {
  readonly head: Head;
  readonly facts: RequestFacts;
} {
  const head = new Head('request');
  const bytes = new TextEncoder().encode(text);
  head.parse(bytes, 0, bytes.length);
  const facts = judgeRequest(head);
  if (!facts.ok) throw new Error(facts.message);
  return { head, facts };
}

class Rig {
  nowMs = 1_000;
  readonly store = new LimitStore({ key: [1, 2], tells: false, clock: () => this.nowMs });
  #protection: Protection | null = null;
  #listener: ListenerModel | null = null;

  use(model: ProxyModel): this {
    this.store.use(model, new Map());
    const plan = this.store.plan(0);
    this.#listener = model.listeners[0]!;
    if (plan === null) return this;
    if (this.#protection === null) this.#protection = new Protection(plan, () => this.nowMs);
    else this.#protection.use(plan);
    return this;
  }

  /** Statuses of requests of one address; 200 for what passes. */
  ask(count: number, address = '192.0.2.1'): readonly number[] {
    const guard = this.#protection?.listenerGuard(this.#listener!) ?? null;
    const { head, facts } = request();
    return Array.from({ length: count }, () => guard?.check(head, facts, address)?.status ?? 200);
  }
}

describe('LimitStore', () => {
  it('takes no memory where nothing is limited', () => {
    const { store } = new Rig().use(modelWith());
    expect([store.plan(0), store.table, store.totals()]).toEqual([null, null, []]);
    store.sweep();
  });

  it('keeps accounts and counts over reloads as long as a limit stays the same', () => {
    const rig = new Rig().use(modelWith(FEW));
    expect(rig.ask(4)).toEqual([200, 200, 200, 429]);
    rig.use(modelWith(OTHER, FEW));
    expect(rig.ask(1)).toEqual([429]);
    rig.use(modelWith({ ...FEW, dryRun: true }));
    expect(rig.ask(1)).toEqual([200]);
    expect(rig.store.totals()).toMatchObject([{ name: 'few', passed: 3, refused: 2, wouldRefuse: 1 }]);
    rig.use(modelWith({ ...FEW, burst: 4 }));
    expect(rig.ask(5)).toEqual([200, 200, 200, 200, 429]);
  });

  it('still knows the limits of before, for threads that cannot take the next configuration', () => {
    const rig = new Rig().use(modelWith(FEW));
    expect(rig.ask(4)).toEqual([200, 200, 200, 429]);
    rig.store.use(modelWith(OTHER), new Map());
    expect(rig.store.plan(0)?.slots.size).toBe(2);
    rig.store.use(modelWith(FEW), new Map());
    expect(rig.use(modelWith(FEW)).ask(1)).toEqual([429]);
    expect(rig.store.plan(0)?.slots.size).toBe(1);
  });

  it('gives the first limit of a reload its memory', () => {
    const rig = new Rig().use(modelWith());
    expect(rig.ask(5)).toEqual([200, 200, 200, 200, 200]);
    rig.use(modelWith(FEW));
    expect(rig.ask(4)).toEqual([200, 200, 200, 429]);
  });

  it('keeps addresses apart, and gives tokens back with time', () => {
    const rig = new Rig().use(modelWith(FEW));
    rig.ask(4);
    expect(rig.ask(1, '192.0.2.2')).toEqual([200]);
    rig.nowMs += 20_001;
    expect(rig.ask(2)).toEqual([200, 429]);
  });

  it('frees accounts without debt by and by', () => {
    const rig = new Rig().use(modelWith(FEW));
    for (let i = 0; i < 200; i++) rig.ask(1, `192.0.2.${i}`);
    expect(rig.store.table?.held).toBe(200);
    rig.nowMs += 60_000;
    for (let i = 0; i < 120; i++) rig.store.sweep();
    expect(rig.store.table?.held).toBe(0);
  });

  it('takes its part only while other proxies are not heard', () => {
    const rig = new Rig().use(modelWith({ ...FEW, requests: 300, burst: 300 }));
    rig.store.share({ proxies: 3, heard: 1 });
    expect(rig.ask(300).filter((status) => status === 200).length).toBe(62);
    rig.store.share({ proxies: 1, heard: 1 });
    expect(rig.ask(300, '192.0.2.9').every((status) => status === 200)).toBe(true);
  });

  it('gives slots of limits that are gone to others, which begin anew', () => {
    const rig = new Rig();
    for (let i = 0; i < 300; i++) {
      rig.use(modelWith({ ...FEW, name: `limit-${i}` }));
      expect(rig.ask(4), `limit ${i}`).toEqual([200, 200, 200, 429]);
    }
    expect(rig.store.totals()).toMatchObject([{ name: 'limit-299', passed: 3, refused: 1 }]);
  });
});
