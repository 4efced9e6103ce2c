import { describe, expect, it } from 'vitest';
import { LatencyTable } from '../../../../src/core/balance/latency-table.js';

describe('LatencyTable', () => {
  it('knows nothing before the first response', () => {
    expect(new LatencyTable(2).estimateMs(1, 5_000)).toBe(0);
  });

  it('takes a slower response at once, and a faster one by and by', () => {
    const table = new LatencyTable(2);
    table.observe(0, 10, true, 0);
    table.observe(0, 100, true, 1_000);
    expect(table.estimateMs(0, 1_000)).toBe(100);
    table.observe(0, 10, true, 2_000);
    expect(table.estimateMs(0, 2_000)).toBeCloseTo(10 + 90 * Math.exp(-0.1), 6);
    expect(table.estimateMs(1, 2_000)).toBe(0);
  });

  it('forgets in the course of ten seconds', () => {
    const table = new LatencyTable(1);
    table.observe(0, 100, true, 0);
    expect(table.estimateMs(0, 10_000)).toBeCloseTo(100 / Math.E, 6);
  });

  it('counts an error as a slow response, however soon it came', () => {
    const table = new LatencyTable(1);
    table.observe(0, 1, false, 0);
    expect(table.estimateMs(0, 0)).toBe(1_000);
  });

  it('takes no harm from a clock that stands', () => {
    const table = new LatencyTable(1);
    table.observe(0, 100, true, 500);
    table.observe(0, 10, true, 500);
    expect(table.estimateMs(0, 400)).toBe(100);
  });
});
