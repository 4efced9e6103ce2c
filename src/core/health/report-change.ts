import { decodeLatency, latencyQuantile, latencySince } from '../tally/latency.js';
import type { ServiceReport } from './report.js';
import { COUNTER_NAMES, type ServiceCounters } from './report-facts.js';

/** What a service did between two reports of its proxy. */
export interface ServiceChange {
  readonly seconds: number;
  readonly counts: ServiceCounters;
  /** Milliseconds; absent where nothing was measured. */
  readonly latency?: { readonly p50: number; readonly p90: number; readonly p99: number };
}

/**
 * What happened to a service between two reports of the same start of a proxy; undefined where that can't be told: one of
 * them has no counters, they went backwards, or no time went by.
 *
 * @param elapsedMs from `before` to `now`, by the proxy's clock.
 */
export function serviceChange(
  now: ServiceReport,
  before: ServiceReport | undefined,
  elapsedMs: number,
): ServiceChange | undefined {
  if (!now.pool || !before?.pool || elapsedMs <= 0) return undefined;
  const counts = countersSince(now.pool.counters, before.pool.counters);
  if (!counts) return undefined;
  const latency = latencyBetween(now.pool.latency, before.pool.latency);
  return { seconds: elapsedMs / 1000, counts, ...(latency && { latency }) };
}

function countersSince(now: ServiceCounters, before: ServiceCounters): ServiceCounters | undefined {
  if (COUNTER_NAMES.some((name) => now[name] < before[name])) return undefined;
  return {
    issued: now.issued - before.issued,
    ok: now.ok - before.ok,
    errors: now.errors - before.errors,
    connectFailures: now.connectFailures - before.connectFailures,
    timeouts: now.timeouts - before.timeouts,
    retried: now.retried - before.retried,
    shed: now.shed - before.shed,
  };
}

function latencyBetween(
  now: readonly number[] | undefined,
  before: readonly number[] | undefined,
): ServiceChange['latency'] {
  const [a, b] = [now && decodeLatency(now), before && decodeLatency(before)];
  const counts = a && b && latencySince(a, b);
  const quantile = (part: number) => counts && latencyQuantile(counts, part);
  const [p50, p90, p99] = [quantile(0.5), quantile(0.9), quantile(0.99)];
  return p50 === undefined || p90 === undefined || p99 === undefined ? undefined : { p50, p90, p99 };
}
