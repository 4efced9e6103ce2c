import { describe, expect, it } from 'vitest';
import { Delivery } from '../../../src/report/delivery.js';

/** How long a sender waits after a delivery, by its draw: after one that arrived, or so many that did not. */
async function waitAfter(draw: number, failures: number): Promise<number> {
  const waits: number[] = [];
  const callbacks: (() => void)[] = [];
  const delivery = new Delivery(
    { url: 'http://dns-1', readToken: null },
    {
      timers: {
        set: (callback, delayMs) => {
          waits.push(delayMs);
          return callbacks.push(callback);
        },
        clear() {},
      },
      random: () => draw,
      fetch: async () => {
        if (failures > 0) throw new Error('connection refused');
        return { ok: true, status: 204, text: async () => '' };
      },
      log: { info() {}, warn() {} },
    },
    { intervalMs: 2_000, timeoutMs: 1_500, build: () => ({}) },
  );
  delivery.send();
  for (let round = 1; ; round++) {
    for (let i = 0; i < 20; i++) await Promise.resolve();
    if (round >= failures) break;
    callbacks.at(-1)!();
  }
  delivery.close();
  return Math.round(waits.at(-1)!);
}

describe('Delivery', () => {
  it.each([
    // After a report that arrived, after the first that did not, after the third.
    [0, 0, 1_800],
    [0.5, 0, 2_000],
    [0.999999, 0, 2_200],
    [0, 1, 450],
    [0.999999, 1, 550],
    [0, 3, 1_800],
    [0.999999, 3, 2_200],
  ])(
    'waits by a draw of %d after %i failures, so that senders do not come together',
    async (draw, failures, ms) => {
      expect(await waitAfter(draw, failures)).toBe(ms);
    },
  );
});
