import { describe, expect, it } from 'vitest';
import { QueueOrder } from '../../../../src/core/limit/queue-order.js';

/** Length of the queue at a time, and whether the newest is first from then on. */
type Step = readonly [nowMs: number, length: number, newestFirst: boolean];

const TABLE: readonly (readonly [name: string, standingMs: number, steps: readonly Step[]])[] = [
  [
    'first come, first served, while it empties now and then',
    100,
    [
      [0, 1, false],
      [90, 5, false],
      [95, 0, false],
      [100, 1, false],
      [190, 3, false],
      [200, 1, false],
    ],
  ],
  [
    'the newest first when it has been standing for too long',
    100,
    [
      [0, 1, false],
      [100, 4, false],
      [101, 4, true],
    ],
  ],
  [
    'the newest first until it is empty',
    100,
    [
      [0, 1, false],
      [150, 9, true],
      [300, 1, true],
      [301, 0, false],
      [302, 1, false],
    ],
  ],
  [
    'not by the first look, however late it is',
    100,
    [
      [5_000, 3, false],
      [5_100, 3, false],
      [5_101, 3, true],
    ],
  ],
  [
    'never, where that is not wanted',
    Number.POSITIVE_INFINITY,
    [
      [0, 1, false],
      [1e9, 5, false],
    ],
  ],
  [
    'at once, where no standing queue is borne',
    0,
    [
      [0, 1, false],
      [0, 2, false],
      [1, 2, true],
    ],
  ],
];

describe('QueueOrder', () => {
  it.each(TABLE)('%s', (_, standingMs, steps) => {
    const order = new QueueOrder(standingMs);
    const seen = steps.map(([nowMs, length]) => {
      order.observe(length, nowMs);
      return [nowMs, length, order.newestFirst];
    });
    expect(seen).toEqual(steps);
  });
});
