import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashText } from '../../src/core/balance/hash.js';
import { createPoolPicker } from '../../src/core/balance/layered.js';
import { arrange, type Member } from '../../src/core/balance/layers.js';
import { MAGLEV_SLOTS, maglevTable } from '../../src/core/balance/maglev-table.js';
import type { Balance } from '../../src/core/balance/model.js';
import { type Candidate, createPicker } from '../../src/core/balance/picker.js';
import { SLOW_START_STEPS, slowStartSteps } from '../../src/core/balance/slow-start.js';
import { candidate, drawsOf, exclude, newContext, sharesOf } from '../support/pick-context.js';

const WEIGHTED: readonly Balance[] = [
  'round_robin',
  'least_connections',
  'random',
  'p2c',
  'ip_hash',
  'maglev',
  'least_time',
];

const weights = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 8 });

function candidatesOf(list: readonly number[]): readonly Candidate[] {
  return list.map((weight, index) => candidate(index, weight));
}

/** The largest difference between a share and what the weights say, as a part of all. */
function worstError(counts: ReadonlyMap<number, number>, list: readonly number[], picks: number): number {
  const sum = list.reduce((all, weight) => all + weight, 0);
  return Math.max(...list.map((weight, i) => Math.abs((counts.get(i) ?? 0) / picks - weight / sum)));
}

describe.each(WEIGHTED)('shares of %s', (balance) => {
  it('follow the weights, idle and busy', () => {
    fc.assert(
      fc.property(weights, fc.constantFrom(0, 200), fc.nat(), (list, inProgress, seed) => {
        const picker = createPicker({ balance }, candidatesOf(list));
        const picks = 4_000;
        const counts = sharesOf(picker, newContext(), { picks, inProgress, seed });
        expect(worstError(counts, list, picks)).toBeLessThan(0.05);
      }),
      { numRuns: 40 },
    );
  });
});

describe('every picker', () => {
  it('finds an endpoint if and only if one is not excluded', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Balance>(...WEIGHTED, 'first'),
        weights,
        fc.array(fc.nat(7)),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.nat(),
        (balance, list, out, draw, turn) => {
          const context = { ...newContext(), draw, turn, key: hashText(`${turn}`) };
          exclude(
            context,
            [...new Set(out)].filter((index) => index < list.length),
          );
          const index = createPicker({ balance }, candidatesOf(list)).pick(context);
          if (context.exclusions === list.length) expect(index).toBe(-1);
          else expect(context.excluded[index]).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the table of Maglev', () => {
  it('gives each its share of the slots, within one round', () => {
    fc.assert(
      fc.property(weights, (list) => {
        const slots = new Map<number, number>();
        for (const position of maglevTable(candidatesOf(list))) {
          slots.set(position, (slots.get(position) ?? 0) + 1);
        }
        expect(worstError(slots, list, MAGLEV_SLOTS)).toBeLessThan(0.001);
      }),
      { numRuns: 20 },
    );
  });

  it('moves about 1/n of the slots when one of n goes or comes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), (n, gone) => {
        const all = Array.from({ length: n }, (_, index) => candidate(index + gone, 1));
        const rest = all.filter((_, i) => i !== gone % n);
        const [before, after] = [maglevTable(all), maglevTable(rest)];
        let moved = 0;
        for (let slot = 0; slot < MAGLEV_SLOTS; slot++) {
          if (all[before[slot]!] !== rest[after[slot]!]) moved++;
        }
        expect(moved / MAGLEV_SLOTS).toBeLessThan(1 / n + 0.05);
      }),
      { numRuns: 20 },
    );
  });
});

