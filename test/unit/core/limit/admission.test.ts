import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdmissionPolicy, DEFAULT_SHARES, PRIORITIES } from '../../../../src/core/limit/admission.js';
import { TokenBucket } from '../../../../src/core/limit/token-bucket.js';

describe('AdmissionPolicy', () => {
  it.each([
    // In progress, and who is taken: critical, high, normal, low.
    [0, [true, true, true, true]],
    [74, [true, true, true, true]],
    [75, [true, true, true, false]],
    [89, [true, true, true, false]],
    [90, [true, true, false, false]],
    [95, [true, false, false, false]],
    [99, [true, false, false, false]],
    [100, [false, false, false, false]],
    [1_000, [false, false, false, false]],
  ])('with %i of 100 places in use, takes the right ones', (inFlight, expected) => {
    const policy = new AdmissionPolicy({ inFlightMax: 100, shares: DEFAULT_SHARES });
    expect(PRIORITIES.map((_, i) => policy.admits(i, inFlight))).toEqual(expected);
    expect(inFlight < policy.calmBelow).toBe(expected.every(Boolean));
  });

  it('gives each priority a place, however small the limit', () => {
    const policy = new AdmissionPolicy({ inFlightMax: 1, shares: { ...DEFAULT_SHARES, low: 0.01 } });
    expect(PRIORITIES.map((_, i) => policy.admits(i, 0))).toEqual([true, true, true, true]);
    expect(PRIORITIES.map((_, i) => policy.admits(i, 1))).toEqual([false, false, false, false]);
  });

  it('counts places of a share exactly', () => {
    const policy = new AdmissionPolicy({ inFlightMax: 100, shares: { ...DEFAULT_SHARES, low: 0.29 } });
    expect([policy.admits(3, 28), policy.admits(3, 29)]).toEqual([true, false]);
  });

  it('never takes a lower priority where it sheds a higher one', () => {
    const share = fc.double({ min: 0.01, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(share, { minLength: 4, maxLength: 4 }),
        fc.nat(5000),
        fc.nat(5000),
        (parts, max, now) => {
          const [critical = 1, high = 1, normal = 1, low = 1] = parts.toSorted((a, b) => b - a);
          const policy = new AdmissionPolicy({ inFlightMax: max, shares: { critical, high, normal, low } });
          const taken = PRIORITIES.map((_, i) => policy.admits(i, now));
          expect(taken).toEqual(taken.toSorted((a, b) => Number(b) - Number(a)));
        },
      ),
    );
  });
});

describe('TokenBucket', () => {
  const take = (bucket: TokenBucket, nowMs: number, times: number): number =>
    Array.from({ length: times }, () => bucket.take(nowMs)).filter(Boolean).length;

  it('has a burst at first, then so many a second', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 5 });
    expect(take(bucket, 0, 20)).toBe(5);
    expect(take(bucket, 99, 20)).toBe(0);
    expect(take(bucket, 100, 20)).toBe(1);
    expect(take(bucket, 400, 20)).toBe(3);
    expect(take(bucket, 1e9, 20)).toBe(5);
  });

  it('gives nothing for a clock that goes back', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 1 });
    expect([1000, 900, 999, 1000, 1099, 1100].map((now) => bucket.take(now))).toEqual([
      true,
      false,
      false,
      false,
      false,
      true,
    ]);
  });

  it('never gives more than its burst and its rate together', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { maxLength: 200 }), (steps) => {
        const bucket = new TokenBucket({ perSecond: 20, burst: 7 });
        let nowMs = 0;
        let taken = 0;
        for (const step of steps) {
          nowMs += step;
          taken += take(bucket, nowMs, 3);
          expect(taken).toBeLessThanOrEqual(7 + nowMs * 0.02 + 1e-6);
        }
      }),
    );
  });
});
