import { describe, expect, it } from 'vitest';
import type { Balance } from '../../../../src/core/balance/model.js';
import { type Candidate, createPicker } from '../../../../src/core/balance/picker.js';

function picks(
  balance: Balance,
  candidates: readonly Candidate[],
  count: number,
  tried: number[] = [],
): number[] {
  const picker = createPicker(balance, candidates);
  const active = new Int32Array(16);
  return Array.from({ length: count }, (_, turn) => {
    const index = picker.pick({ turn, active, tried });
    if (index >= 0) active[index]!++;
    return index;
  });
}

function shares(list: readonly number[]): Record<number, number> {
  const count: Record<number, number> = {};
  for (const index of list) count[index] = (count[index] ?? 0) + 1;
  return count;
}

const WEIGHTED = [
  { index: 0, weight: 5 },
  { index: 2, weight: 1 },
  { index: 5, weight: 2 },
];

describe.each<Balance>(['round_robin', 'least_connections'])('a %s picker', (balance) => {
  it('gives each endpoint its share', () => {
    expect(shares(picks(balance, WEIGHTED, 80))).toEqual({ 0: 50, 2: 10, 5: 20 });
  });

  it('picks none of the tried ones', () => {
    expect(Object.keys(shares(picks(balance, WEIGHTED, 30, [0])))).toEqual(['2', '5']);
    expect(picks(balance, WEIGHTED, 1, [0, 2, 5])).toEqual([-1]);
  });

  it('picks nothing from nothing', () => {
    expect(picks(balance, [], 1)).toEqual([-1]);
  });

  it('uses weight 0 only when there is no other', () => {
    const zero = { index: 1, weight: 0 };
    expect(shares(picks(balance, [zero, ...WEIGHTED], 8))[1]).toBeUndefined();
    expect(picks(balance, [zero], 2)).toEqual([1, 1]);
  });
});

describe('a round_robin picker', () => {
  it('spreads a heavy endpoint over the round', () => {
    const list = picks(
      'round_robin',
      [
        { index: 0, weight: 2 },
        { index: 1, weight: 2 },
        { index: 2, weight: 4 },
      ],
      8,
    );
    expect(list.join('')).not.toMatch(/222/);
    expect(list.slice(0, 4).filter((index) => index === 2)).toHaveLength(2);
  });

  it('keeps the shares of weights whose sum is too long for a schedule', () => {
    const many = Array.from({ length: 10 }, (_, index) => ({ index, weight: 991 + index }));
    const count = shares(picks('round_robin', many, 4_096));
    for (const index of many.keys()) expect(count[index]).toBeGreaterThan(400);
  });
});

describe('a least_connections picker', () => {
  it('picks the endpoint with the least in progress for its weight', () => {
    const picker = createPicker('least_connections', [
      { index: 0, weight: 1 },
      { index: 1, weight: 3 },
    ]);
    expect(picker.pick({ turn: 0, active: [1, 4], tried: [] })).toBe(1);
    expect(picker.pick({ turn: 0, active: [1, 6], tried: [] })).toBe(0);
  });
});
