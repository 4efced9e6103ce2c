import { describe, expect, it } from 'vitest';
import { TimerWheel, wheelTimer } from '../../../src/probe/timer-wheel.js';

function setUp(options: { slots?: number; startMs?: number } = {}) {
  const wheel = new TimerWheel({ tickMs: 10, slots: options.slots ?? 8, startMs: options.startMs ?? 0 });
  const rang: string[] = [];
  const timer = (name: string) => wheelTimer(() => rang.push(name));
  return { wheel, rang, timer };
}

describe('TimerWheel', () => {
  it.each([
    [1, 10],
    [10, 10],
    [11, 20],
    [80, 80],
    [85, 90],
    [1000, 1000],
  ])('runs what is due at %d ms at %d ms, in whatever turn', (atMs, runsMs) => {
    const { wheel, rang, timer } = setUp();
    wheel.set(timer('a'), atMs);
    wheel.advance(runsMs - 1);
    expect(rang).toEqual([]);
    wheel.advance(runsMs);
    expect(rang).toEqual(['a']);
    expect(wheel.size).toBe(0);
  });

  it('runs those of one tick in the order in which they were set', () => {
    const { wheel, rang, timer } = setUp();
    for (const name of ['a', 'b', 'c']) wheel.set(timer(name), 30);
    wheel.advance(30);
    expect(rang).toEqual(['a', 'b', 'c']);
  });

  it('moves a timer that is set again', () => {
    const { wheel, rang, timer } = setUp();
    const a = timer('a');
    wheel.set(a, 10);
    wheel.set(a, 30);
    expect(wheel.size).toBe(1);
    wheel.advance(20);
    expect(rang).toEqual([]);
    wheel.advance(30);
    expect(rang).toEqual(['a']);
  });

  it('cancels first, middle and last of a slot, and what is not set', () => {
    for (const gone of [0, 1, 2]) {
      const { wheel, rang, timer } = setUp();
      const timers = ['a', 'b', 'c'].map(timer);
      for (const one of timers) wheel.set(one, 10);
      wheel.cancel(timers[gone]!);
      wheel.cancel(timers[gone]!);
      wheel.advance(10);
      expect(rang).toEqual(['a', 'b', 'c'].filter((_, i) => i !== gone));
    }
  });

  it('lets a timer cancel one that is due in the same tick, and set itself again', () => {
    const { wheel, rang, timer } = setUp();
    const victim = timer('victim');
    const again = wheelTimer(() => {
      rang.push('again');
      wheel.cancel(victim);
      wheel.set(again, 0);
    });
    wheel.set(again, 10);
    wheel.set(victim, 10);
    wheel.advance(10);
    expect(rang).toEqual(['again']);
    wheel.advance(20);
    expect(rang).toEqual(['again', 'again']);
    expect(wheel.size).toBe(1);
  });

  it('runs everything that became due in a long sleep, and nothing else', () => {
    const { wheel, rang, timer } = setUp();
    wheel.set(timer('a'), 50);
    wheel.set(timer('b'), 5000);
    wheel.set(timer('later'), 1_000_000);
    wheel.advance(100_000);
    expect(rang.toSorted()).toEqual(['a', 'b']);
    wheel.advance(999_999);
    expect(rang).toHaveLength(2);
    wheel.advance(1_000_000);
    expect(rang.at(-1)).toBe('later');
  });

  it('says when to come again: never after the next timer is due', () => {
    const { wheel, timer } = setUp({ startMs: 5 });
    expect(wheel.nextMs()).toBeUndefined();
    const a = timer('a');
    wheel.set(a, 42);
    expect(wheel.nextMs()).toBe(45);
    wheel.set(a, 1000);
    expect(wheel.nextMs()!).toBeLessThanOrEqual(1005);
  });
});
