/** Circuit breakers, retries and their budget in `proxy.yaml`, checked and resolved into their parts of the model. */
import type { PoolModel } from '../core/balance/model.js';
import { type BreakerModel, DEFAULT_BREAKER } from '../core/limit/breaker.js';
import { DEFAULT_RETRIES, type RetryModel } from '../core/limit/retry.js';
import { DEFAULT_RETRY_BUDGET, type RetryBudgetModel } from '../core/limit/retry-budget.js';
import type { StatusRange } from '../core/zone/model.js';
import { parseDuration } from './duration.js';
import type { ProxyFile } from './proxy-schema.js';
import type { BreakerFile, RetriesFile, RetryBudgetFile } from './resilience-schema.js';

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;

interface PoolFile {
  readonly breaker?: BreakerFile;
  readonly retries?: RetriesFile;
  readonly retry_budget?: RetryBudgetFile;
}

/** A range of durations, as it is written in messages. */
interface Range {
  readonly minMs: number;
  readonly maxMs: number;
  readonly text: string;
}

const WINDOW: Range = { minMs: 1_000, maxMs: 3_600_000, text: '1s to 1h' };
const OPEN: Range = { minMs: 100, maxMs: 24 * 3_600_000, text: '100ms to 24h' };
const RAMP: Range = { minMs: 0, maxMs: 24 * 3_600_000, text: '0 to 24h' };
const CALL: Range = { minMs: 1, maxMs: 3_600_000, text: '1ms to 1h' };
const TRY: Range = { minMs: 10, maxMs: 24 * 3_600_000, text: '10ms to 24h' };
const PAUSE: Range = { minMs: 1, maxMs: 60_000, text: '1ms to 1m' };
const WAIT: Range = { minMs: 0, maxMs: 60_000, text: '0 to 1m' };
const SLOW_RATE = 0.5;
const GATEWAY: StatusRange = { from: 502, to: 504 };
const ALL_5XX: StatusRange = { from: 500, to: 599 };

export function resilienceOf(
  { breaker, retries, retry_budget: budget }: PoolFile,
  path: Path,
  report: Report,
): Pick<PoolModel, 'breaker' | 'retries' | 'retryBudget'> {
  return {
    ...(breaker === undefined ? {} : { breaker: breakerOf(breaker, [...path, 'breaker'], report) }),
    ...(retries === undefined ? {} : { retries: retriesOf(retries, [...path, 'retries'], report) }),
    ...(budget === undefined ? {} : { retryBudget: budgetOf(budget, [...path, 'retry_budget'], report) }),
  };
}

/** Listeners that see no HTTP have nothing to try again. */
export function checkRetries(file: ProxyFile, report: Report): void {
  for (const { protocol, pool: name } of file.listeners ?? []) {
    if (protocol === 'http' || name === undefined || file.pools?.[name]?.retries === undefined) continue;
    report(
      ['pools', name, 'retries'],
      `is only for http: a listener with protocol ${protocol} uses this pool`,
    );
  }
}

/** Of a pool or a route. */
export function retriesOf(file: RetriesFile, path: Path, report: Report): RetryModel {
  const { on, methods, backoff = {}, try_timeout: tryTimeout, hedge, retry_after: retryAfter } = file;
  const baseMs = within(backoff.base, DEFAULT_RETRIES.baseMs, PAUSE, [...path, 'backoff', 'base'], report);
  const maxMs = within(
    backoff.max,
    // A longer base alone is no mistake.
    Math.max(DEFAULT_RETRIES.maxMs, baseMs),
    PAUSE,
    [...path, 'backoff', 'max'],
    report,
  );
  if (maxMs < baseMs) report([...path, 'backoff', 'max'], 'must not be shorter than base');
  return {
    max: file.max ?? DEFAULT_RETRIES.max,
    failures:
      on === undefined
        ? DEFAULT_RETRIES.failures
        : on.filter((cause): cause is 'reset' | 'timeout' => cause === 'reset' || cause === 'timeout'),
    statuses: on === undefined ? DEFAULT_RETRIES.statuses : on.flatMap(statusesOf),
    methods: methods ?? DEFAULT_RETRIES.methods,
    bodyBytes: file.body ?? DEFAULT_RETRIES.bodyBytes,
    tryMs: tryTimeout === undefined ? null : within(tryTimeout, 0, TRY, [...path, 'try_timeout'], report),
    hedgeMs: hedge === undefined ? null : within(hedge, 0, TRY, [...path, 'hedge'], report),
    baseMs,
    maxMs,
    retryAfterMs: within(retryAfter, DEFAULT_RETRIES.retryAfterMs, WAIT, [...path, 'retry_after'], report),
  };
}

function statusesOf(cause: NonNullable<RetriesFile['on']>[number]): readonly StatusRange[] {
  if (cause === 'reset' || cause === 'timeout') return [];
  if (cause === 'gateway') return [GATEWAY];
  if (cause === '5xx') return [ALL_5XX];
  return [{ from: cause, to: cause }];
}

function breakerOf(file: BreakerFile, path: Path, report: Report): BreakerModel {
  const read = (key: 'window' | 'open' | 'open_max' | 'ramp', fallbackMs: number, range: Range): number =>
    within(file[key], fallbackMs, range, [...path, key], report);
  const openMs = read('open', DEFAULT_BREAKER.openMs, OPEN);
  const openMsMax = read('open_max', Math.max(DEFAULT_BREAKER.openMsMax, openMs), OPEN);
  if (openMsMax < openMs) report([...path, 'open_max'], 'must not be shorter than open');
  const { slow_call: slowCall, slow_rate: rate } = file;
  if (rate !== undefined && slowCall === undefined) {
    report([...path, 'slow_rate'], 'needs the key slow_call: from when on an answer is slow');
  }
  const consecutive = file.consecutive ?? DEFAULT_BREAKER.consecutive;
  const failureRate = file.failure_rate ?? DEFAULT_BREAKER.failureRate;
  if (consecutive === 0 && failureRate === false && slowCall === undefined) {
    report(path, 'never opens: set consecutive, failure_rate or slow_call');
  }
  return {
    consecutive,
    windowMs: read('window', DEFAULT_BREAKER.windowMs, WINDOW),
    volume: file.volume ?? DEFAULT_BREAKER.volume,
    failureRate: failureRate === false ? null : failureRate,
    slow:
      slowCall === undefined
        ? null
        : { ms: within(slowCall, 0, CALL, [...path, 'slow_call'], report), rate: rate ?? SLOW_RATE },
    openMs,
    openMsMax,
    jitter: file.jitter ?? DEFAULT_BREAKER.jitter,
    trials: file.trials ?? DEFAULT_BREAKER.trials,
    rampMs: read('ramp', DEFAULT_BREAKER.rampMs, RAMP),
  };
}

function budgetOf(file: RetryBudgetFile, path: Path, report: Report): RetryBudgetModel {
  const { ratio, floor, windowMs } = DEFAULT_RETRY_BUDGET;
  return {
    ratio: file.ratio ?? ratio,
    floor: file.floor ?? floor,
    windowMs: within(file.window, windowMs, WINDOW, [...path, 'window'], report),
  };
}

function within(
  value: number | string | undefined,
  fallbackMs: number,
  range: Range,
  path: Path,
  report: Report,
): number {
  if (value === undefined) return fallbackMs;
  const ms = parseDuration(value) ?? 0;
  if (ms < range.minMs || ms > range.maxMs) report(path, `must be from ${range.text}, not ${value}`);
  return ms;
}
