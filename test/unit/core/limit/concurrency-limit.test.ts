import { describe, expect, it } from 'vitest';
import { ConcurrencyLimit } from '../../../../src/core/limit/concurrency-limit.js';

const MODEL = { min: 4, max: 50, tolerance: 0.2 };

function rig(model = MODEL) {
  const limit = new ConcurrencyLimit(model);
  let nowMs = 0;
  limit.tick(nowMs, 0);
  /** `windows` of a tenth of a second with 60 requests, all of which take that long. */
  const answer = (windows: number, latencyMs: number, inFlight?: number): void => {
    for (let i = 0; i < windows; i++) {
      nowMs += 100;
      for (let n = 0; n < 60; n++) limit.sample(latencyMs, inFlight ?? limit.limit, nowMs);
      limit.tick(nowMs, 0);
    }
  };
  const rest = (ms: number): void => {
    for (let i = 0; i < ms; i += 100) {
      nowMs += 100;
      limit.tick(nowMs, 0);
    }
  };
  return { limit, answer, rest };
}

describe('ConcurrencyLimit', () => {
  it.each([
    [{ min: 4, max: 50, tolerance: 0.2 }, 20],
    [{ min: 30, max: 50, tolerance: 0.2 }, 30],
    [{ min: 1, max: 5, tolerance: 0.2 }, 5],
    // What a worker's part of a small maximum may come to.
    [{ min: 3, max: 1, tolerance: 0.2 }, 3],
  ])('begins with a few, within its bounds: %j', (model, expected) => {
    expect(rig(model).limit.limit).toBe(expected);
  });

  it('measures the latency without load first, and moves afterwards', () => {
    const { limit, answer } = rig();
    expect(limit.baseMs).toBe(0);
    answer(1, 10);
    expect(limit.baseMs).toBe(10);
    expect(limit.limit).toBe(20);
    answer(1, 10);
    expect(limit.limit).toBe(24);
  });

  it('grows to its maximum while latency stays, and falls to its minimum when it does not', () => {
    const { limit, answer } = rig();
    answer(20, 10);
    expect(limit.limit).toBe(50);
    answer(1, 20);
    expect(limit.limit).toBe(37);
    answer(8, 60);
    expect(limit.limit).toBeLessThan(8);
    expect(limit.limit).toBeGreaterThanOrEqual(4);
  });

  it('forgives what is within the tolerance', () => {
    const { limit, answer } = rig();
    answer(1, 10);
    answer(10, 12);
    expect(limit.limit).toBe(50);
  });

  it('stays where it is while nobody comes near to it', () => {
    const { limit, answer } = rig();
    answer(20, 10, 3);
    expect(limit.limit).toBe(20);
  });

  it('measures anew after a series of windows at its minimum', () => {
    const { limit, answer } = rig();
    answer(1, 10);
    answer(12, 90);
    expect(limit.baseMs).toBe(90);
    answer(20, 90);
    expect(limit.limit).toBe(50);
  });

  it('halves the limit for the measurement, for a second at most, and has it back after that', () => {
    const { limit, answer, rest } = rig();
    answer(20, 10);
    rest(29_000);
    expect(limit.limit).toBe(25);
    rest(1_100);
    expect(limit.limit).toBe(50);
    expect(limit.baseMs).toBe(10);
  });

  it('takes no time of requests that began before the limit was set', () => {
    const { limit, answer } = rig();
    answer(1, 10);
    answer(1, 150);
    expect(limit.limit).toBe(20);
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('survives a latency of %d', (latency) => {
    const { limit, answer } = rig();
    answer(1, 10);
    answer(3, latency);
    answer(20, 10);
    expect(limit.limit).toBe(50);
  });
});
