import { describe, expect, it } from 'vitest';
import { hashText } from '../../src/core/balance/hash.js';
import type { Balance } from '../../src/core/balance/model.js';
import { createPicker } from '../../src/core/balance/picker.js';
import { candidate, drawsOf, exclude, newContext, sharesOf } from '../support/pick-context.js';

/** What an algorithm promises beyond the contract of all. */
interface Traits {
  readonly balance: Balance;
  /** Shares follow the weights. */
  readonly weighted: boolean;
  /** One key has one endpoint. */
  readonly keyed: boolean;
}

const ALGORITHMS: readonly Traits[] = [
  { balance: 'round_robin', weighted: true, keyed: false },
  { balance: 'least_connections', weighted: true, keyed: false },
  { balance: 'random', weighted: true, keyed: false },
  { balance: 'p2c', weighted: true, keyed: false },
  { balance: 'ip_hash', weighted: true, keyed: true },
  { balance: 'maglev', weighted: true, keyed: true },
  { balance: 'least_time', weighted: true, keyed: false },
  { balance: 'first', weighted: false, keyed: false },
];

const WEIGHTED = [candidate(0, 5), candidate(2, 1), candidate(5, 2)];
const EVEN = [candidate(0), candidate(2), candidate(5)];

describe.each(ALGORITHMS)('a $balance picker', ({ balance }) => {
  it('picks nothing from nothing', () => {
    expect(createPicker({ balance }, []).pick(newContext())).toBe(-1);
  });

  it('picks the only one, whatever the draw', () => {
    const picker = createPicker({ balance }, [candidate(7, 3)]);
    const context = newContext();
    for (const draw of [0, 0.5, 1 - 2 ** -53]) {
      context.draw = draw;
      expect(picker.pick(context)).toBe(7);
    }
  });

  it('picks none of the excluded ones, and all of the others', () => {
    const picker = createPicker({ balance }, WEIGHTED);
    const context = newContext();
    exclude(context, [0]);
    const counts = sharesOf(picker, context, { picks: 200 });
    expect(counts.has(0)).toBe(false);
    expect(counts.get(-1)).toBeUndefined();
    expect(counts.size).toBe(balance === 'first' ? 1 : 2);
    exclude(context, [0, 2, 5]);
    expect([...sharesOf(picker, context, { picks: 20 }).keys()]).toEqual([-1]);
  });

  it('gives an endpoint in its slow start little of its share', () => {
    const candidates = [candidate(0, 2, 0.1), candidate(2, 20), candidate(5, 20)];
    const counts = sharesOf(createPicker({ balance }, candidates), newContext(), {
      picks: 4_000,
      inProgress: 42,
    });
    expect(counts.get(0)! / 4_000).toBeGreaterThan(0.01);
    expect(counts.get(0)! / 4_000).toBeLessThan(0.12);
  });

  it('answers the same to the same question', () => {
    const picker = createPicker({ balance }, WEIGHTED);
    const context = newContext();
    const random = drawsOf(3);
    for (let n = 0; n < 50; n++) {
      Object.assign(context, { turn: n, draw: random(), key: hashText(`${n}`) });
      expect(picker.pick(context)).toBe(picker.pick(context));
    }
  });
});

describe.each(ALGORITHMS.filter(({ weighted }) => weighted))('a $balance picker', ({ balance }) => {
  it('gives each its share while nothing is in progress', () => {
    const counts = sharesOf(createPicker({ balance }, WEIGHTED), newContext(), { picks: 8_000 });
    expect(counts.get(0)! / 8_000).toBeCloseTo(5 / 8, 1);
    expect(counts.get(2)! / 8_000).toBeCloseTo(1 / 8, 1);
    expect(counts.get(5)! / 8_000).toBeCloseTo(2 / 8, 1);
  });

  it('gives each its share while much is in progress', () => {
    const counts = sharesOf(createPicker({ balance }, WEIGHTED), newContext(), {
      picks: 8_000,
      inProgress: 80,
    });
    expect(counts.get(0)! / 8_000).toBeCloseTo(5 / 8, 1);
    expect(counts.get(2)! / 8_000).toBeCloseTo(1 / 8, 1);
    expect(counts.get(5)! / 8_000).toBeCloseTo(2 / 8, 1);
  });
});

describe.each(ALGORITHMS.filter(({ keyed }) => keyed))('a $balance picker', ({ balance }) => {
  it('keeps a key at its endpoint, whatever the draw and the turn', () => {
    const picker = createPicker({ balance }, EVEN);
    const counts = sharesOf(picker, newContext(), { picks: 100, key: () => hashText('one') });
    expect([...counts.values()]).toEqual([100]);
  });

  it('moves only the keys of an endpoint that goes', () => {
    const keys = Array.from({ length: 2_000 }, (_, n) => hashText(`user ${n}`));
    const place = (candidates: typeof EVEN) => {
      const picker = createPicker({ balance }, candidates);
      return keys.map((key) => picker.pick({ ...newContext(), key }));
    };
    const [before, after] = [place(EVEN), place(EVEN.filter(({ index }) => index !== 2))];
    const moved = before.filter((index, n) => index !== 2 && after[n] !== index).length;
    expect(moved / keys.length).toBeLessThan(balance === 'ip_hash' ? Number.MIN_VALUE : 0.1);
  });

  it('does not care about the order of the file', () => {
    const [one, other] = [WEIGHTED, WEIGHTED.toReversed()].map((list) => createPicker({ balance }, list));
    for (let n = 0; n < 200; n++) {
      const context = { ...newContext(), key: hashText(`user ${n}`) };
      expect(one!.pick(context)).toBe(other!.pick(context));
    }
  });

  it('spreads requests without a key', () => {
    const counts = sharesOf(createPicker({ balance }, EVEN), newContext(), { picks: 300, key: () => -1 });
    expect(counts.size).toBe(3);
  });
});