describe('bounded loads', () => {
  it('hold for any keys and weights', () => {
    fc.assert(
      fc.property(
        weights,
        fc.double({ min: 1.05, max: 3, noNaN: true }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 300 }),
        (list, bound, keys, requests) => {
          const picker = createPicker({ balance: 'maglev', bound }, candidatesOf(list));
          const context = newContext();
          const sum = list.reduce((all, weight) => all + weight, 0);
          for (let n = 1; n <= requests; n++) {
            const index = picker.pick({ ...context, key: hashText(`key ${n % keys}`) });
            const load = ++context.active[index]!;
            expect(load).toBeLessThanOrEqual(Math.max(1, Math.ceil((bound * n * list[index]!) / sum)));
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

const member: fc.Arbitrary<Omit<Member, 'index' | 'identity'>> = fc.record({
  weight: fc.integer({ min: 0, max: 5 }),
  steps: fc.integer({ min: 2, max: SLOW_START_STEPS }),
  priority: fc.integer({ min: 0, max: 2 }),
  backup: fc.boolean(),
  healthy: fc.boolean(),
  draining: fc.boolean(),
});

describe('arrange()', () => {
  const policy = fc.record({
    overprovisioning: fc.double({ min: 1, max: 2, noNaN: true }),
    panic: fc.option(
      fc.record({
        threshold: fc.double({ min: 0, max: 1, noNaN: true }),
        mode: fc.constantFrom<'open' | 'secure'>('open', 'secure'),
      }),
    ),
  });

  it('gives all of the load or none, never anything to a drained endpoint, and to a sick one only in panic', () => {
    fc.assert(
      fc.property(fc.array(member, { minLength: 1, maxLength: 10 }), policy, (list, rules) => {
        const members = list.map((one, index): Member => ({ ...one, index, identity: index }));
        const { layers, spare, panic } = arrange(members, rules);
        const load = layers.reduce((sum, layer) => sum + layer.load, 0);
        if (layers.length > 0) expect(load).toBeCloseTo(1, 6);
        const used = [...layers.flatMap(({ candidates }) => candidates), ...spare];
        for (const { index, weight } of used) {
          expect(members[index]!.draining).toBe(false);
          expect(weight).toBeGreaterThan(0);
          if (!panic) expect(members[index]!.healthy).toBe(true);
        }
        if (!panic && members.some(({ healthy, draining }) => healthy && !draining)) {
          expect(used.length).toBeGreaterThan(0);
        }
      }),
    );
  });

  it('makes a picker that finds somebody whenever somebody may be picked', () => {
    fc.assert(
      fc.property(
        fc.array(member, { minLength: 1, maxLength: 8 }),
        fc.constantFrom<Balance>('round_robin', 'p2c', 'least_time', 'first', 'ip_hash'),
        fc.nat(),
        (list, balance, seed) => {
          const members = list.map((one, index): Member => ({ ...one, index, identity: index }));
          const arrangement = arrange(members, { overprovisioning: 1.4, panic: null });
          const used = arrangement.layers.flatMap(({ candidates }) => candidates);
          const picker = createPoolPicker({ balance }, arrangement);
          const counts = sharesOf(picker, newContext(), { picks: 20, seed });
          expect(counts.has(-1)).toBe(used.length === 0);
        },
      ),
    );
  });
});

describe('slowStartSteps()', () => {
  it.each([
    [1, 5],
    [2, 10],
    [0.5, 2],
  ])('with an aggression of %d has %i of 20 steps after a quarter of the time', (aggression, steps) => {
    expect(slowStartSteps(2_500, { durationMs: 10_000, aggression })).toBe(steps);
  });

  it('never goes back, starts at a tenth, and ends whole', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3_600_000 }),
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        fc.nat(),
        (durationMs, aggression, seed) => {
          const model = { durationMs, aggression };
          const random = drawsOf(seed);
          const times = Array.from({ length: 20 }, () => random() * durationMs * 1.2).toSorted(
            (a, b) => a - b,
          );
          const steps = times.map((ms) => slowStartSteps(ms, model));
          expect(steps).toEqual(steps.toSorted((a, b) => a - b));
          expect(slowStartSteps(0, model)).toBe(2);
          expect(slowStartSteps(durationMs, model)).toBe(SLOW_START_STEPS);
        },
      ),
    );
  });
});
