import { describe, expect, it } from 'vitest';
import { hashText } from '../../../../src/core/balance/hash.js';
import { createPicker } from '../../../../src/core/balance/picker.js';
import { candidate, exclude, newContext, sharesOf } from '../../../support/pick-context.js';

describe('a round_robin picker', () => {
  it('gives each endpoint exactly its share of a round', () => {
    const picker = createPicker({ balance: 'round_robin' }, [
      candidate(0, 5),
      candidate(2, 1),
      candidate(5, 2),
    ]);
    expect([...sharesOf(picker, newContext(), { picks: 80 })].toSorted()).toEqual([
      [0, 50],
      [2, 10],
      [5, 20],
    ]);
  });

  it('spreads a heavy endpoint over the round', () => {
    const picker = createPicker({ balance: 'round_robin' }, [
      candidate(0, 2),
      candidate(1, 2),
      candidate(2, 4),
    ]);
    const list = Array.from({ length: 8 }, (_, turn) => picker.pick({ ...newContext(), turn }));
    expect(list.join('')).not.toMatch(/222/);
    expect(list.slice(0, 4).filter((index) => index === 2)).toHaveLength(2);
  });

  it('keeps the shares of weights whose sum is too long for a schedule', () => {
    const many = Array.from({ length: 10 }, (_, index) => candidate(index, 991 + index));
    const counts = sharesOf(createPicker({ balance: 'round_robin' }, many), newContext(), { picks: 4_096 });
    for (const index of many.keys()) expect(counts.get(index)).toBeGreaterThan(400);
  });
});

describe('a least_connections picker', () => {
  it.each([
    ['the least in progress for its weight', [1, 2], 1],
    ['the other one when that has more', [1, 6], 0],
  ])('picks the endpoint with %s', (_, active, expected) => {
    const picker = createPicker({ balance: 'least_connections' }, [candidate(0, 1), candidate(1, 3)]);
    const context = newContext();
    context.active.set(active);
    for (let turn = 0; turn < 10; turn++) expect(picker.pick({ ...context, turn })).toBe(expected);
  });

  it('fills up evenly', () => {
    const picker = createPicker({ balance: 'least_connections' }, [
      candidate(0, 5),
      candidate(2, 1),
      candidate(5, 2),
    ]);
    const counts = sharesOf(picker, newContext(), { picks: 80, inProgress: 80 });
    expect([counts.get(0), counts.get(2), counts.get(5)]).toEqual([50, 10, 20]);
  });
});

describe('a p2c picker', () => {
  it('picks the less busy one of two', () => {
    const picker = createPicker({ balance: 'p2c' }, [candidate(0), candidate(1)]);
    const context = newContext();
    context.active.set([3, 2]);
    for (const draw of [0, 0.3, 0.7, 0.99]) expect(picker.pick({ ...context, draw })).toBe(1);
  });

  it('almost never picks the busiest of many', () => {
    const candidates = Array.from({ length: 10 }, (_, index) => candidate(index));
    const context = newContext();
    context.active[4] = 1_000;
    const counts = sharesOf(createPicker({ balance: 'p2c' }, candidates), context, { picks: 2_000 });
    expect(counts.get(4)).toBeUndefined();
  });
});

describe('a first picker', () => {
  it('fills endpoints in the order of the list', () => {
    const picker = createPicker({ balance: 'first' }, [candidate(3), candidate(1), candidate(2)]);
    const context = newContext();
    expect(picker.pick(context)).toBe(3);
    exclude(context, [3]);
    expect(picker.pick(context)).toBe(1);
  });

  it('lets an endpoint in its slow start take its part of the turns, and all if it is alone', () => {
    const counts = sharesOf(
      createPicker({ balance: 'first' }, [candidate(0, 1, 0.25), candidate(1)]),
      newContext(),
      { picks: 4_000 },
    );
    expect(counts.get(0)! / 4_000).toBeCloseTo(0.25, 1);
    const three = [candidate(0, 1, 0.25), candidate(1, 1, 0.5), candidate(2)];
    const parts = sharesOf(createPicker({ balance: 'first' }, three), newContext(), { picks: 4_000 });
    expect(Math.abs(parts.get(1)! / 4_000 - 0.375)).toBeLessThan(0.03);
    expect(Math.abs(parts.get(2)! / 4_000 - 0.375)).toBeLessThan(0.03);
    const alone = createPicker({ balance: 'first' }, [candidate(0, 1, 0.25)]);
    expect(sharesOf(alone, newContext(), { picks: 100 }).get(0)).toBe(100);
  });
});

describe('a least_time picker', () => {
  const pair = createPicker({ balance: 'least_time' }, [candidate(0), candidate(1)]);

  it('prefers the endpoint that answers sooner', () => {
    const counts = sharesOf(pair, newContext(), {
      picks: 1_000,
      latencyMs: (index) => (index === 0 ? 5 : 50),
    });
    expect(counts.get(0)).toBeGreaterThan(900);
  });

  it('counts what is in progress', () => {
    const context = newContext();
    context.latency.observe(0, 10, true, 0);
    context.latency.observe(1, 30, true, 0);
    context.active[0] = 1;
    expect(pair.pick(context)).toBe(0);
    context.active[0] = 4;
    expect(pair.pick(context)).toBe(1);
  });

  it('gives an endpoint that never answered one request, not more', () => {
    const context = newContext();
    context.latency.observe(0, 10, true, 0);
    expect(pair.pick({ ...context, draw: 0.9 })).toBe(1);
    context.active[1] = 1;
    expect(pair.pick({ ...context, draw: 0.9 })).toBe(0);
  });

  it('tries a slow endpoint again after a while', () => {
    const context = newContext();
    context.latency.observe(1, 100, true, 0);
    context.latency.observe(0, 10, true, 30_000);
    expect(pair.pick({ ...context, nowMs: 20_000 })).toBe(0);
    expect(pair.pick({ ...context, nowMs: 30_000 })).toBe(1);
  });
});

describe('a maglev picker', () => {
  const many = Array.from({ length: 20 }, (_, index) => candidate(index));

  it('lets no hot key overload its endpoint', () => {
    const picker = createPicker({ balance: 'maglev', bound: 1.25 }, many);
    const context = newContext();
    const counts = sharesOf(picker, context, { picks: 400, inProgress: 400, key: () => hashText('hot') });
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(Math.ceil((1.25 * 400) / 20));
  });

  it('sends the overflow of a key always the same way', () => {
    const picker = createPicker({ balance: 'maglev', bound: 1.25 }, many);
    const context = { ...newContext(), key: hashText('hot') };
    const home = picker.pick(context);
    context.active[home] = 50;
    const next = picker.pick(context);
    expect(next).not.toBe(home);
    expect(picker.pick({ ...context, turn: 9, draw: 0.9 })).toBe(next);
  });
});
