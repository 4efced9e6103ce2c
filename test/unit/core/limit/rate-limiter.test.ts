import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../../../src/core/dns/rdata/address.js';
import {
  ANSWER_KIND,
  type LimitedAnswer,
  RateLimiter,
  type RateLimits,
  VERDICT,
} from '../../../../src/core/limit/rate-limiter.js';

const { SEND, SLIP, DROP } = VERDICT;
const BASE: RateLimits = {
  rates: [5, 5, 5, 5, 5],
  window: 4,
  slip: 0,
  ipv4Prefix: 24,
  ipv6Prefix: 56,
  exempt: [],
  tableSize: 1024,
  logOnly: false,
};

function limiter(limits: Partial<RateLimits> = {}): RateLimiter {
  return new RateLimiter({ ...BASE, ...limits }, 0x1234_5678, 0x0bad_cafe);
}

function answer(address: string, more: Partial<LimitedAnswer> = {}): LimitedAnswer {
  const prefix = parsePrefix(address);
  if ('code' in prefix) throw new Error(prefix.message);
  const family = prefix.bytes.length === 4 ? 4 : 6;
  return {
    source: Uint8Array.of(9, ...prefix.bytes),
    sourceAt: 1,
    family,
    kind: ANSWER_KIND.RESPONSE,
    identityA: 7,
    identityB: 1,
    rate: 5,
    ...more,
  };
}

/** What becomes of `count` answers at one moment. */
function judged(it: RateLimiter, to: LimitedAnswer, count: number, now: number): number[] {
  return Array.from({ length: count }, () => it.judge(to, now));
}

const sent = (verdicts: readonly number[]) => verdicts.filter((verdict) => verdict === SEND).length;

describe('a rate limiter', () => {
  it('sends one second’s worth at once, and as much again each second', () => {
    const it = limiter();
    const to = answer('192.0.2.1');
    expect(judged(it, to, 6, 100)).toEqual([SEND, SEND, SEND, SEND, SEND, DROP]);
    expect(sent(judged(it, to, 9, 101))).toBe(4);
    expect(sent(judged(it, to, 5, 200))).toBe(5);
  });

  it('keeps a flood limited for a window after its end, and no longer', () => {
    const it = limiter();
    const to = answer('192.0.2.1');
    for (let now = 0; now < 60; now++) judged(it, to, 100, now);
    for (let now = 60; now < 63; now++) expect(it.judge(to, now)).toBe(DROP);
    // Each of those took a place too: it owes as much as the window allows, less what came in.
    expect(it.judge(to, 65)).toBe(SEND);
  });

  it.each([
    ['none', 0, [DROP, DROP, DROP, DROP]],
    ['all', 1, [SLIP, SLIP, SLIP, SLIP]],
    ['each second', 2, [DROP, SLIP, DROP, SLIP]],
    ['each third', 3, [DROP, DROP, SLIP, DROP]],
  ])('truncates %s of the limited answers with slip %i', (_what, slip, expected) => {
    const it = limiter({ slip });
    const to = answer('192.0.2.1');
    judged(it, to, 5, 1);
    expect(judged(it, to, 4, 1)).toEqual(expected);
  });

  it('never truncates an error', () => {
    const it = limiter({ slip: 1 });
    expect(judged(it, answer('192.0.2.1', { kind: ANSWER_KIND.ERROR }), 7, 1).slice(5)).toEqual([DROP, DROP]);
  });

  it.each([
    ['an IPv4 address of the same /24', '192.0.2.77', {}, 0],
    ['an IPv4 address of another /24', '192.0.3.1', {}, 5],
    ['another kind', '192.0.2.1', { kind: ANSWER_KIND.NODATA }, 5],
    ['another name', '192.0.2.1', { identityA: 8 }, 5],
    ['another type', '192.0.2.1', { identityB: 28 }, 5],
  ])('counts %s with the client or apart from it', (_what, address, more, free) => {
    const it = limiter();
    judged(it, answer('192.0.2.1'), 5, 1);
    expect(sent(judged(it, answer(address, more), 5, 1))).toBe(free);
  });

  it.each([
    [56, '2001:db8:0:ff::1', 0],
    [56, '2001:db8:0:100::1', 5],
    [64, '2001:db8:0:1::1', 5],
    [32, '2001:db8:ffff::1', 0],
    [32, '2001:db9::1', 5],
  ])('takes an IPv6 /%i as one client: %s', (ipv6Prefix, address, free) => {
    const it = limiter({ ipv6Prefix });
    judged(it, answer('2001:db8::1'), 5, 1);
    expect(sent(judged(it, answer(address), 5, 1))).toBe(free);
  });

  it('does not limit what is exempt, nor what has no rate', () => {
    const exempt = [parsePrefix('192.0.2.0/25'), parsePrefix('2001:db8::/32')] as RateLimits['exempt'];
    const it = limiter({ exempt });
    expect(sent(judged(it, answer('192.0.2.1'), 50, 1))).toBe(50);
    expect(sent(judged(it, answer('2001:db8::1'), 50, 1))).toBe(50);
    expect(sent(judged(it, answer('192.0.2.200', { identityA: 9 }), 50, 1))).toBe(5);
    expect(sent(judged(it, answer('198.51.100.1', { rate: 0 }), 50, 1))).toBe(50);
  });

  it('says once that a client begins to be limited', () => {
    const it = limiter();
    const to = answer('192.0.2.1');
    const begun = Array.from({ length: 8 }, () => {
      it.judge(to, 1);
      return it.begun;
    });
    expect(begun).toEqual([false, false, false, false, false, true, false, false]);
  });

  it('keeps those that are limited when the table is full of those that are not', () => {
    const it = limiter({ tableSize: 64 });
    const flooder = answer('192.0.2.1');
    judged(it, flooder, 100, 1);
    for (let i = 0; i < 10_000; i++) it.judge(answer('198.51.100.1', { identityA: i }), 1);
    expect(sent(judged(it, flooder, 5, 1))).toBe(0);
  });

  it('forgets the oldest first when a set is full', () => {
    // One set of four.
    const it = limiter({ tableSize: 4 });
    const of = (identityA: number) => answer('192.0.2.1', { identityA });
    for (let i = 0; i < 4; i++) judged(it, of(i), 5, 10 + i);
    it.judge(of(9), 14);
    // The second oldest is still known; the oldest begins anew.
    expect([it.judge(of(1), 10), it.judge(of(0), 14)]).toEqual([DROP, SEND]);
  });
});
