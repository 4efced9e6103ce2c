import { describe, expect, it } from 'vitest';
import { FigureWindow } from '../../../../src/core/rollout/figures.js';
import { judge } from '../../../../src/core/rollout/judge.js';
import { ANALYSIS_DEFAULT } from '../../../../src/core/rollout/plan.js';
import { LATENCY_BUCKETS, latencyBucket } from '../../../../src/core/tally/latency.js';

const SECOND = 1000;

function answers(times: readonly (readonly [count: number, ms: number])[]): FigureWindow {
  const window = new FigureWindow(60 * SECOND);
  for (const [requests, ms] of times) {
    const latency = new Float64Array(LATENCY_BUCKETS);
    latency[latencyBucket(ms)] = requests;
    window.add(SECOND, { requests, errors: 0, latency });
  }
  return window;
}

describe('the 99th percentile of a new pool', () => {
  const analysis = { ...ANALYSIS_DEFAULT, min_requests: 20 };
  const old = answers([[1_000, 10]]).sum(SECOND);

  it.each([
    ['one slow answer of 20', 19, 1, 'good'],
    ['two of 20', 18, 2, 'good'],
    ['three of 20', 17, 3, 'bad'],
    ['all of 20', 0, 20, 'bad'],
    ['four of 100, which chance may bring', 96, 4, 'good'],
    ['five of 100', 95, 5, 'bad'],
    ['ten of 400', 390, 10, 'good'],
    ['eleven of 400', 389, 11, 'bad'],
    ['1.3 % of 10,000', 9_870, 130, 'good'],
    ['1.4 % of 10,000', 9_860, 140, 'bad'],
  ] as const)('with %s', (_, fast, slow, verdict) => {
    const seen = answers([
      [fast, 10],
      [slow, 900],
    ]).sum(SECOND, { cautious: true });
    expect(judge(analysis, undefined, { healthy: 1, old, new: seen }).verdict).toBe(verdict);
  });

  it.each([0, 1, 2])('is none where there are %i answers', (count) => {
    expect(answers([[count, 900]]).sum(SECOND, { cautious: true }).p99_ms).toBeUndefined();
  });

  it.each([
    ['as before, where it had next to nothing since', [1_000, 10], [90, 30], [1_090, 40]],
    ['the worse of both, where it had little', [1_000, 10], [500, 30], [500, 30]],
    ['the worse of both, also where that is before', [1_000, 100], [500, 0], [1_500, 100]],
    ['since the step, where it had enough', [1_000, 100], [1_000, 0], [1_000, 0]],
  ] as const)('the old pool is taken %s', (_, [before, failedBefore], [requests, errors], [all, failed]) => {
    const window = new FigureWindow(60 * SECOND);
    window.add(0, { requests: before, errors: failedBefore });
    window.add(20 * SECOND, { requests, errors });
    expect(window.lately(30 * SECOND, 15 * SECOND)).toEqual({ requests: all, errors: failed });
  });

  it('spares none of the old pool: what is allowed follows from all that it does', () => {
    const seen = answers([
      [19, 10],
      [1, 900],
    ]).sum(SECOND);
    expect(seen.p99_ms).toBeGreaterThan(800);
  });
});
