import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costOf, RateLimiter } from '../../src/core/limit/rate-limiter.js';

const steps = fc.array(fc.record({ pauseMs: fc.nat(3000), queries: fc.nat(40), prefix: fc.nat(5) }), {
  minLength: 1,
  maxLength: 200,
});

describe('RateLimiter', () => {
  it('never answers more than a burst and the rate times the time', () => {
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 60 }),
        (list, rate, window) => {
          const limiter = new RateLimiter(1024, window, [1, 2]);
          const sent = new Map<number, number>();
          for (const { pauseMs, queries, prefix } of list) {
            limiter.nowMs += pauseMs;
            for (let i = 0; i < queries; i++) {
              if (limiter.charge(prefix, 0, 0, 0, costOf(rate)) > 0) continue;
              sent.set(prefix, (sent.get(prefix) ?? 0) + 1);
            }
          }
          // Costs are rounded down to µs.
          const most = ((limiter.nowMs / 1000 + 1) * 1_000_000) / costOf(rate);
          for (const count of sent.values()) expect(count).toBeLessThanOrEqual(most + 1e-6);
        },
      ),
    );
  });

  it('answers everything of a client that keeps to the rate, whatever others do', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.integer({ min: 1, max: 50 }), (key, noise, rate) => {
        const limiter = new RateLimiter(1024, 15, [key, ~key]);
        const cost = costOf(rate);
        for (let second = 0; second < 30; second++) {
          limiter.nowMs = second * 1000;
          for (let i = 0; i < 200; i++) limiter.charge(noise ^ i ^ 0x4000_0000, 0, 0, second, cost);
          for (let i = 0; i < rate; i++) expect(limiter.charge(7, 7, 7, 7, cost)).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });
});
