import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SlidingExtreme } from '../../../../src/core/scaling/sliding-extreme.js';
import { type UsageMetric, usageOf } from '../../../../src/core/scaling/usage.js';

const m = (name: string, value: number, target: number, countsMax?: number): UsageMetric => ({
  name,
  value,
  target,
  ...(countsMax !== undefined && { countsMax }),
});

it.each([
  ['the one that asks for most', [m('cpu', 0.7, 0.7), m('queue', 3, 2)], { ratio: 1.5, limiting: 'queue' }],
  ['the first of equals', [m('a', 1, 2), m('b', 2, 4)], { ratio: 0.5, limiting: 'a' }],
  ['no more than a metric may count', [m('latency', 900, 100, 1.5)], { ratio: 1.5, limiting: 'latency' }],
  [
    'what is known',
    [m('a', Number.NaN, 1), m('b', -1, 1), m('c', 1, 0), m('d', 0, 1)],
    { ratio: 0, limiting: 'd' },
  ],
  ['never infinity', [m('a', Number.POSITIVE_INFINITY, 1)], { ratio: 100, limiting: 'a' }],
  ['nothing of nothing', [m('a', Number.NaN, 1)], null],
] as const)('usageOf() says %s', (_, metrics, usage) => {
  expect(usageOf(metrics)).toEqual(usage);
});

it('SlidingExtreme gives what a list of all values gives, to a part of the window', () => {
  const steps = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 30_000 }), fc.double({ min: 0, max: 100, noNaN: true })),
    {
      maxLength: 80,
    },
  );
  const WINDOW = 63_000;
  fc.assert(
    fc.property(steps, (list) => {
      const most = new SlidingExtreme('most', WINDOW);
      const all: (readonly [number, number])[] = [];
      let nowMs = 0;
      for (const [waitMs, value] of list) {
        nowMs += waitMs;
        all.push([nowMs, value]);
        const within = (ms: number): number =>
          Math.max(...all.filter(([at]) => nowMs - at <= ms).map(([, v]) => v));
        const got = most.add(nowMs, value);
        expect(got).toBeGreaterThanOrEqual(within(WINDOW - 1000));
        expect(got).toBeLessThanOrEqual(within(WINDOW + 1000));
      }
    }),
  );
});
