import { describe, expect, it } from 'vitest';
import { costOf, RateLimiter, TABLE_SIZE_MIN } from '../../../../src/core/limit/rate-limiter.js';

const WINDOW = 15;
const RATE = 10;

function limiterOf(size = TABLE_SIZE_MIN, window = WINDOW) {
  const limiter = new RateLimiter(size, window, [0x1234_5678, -7]);
  /** Asks `count` times at a time; the answers that left. */
  const ask = (count: number, prefix = 1, kind = 0x400, id = 9, rate = RATE) => {
    let sent = 0;
    for (let i = 0; i < count; i++) if (limiter.charge(prefix, 0, kind, id, costOf(rate)) === 0) sent++;
    return sent;
  };
  return { limiter, ask };
}

describe('costOf()', () => {
  it.each([
    [0, 0],
    [1, 1_000_000],
    [3, 333_333],
    [100_000, 10],
  ])('%i a second: %i µs an answer', (rate, cost) => {
    expect(costOf(rate)).toBe(cost);
  });
});

describe('RateLimiter', () => {
  it.each([1, 2, 3, 7, 200, 1000, 100_000])('answers a burst of one second at %i a second', (rate) => {
    const { ask } = limiterOf();
    expect(ask(2 * rate, 1, 0x400, 9, rate)).toBe(rate);
  });

  it('goes on for ever at the rate itself', () => {
    const { limiter, ask } = limiterOf();
    ask(RATE);
    for (let i = 0; i < 100; i++) {
      limiter.nowMs += 1000 / RATE;
      expect(ask(1)).toBe(1);
    }
  });

  /** Queries at once, ms later, more queries → how many of those are answered. */
  it.each([
    ['a pause of a second after no more than a burst', RATE, 1000, RATE],
    ['half a second', RATE, 500, RATE / 2],
    ['as long as the debt lasts', 3 * RATE, 2000, 0],
    ['longer than it lasts', 3 * RATE, 2500, RATE / 2],
    ['a flood, and less than the window', 1000 * RATE, WINDOW * 1000, 0],
    ['a flood, and the window and a second', 1000 * RATE, (WINDOW + 1) * 1000, RATE],
    ['a clock that wrapped', 1000 * RATE, 0x8000_0000, RATE],
  ])('after %s', (_, queries, pauseMs, answered) => {
    const { limiter, ask } = limiterOf();
    ask(queries);
    limiter.nowMs = (limiter.nowMs + pauseMs) | 0;
    expect(ask(2 * RATE)).toBe(answered);
  });

  it('counts what it limits in a row, for every Nth to slip', () => {
    const { limiter, ask } = limiterOf();
    ask(RATE);
    const counts = [1, 2, 3].map(() => limiter.charge(1, 0, 0x400, 9, costOf(RATE)));
    expect(counts).toEqual([1, 2, 3]);
    limiter.nowMs += 5000;
    expect(ask(1)).toBe(1);
    expect(ask(RATE - 1)).toBe(RATE - 1);
    expect(limiter.charge(1, 0, 0x400, 9, costOf(RATE))).toBe(1);
  });

  it.each([
    ['prefix', 2, 0x400, 9],
    ['kind', 1, 0x401, 9],
    ['family', 1, 0x600, 9],
    ['name', 1, 0x400, 10],
  ])('has another account for another %s', (_, prefix, kind, id) => {
    const { ask } = limiterOf();
    ask(100 * RATE);
    expect(ask(RATE, prefix, kind, id)).toBe(RATE);
    expect(ask(1)).toBe(0);
  });

  it('keeps who floods while a crowd passes through a table that is far too small', () => {
    const { ask } = limiterOf();
    ask(100 * RATE);
    for (let prefix = 100; prefix < 50_000; prefix++) ask(1, prefix);
    expect(ask(RATE)).toBe(0);
  });

  it('limits less, and nobody wrongly, when every place is taken by somebody who floods', () => {
    const { ask } = limiterOf();
    for (let prefix = 100; prefix < 20_000; prefix++) ask(3 * RATE, prefix);
    expect(ask(RATE)).toBe(RATE);
  });

  it('puts the same client elsewhere with another key', () => {
    const places = [1, 2, 3, 4].map((key) => {
      const limiter = new RateLimiter(65_536, WINDOW, [key, 0]);
      limiter.charge(1, 0, 0, 0, 1);
      return limiter.account.at;
    });
    expect(new Set(places).size).toBe(4);
  });

  it('tells who has recovered', () => {
    const { limiter, ask } = limiterOf();
    ask(100 * RATE);
    const { account } = limiter;
    expect(limiter.isLimited(account)).toBe(true);
    limiter.nowMs += WINDOW * 1000;
    expect(limiter.isLimited(account)).toBe(true);
    limiter.nowMs += 600;
    expect(limiter.isLimited(account)).toBe(false);
    expect(limiter.isLimited({ ...account, tag: account.tag ^ 1 })).toBe(false);
  });
});
