/** What a pool in `proxy.yaml` says about balancing, checked and resolved into its part of the model. */
import {
  DEFAULT_BOUND,
  DEFAULT_OUTLIER,
  type EndpointModel,
  type HashModel,
  type OutlierModel,
  type PoolModel,
  type QueueModel,
} from '../core/balance/model.js';
import { parseDuration } from './duration.js';
import type { ProxyFile } from './proxy-schema.js';

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;
type PoolFile = NonNullable<ProxyFile['pools']>[string];
type EndpointFile = PoolFile['endpoints'][number];
type Balancing = Pick<
  PoolModel,
  | 'balance'
  | 'hash'
  | 'overprovisioning'
  | 'panic'
  | 'slowStart'
  | 'outlier'
  | 'limits'
  | 'poolLimits'
  | 'queue'
>;

const PANIC_THRESHOLD = 0.5;
const QUEUE = { size: 1_024, timeoutMs: 5_000, standingMs: 500 } as const satisfies QueueModel;

/** A range of durations, as it is written in messages. */
interface Range {
  readonly minMs: number;
  readonly maxMs: number;
  readonly text: string;
}

const WAIT: Range = { minMs: 10, maxMs: 60_000, text: '10ms to 1m' };
const SPAN: Range = { minMs: 1_000, maxMs: 24 * 3_600_000, text: '1s to 24h' };

export function balancingOf(pool: PoolFile, path: Path, report: Report): Balancing {
  checkEndpoints(pool.endpoints, path, report);
  const hash = hashOf(pool, path, report);
  const { panic, slow_start: slowStart, outlier, limits, queue, overprovisioning } = pool;
  return {
    balance: pool.balance ?? 'round_robin',
    ...(hash === null ? {} : { hash }),
    ...(overprovisioning === undefined ? {} : { overprovisioning }),
    ...(panic === undefined
      ? {}
      : { panic: { threshold: panic.threshold ?? PANIC_THRESHOLD, mode: panic.mode ?? 'open' } }),
    ...(slowStart === undefined
      ? {}
      : {
          slowStart: {
            durationMs: within(slowStart.duration, SPAN, [...path, 'slow_start', 'duration'], report),
            aggression: slowStart.aggression ?? 1,
          },
        }),
    ...(outlier === undefined ? {} : { outlier: outlierOf(outlier, [...path, 'outlier'], report) }),
    ...limitsOf(limits),
    ...(queue === undefined ? {} : { queue: queueOf(queue, [...path, 'queue'], report) }),
  };
}

export function endpointBalancingOf({ priority, backup }: EndpointFile): Partial<EndpointModel> {
  return {
    ...(priority === undefined ? {} : { priority }),
    ...(backup === undefined ? {} : { backup }),
  };
}

/** Listeners that see no HTTP know nothing to hash by but the client's address. */
export function checkHashKeys(file: ProxyFile, report: Report): void {
  for (const { protocol, pool: name } of file.listeners ?? []) {
    const key = name === undefined ? undefined : file.pools?.[name]?.hash?.key;
    if (protocol === 'http' || key === undefined || key === 'address') continue;
    report(
      ['pools', name!, 'hash', 'key'],
      `must be address, not ${key}: a listener with protocol ${protocol} uses this pool`,
    );
  }
}

function checkEndpoints(endpoints: readonly EndpointFile[], path: Path, report: Report): void {
  if (endpoints.every(({ backup }) => backup === true)) {
    report([...path, 'endpoints'], 'must have an endpoint that is no backup');
  }
  endpoints.forEach(({ backup, priority }, i) => {
    if (backup !== true || priority === undefined) return;
    report(
      [...path, 'endpoints', i, 'priority'],
      'has no meaning for a backup, which comes after all priorities',
    );
  });
}

/** What is for each endpoint, and what for all of them together. */
function limitsOf(limits: PoolFile['limits']): Pick<PoolModel, 'limits' | 'poolLimits'> {
  if (limits === undefined) return {};
  const { pool, ...own } = limits;
  return {
    ...(pool === undefined || Object.keys(own).length > 0 ? { limits: own } : {}),
    ...(pool === undefined ? {} : { poolLimits: pool }),
  };
}

function hashOf({ balance, hash }: PoolFile, path: Path, report: Report): HashModel | null {
  if (hash === undefined) return null;
  const at = [...path, 'hash'];
  if (balance !== 'maglev') report(at, 'is only for balance: maglev');
  const { key, name, bound = DEFAULT_BOUND } = hash;
  if (key === 'address' || key === 'path') {
    if (name !== undefined) report([...at, 'name'], `has no meaning for the key ${key}`);
    return { source: { key }, bound };
  }
  if (name === undefined) report(at, `the key ${key} needs the name of the ${key}: add name`);
  // Names of headers have no letter case; names of cookies have.
  const known = name ?? '';
  return { source: { key, name: key === 'header' ? known.toLowerCase() : known }, bound };
}

function outlierOf(outlier: NonNullable<PoolFile['outlier']>, path: Path, report: Report): OutlierModel {
  const read = (key: 'interval' | 'ejection' | 'ejection_max', fallbackMs: number): number => {
    const written = outlier[key];
    return written === undefined ? fallbackMs : within(written, SPAN, [...path, key], report);
  };
  const ejectionMs = read('ejection', DEFAULT_OUTLIER.ejectionMs);
  const ejectionMsMax = read('ejection_max', Math.max(DEFAULT_OUTLIER.ejectionMsMax, ejectionMs));
  if (ejectionMsMax < ejectionMs) report([...path, 'ejection_max'], 'must not be shorter than ejection');
  const rate = outlier.success_rate;
  return {
    consecutive: outlier.consecutive ?? DEFAULT_OUTLIER.consecutive,
    intervalMs: read('interval', DEFAULT_OUTLIER.intervalMs),
    ejectionMs,
    ejectionMsMax,
    ejectedMax: outlier.max_ejected ?? DEFAULT_OUTLIER.ejectedMax,
    successRate: rate === false ? null : { ...DEFAULT_OUTLIER.successRate, ...rate },
  };
}

function queueOf(queue: NonNullable<PoolFile['queue']>, path: Path, report: Report): QueueModel {
  const { size = QUEUE.size, timeout, standing } = queue;
  const timeoutMs =
    timeout === undefined ? QUEUE.timeoutMs : within(timeout, WAIT, [...path, 'timeout'], report);
  if (standing === 'off') return { size, timeoutMs };
  const standingMs =
    standing === undefined ? QUEUE.standingMs : within(standing, WAIT, [...path, 'standing'], report);
  return { size, timeoutMs, standingMs };
}

function within(value: number | string, range: Range, path: Path, report: Report): number {
  const ms = parseDuration(value) ?? 0;
  if (ms < range.minMs || ms > range.maxMs) report(path, `must be from ${range.text}, not ${value}`);
  return ms;
}
