import { describe, expect, it } from 'vitest';
import { mix } from '../../../../src/core/balance/hash.js';
import { bucketRate } from '../../../../src/core/limit/bucket-rate.js';
import {
  BUCKET_BYTES,
  BucketTable,
  bucketTableBytes,
  type Used,
} from '../../../../src/core/limit/bucket-table.js';

function table(keys = 1024, tells = false): BucketTable {
  return new BucketTable(new SharedArrayBuffer(bucketTableBytes(keys)), tells);
}

/** How many of `count` requests at one moment pass. */
function passed(buckets: BucketTable, count: number, nowMs: number, key = 1): number {
  let passing = 0;
  for (let i = 0; i < count; i++) if (buckets.take(key, mix(key), 0, nowMs) >= 0) passing++;
  return passing;
}

const LIMITS = [
  { requests: 1, periodMs: 1_000, burst: 1 },
  { requests: 10, periodMs: 1_000, burst: 10 },
  { requests: 100, periodMs: 60_000, burst: 5 },
  { requests: 1_000, periodMs: 1_000, burst: 100 },
  { requests: 70_000, periodMs: 1_000, burst: 1_000 },
  { requests: 1_000_000, periodMs: 1_000, burst: 10_000 },
  { requests: 5, periodMs: 30 * 86_400_000, burst: 5 },
];

describe('take()', () => {
  it.each(LIMITS)('lets a burst of $burst pass at once, and then $requests in $periodMs ms', (limit) => {
    const buckets = table();
    buckets.setRate(0, bucketRate(limit));
    const beganMs = 12_345_678;
    expect(passed(buckets, limit.burst + 10, beganMs)).toBe(limit.burst);
    // Half a burst has come back.
    const half = Math.max(1, Math.floor(limit.burst / 2));
    const waitMs = (half * limit.periodMs) / limit.requests;
    const later = passed(buckets, limit.burst, beganMs + waitMs + 0.001);
    expect([half, half + 1]).toContain(later);
  });

  it.each(LIMITS)('lets $requests in $periodMs ms pass over a long time', (limit) => {
    const buckets = table();
    buckets.setRate(0, bucketRate(limit));
    const rounds = 2_000;
    const stepMs = (limit.periodMs / limit.requests) * (limit.burst / 128);
    let passing = 0;
    for (let i = 0; i < rounds; i++) passing += passed(buckets, Math.ceil(limit.burst / 64), i * stepMs);
    const expected = limit.burst + (limit.requests / limit.periodMs) * stepMs * (rounds - 1);
    // All that comes back is used, but for what is left at the end.
    expect(passing).toBeGreaterThanOrEqual(Math.floor((expected - limit.burst) * 0.992));
    expect(passing).toBeLessThanOrEqual(expected * 1.001 + 1);
  });

  it('says how long it takes until a request passes', () => {
    const buckets = table();
    buckets.setRate(0, bucketRate({ requests: 10, periodMs: 1_000, burst: 1 }));
    expect(buckets.take(1, 2, 0, 0)).toBeCloseTo(100);
    expect(buckets.take(1, 2, 0, 30)).toBeCloseTo(-70);
    expect(buckets.take(1, 2, 0, 100.01)).toBeGreaterThan(0);
  });

  it('keeps keys apart', () => {
    const buckets = table();
    buckets.setRate(0, bucketRate({ requests: 1, periodMs: 1_000, burst: 1 }));
    expect(passed(buckets, 3, 0, 1)).toBe(1);
    expect(passed(buckets, 3, 0, 2)).toBe(1);
    expect(passed(buckets, 3, 500, 1)).toBe(0);
  });

  it('does not mistake an account of long ago for one in debt when the clock wraps', () => {
    const rate = bucketRate({ requests: 100_000, periodMs: 1_000, burst: 100 });
    const wrapMs = 2 ** 32 / rate.ticksPerMs;
    expect(wrapMs).toBeGreaterThan(260_000);
    for (let part = 0.01; part < 1; part += 0.01) {
      const buckets = table();
      buckets.setRate(0, rate);
      expect(passed(buckets, 100, 0)).toBe(100);
      expect(passed(buckets, 100, part * wrapMs * 0.98)).toBe(100);
    }
  });

  it('lets pass what has no rate yet', () => {
    expect(table().take(1, 1, 7, 0)).toBe(0);
  });
});

