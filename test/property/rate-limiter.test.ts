import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LimitedAnswer, RateLimiter, VERDICT } from '../../src/core/limit/rate-limiter.js';

const LIMITS = {
  rates: [0, 0, 0, 0, 0],
  slip: 0,
  ipv4Prefix: 24,
  ipv6Prefix: 56,
  exempt: [],
  tableSize: 65_536,
  logOnly: false,
} as const;

const to = (network: number, identityA: number, rate: number): LimitedAnswer => ({
  source: Uint8Array.of(10, network >> 8, network & 255, 1),
  sourceAt: 0,
  family: 4,
  kind: 0,
  identityA,
  identityB: 0,
  rate,
});

describe('rate limiting', () => {
  it('never sends an account more than its rate each second, and one second’s worth in advance', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(
          fc.record({ wait: fc.integer({ min: 0, max: 5 }), count: fc.integer({ min: 0, max: 200 }) }),
          {
            maxLength: 30,
          },
        ),
        (rate, window, bursts) => {
          const limiter = new RateLimiter({ ...LIMITS, window }, 1, 2);
          let now = 1000;
          let sent = 0;
          for (const { wait, count } of bursts) {
            now += wait;
            for (let i = 0; i < count; i++) if (limiter.judge(to(1, 1, rate), now) === VERDICT.SEND) sent++;
            expect(sent).toBeLessThanOrEqual(rate * (now - 1000 + 1));
          }
        },
      ),
    );
  });

  it('a flood of others does not limit who stays below the rate', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer(),
        fc.integer({ min: 2, max: 60_000 }),
        (seedA, seedB, flooders) => {
          const limiter = new RateLimiter({ ...LIMITS, window: 15 }, seedA, seedB);
          for (let now = 0; now < 3; now++) {
            for (let i = 0; i < 5000; i++) limiter.judge(to(1 + (i % flooders), i, 1), now);
            expect(limiter.judge(to(0, 0, 1), now)).toBe(VERDICT.SEND);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
