import { describe, expect, it } from 'vitest';
import { reportTtlMs, type ServiceReport } from '../../../../src/core/health/report.js';
import {
  LATENCY_SERVICES_MAX,
  type PoolFacts,
  REASON_LENGTH_MAX,
  SCALING_SUBJECTS_MAX,
  scalingHint,
  stateOfServices,
  withinReport,
} from '../../../../src/core/health/report-facts.js';
import type { SubjectView } from '../../../../src/core/scaling/subject.js';

function counted(service: string, issued: number, panic = false): ServiceReport {
  const counters = { issued, ok: 0, errors: 0, connectFailures: 0, timeouts: 0, retried: 0, shed: 0 };
  const pool: PoolFacts = {
    ...{ ejected: 0, draining: 0, healthyWeight: 1, weight: 2, panic, inFlight: 0, queued: 0 },
    counters,
    latency: [1, 1],
  };
  return { service, endpoints: 2, healthy: 1, pool };
}

const dead = (service: string): ServiceReport => ({ service, endpoints: 2, healthy: 0 });

describe('scalingHint()', () => {
  const view = (subject: string, usage: number, more: Partial<SubjectView> = {}): SubjectView => ({
    ...{ subject, action: 'hold', current: 4, desired: 4, ratio: 1, reason: 'tolerance' },
    ...{ limiting: 'cpu', usage, metrics: [] },
    ...more,
  });

  it('goes by the subject that is used most, and tells of all', () => {
    const forecast = { desired: 7.12345, basis: 'week', error: 0.1, naiveError: 0.2, compared: 9 } as const;
    const busy = view('b', 1.50001, { action: 'up', desired: 6, ratio: 1.5, reason: 'usage', forecast });
    expect(scalingHint([view('a', 0.5), busy, view('c', 0)])).toEqual({
      ...{ action: 'up', factor: 1.5, service: 'b', limiting: 'cpu' },
      subjects: [
        {
          ...{ subject: 'b', action: 'up', current: 4, desired: 6, reason: 'usage', limiting: 'cpu' },
          ...{ usage: 1.5, forecast: 7.123, forecastError: 0.1 },
        },
        expect.objectContaining({ subject: 'a', usage: 0.5 }),
        expect.objectContaining({ subject: 'c' }),
      ],
    });
  });

  it('says nothing where no usage is known', () => {
    const { limiting: _, usage: __, ...unknown } = view('web', 1);
    expect(scalingHint([unknown])).toBeUndefined();
    expect(scalingHint([])).toBeUndefined();
  });

  it('tells of the busiest where there are too many', () => {
    const many = Array.from({ length: SCALING_SUBJECTS_MAX + 10 }, (_, i) => view(`p${i}`, i / 100));
    const { subjects } = scalingHint(many)!;
    expect(subjects).toHaveLength(SCALING_SUBJECTS_MAX);
    expect(subjects!.some(({ subject }) => subject === 'p0')).toBe(false);
  });
});

describe('stateOfServices()', () => {
  it.each([
    ['nothing is served', [], { state: 'up' }],
    ['all is well', [counted('a', 0)], { state: 'up' }],
    [
      'one pool is dead',
      [counted('a', 0), dead('b')],
      { state: 'degraded', reason: 'no healthy endpoint: b' },
    ],
    ['all are dead', [dead('a'), dead('b')], { state: 'down', reason: 'no healthy endpoint: a, b' }],
    ['a pool panics', [counted('a', 0, true)], { state: 'degraded', reason: 'too few healthy endpoints: a' }],
  ])('when %s', (_, services, expected) => {
    expect(stateOfServices(services)).toEqual(expected);
  });

  it('names no more pools than fit', () => {
    const { reason } = stateOfServices(Array.from({ length: 100 }, (_, i) => dead(`pool-${i}`)));
    expect(reason).toHaveLength(REASON_LENGTH_MAX);
  });
});

describe('withinReport()', () => {
  it('leaves out the histograms of the least busy services, when there are too many', () => {
    const services = Array.from({ length: LATENCY_SERVICES_MAX + 2 }, (_, i) => counted(`s${i}`, i));
    const kept = withinReport(services);
    expect(kept).toHaveLength(services.length);
    expect(kept.filter(({ pool }) => pool?.latency === undefined).map(({ service }) => service)).toEqual([
      's0',
      's1',
    ]);
  });
});

describe('reportTtlMs()', () => {
  it.each([
    [{ intervalMs: 2000 }, 6000],
    [{ intervalMs: 2000, ttlMs: 4000 }, 4000],
    [{ intervalMs: 2000, ttlMs: 100 }, 1000],
    [{ intervalMs: 2000, ttlMs: 600_000 }, 60_000],
  ])('of %j is %d', (report, expected) => {
    expect(reportTtlMs(report)).toBe(expected);
  });
});