describe('a crowded table', () => {
  it('loses the account with the least debt, and never limits who has not asked', () => {
    const buckets = table(1024);
    buckets.setRate(0, bucketRate({ requests: 10, periodMs: 1_000, burst: 10 }));
    // The flooder of this set has used everything.
    expect(passed(buckets, 20, 0, 0)).toBe(10);
    for (let i = 1; i < 5_000; i++)
      expect(buckets.take(mix(i), mix(i + 1_000_000), 0, 1)).toBeGreaterThanOrEqual(0);
    expect(buckets.evicted).toBeGreaterThan(3_000);
    expect(buckets.held).toBe(1024);
    expect(passed(buckets, 5, 2, 0)).toBe(0);
  });

  it('is emptied by sweeps of what has no debt any more', () => {
    const buckets = table(1024);
    buckets.setRate(0, bucketRate({ requests: 10, periodMs: 1_000, burst: 10 }));
    for (let i = 1; i < 500; i++) buckets.take(mix(i), mix(i + 1_000_000), 0, 0);
    const held = buckets.held;
    expect(held).toBeGreaterThan(450);
    let at = buckets.sweep(0, 512, 50);
    expect([at, buckets.held]).toEqual([512, held]);
    at = buckets.sweep(0, 512, 200);
    at = buckets.sweep(at, 512, 200);
    expect([at, buckets.held]).toEqual([0, 0]);
  });

  it('forgets the accounts of a limit whose slot is given away', () => {
    const buckets = table();
    for (const slot of [0, 1]) buckets.setRate(slot, bucketRate({ requests: 1, periodMs: 60_000, burst: 1 }));
    buckets.take(1, 2, 0, 0);
    buckets.take(3, 4, 1, 0);
    buckets.clear(0);
    expect(buckets.held).toBe(1);
    expect(buckets.take(3, 4, 1, 1)).toBeLessThan(0);
  });

  it('takes 32 bytes for each of a million keys', () => {
    expect(BUCKET_BYTES).toBe(32);
    expect(bucketTableBytes(1_000_000) / 2 ** 20).toBeLessThan(33);
  });
});

describe('what other proxies used', () => {
  const limit = { requests: 10, periodMs: 1_000, burst: 10 };

  it('comes off the account, into debt that is paid back', () => {
    const buckets = table();
    buckets.setRate(0, bucketRate(limit));
    buckets.charge(1, 2, 0, 15, 0);
    expect(buckets.take(1, 2, 0, 0)).toBeLessThan(0);
    expect(buckets.take(1, 2, 0, 590)).toBeLessThan(0);
    expect(buckets.take(1, 2, 0, 610)).toBeGreaterThan(0);
  });

  it('never leads into more than two seconds of debt beyond a burst', () => {
    const buckets = table();
    buckets.setRate(0, bucketRate(limit));
    for (let i = 0; i < 100; i++) buckets.charge(1, 2, 0, 0xffff_ffff, 0);
    expect(buckets.take(1, 2, 0, 2_000)).toBeLessThan(0);
    expect(buckets.take(1, 2, 0, 2_200)).toBeGreaterThan(0);
  });

  it('is gathered once for each account, as often as something is used', () => {
    const buckets = table(1024, true);
    buckets.setRate(0, bucketRate(limit));
    const used: Used = { first: 0, second: 0, slot: 0, count: 0 };
    for (let i = 0; i < 15; i++) buckets.take(1, 2, 0, 0);
    buckets.take(3, 4, 0, 0);
    expect(buckets.nextUsed(used)).toBe(true);
    expect(used).toEqual({ first: 1, second: 2, slot: 0, count: 10 });
    expect(buckets.nextUsed(used)).toBe(true);
    expect(used).toEqual({ first: 3, second: 4, slot: 0, count: 1 });
    expect(buckets.nextUsed(used)).toBe(false);
    buckets.take(3, 4, 0, 0);
    expect(buckets.nextUsed(used)).toBe(true);
    expect(used.count).toBe(1);
  });

  it('gathers nothing of what others told, nor where nobody is told', () => {
    const used: Used = { first: 0, second: 0, slot: 0, count: 0 };
    for (const tells of [true, false]) {
      const buckets = table(1024, tells);
      buckets.setRate(0, bucketRate(limit));
      if (tells) buckets.charge(1, 2, 0, 3, 0);
      else buckets.take(1, 2, 0, 0);
      expect(buckets.nextUsed(used)).toBe(false);
    }
  });
});

describe('bucketRate()', () => {
  it.each([
    { of: 'a burst of a minute', periodMs: 60_000, proxies: 1, part: 1 },
    { of: 'a burst of a minute', periodMs: 60_000, proxies: 2, part: 0.946 },
    { of: 'a burst of a minute', periodMs: 60_000, proxies: 3, part: 0.628 },
    { of: 'a burst of a second', periodMs: 1_000, proxies: 3, part: 1 / 3 },
    { of: 'a burst of a second', periodMs: 1_000, proxies: 2, part: 0.725 },
  ])('lets $part of $of pass at once at one of $proxies proxies', ({ periodMs, proxies, part }) => {
    const limit = { requests: 1_000, periodMs, burst: 1_000 };
    const { tolerance, cost } = bucketRate(limit, { proxies, heard: proxies });
    expect(tolerance / cost / 1_000).toBeCloseTo(part, 3);
  });

  it('splits rate and burst between parts of a region that do not hear each other', () => {
    const limit = { requests: 1_000, periodMs: 1_000, burst: 1_000 };
    const parts = [1, 2].map((heard) => bucketRate(limit, { proxies: 3, heard }));
    const perSecond = parts.map(({ ticksPerMs, cost }) => (1000 * ticksPerMs) / cost);
    expect(perSecond[0]! + perSecond[1]!).toBeCloseTo(1000, 0);
    const bursts = parts.map(({ tolerance, cost }, i) => ((i + 1) * tolerance) / cost);
    expect(bursts[0]! + bursts[1]!).toBeLessThan(1_000);
  });
});
