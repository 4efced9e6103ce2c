/** What keeps listeners and pools from being overrun, checked and resolved into its parts of the model. */
import type { ListenerModel, PoolModel } from '../core/balance/model.js';
import {
  type AdmissionModel,
  DEFAULT_SHARES,
  PRIORITIES,
  type PriorityShares,
} from '../core/limit/admission.js';
import { DEFAULT_CONCURRENCY } from '../core/limit/concurrency-limit.js';
import type { TokenRate } from '../core/limit/token-bucket.js';
import { parseDuration } from './duration.js';
import type { AdmissionFile, ConcurrencyFile, HandshakesFile } from './herd-schema.js';
import type { ProxyFile } from './proxy-schema.js';
import { matchOf } from './route-match-config.js';

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;
type ListenerFile = NonNullable<ProxyFile['listeners']>[number];

const RETRY_AFTER = '1s';
const RETRY_AFTER_MS_MIN = 1_000;
const RETRY_AFTER_MS_MAX = 3_600_000;

/** The keys `admission` and `handshakes` of a listener. */
export function herdListenerOf(
  { protocol, tls, admission, handshakes }: ListenerFile,
  path: Path,
  report: Report,
): { readonly admission?: AdmissionModel } & Pick<ListenerModel, 'handshakes'> {
  if (admission !== undefined && protocol !== 'http') {
    report([...path, 'admission'], 'admission is only for protocol http');
  }
  if (handshakes !== undefined && tls === undefined) {
    report([...path, 'handshakes'], 'handshakes is only for a listener with tls');
  }
  return {
    ...(admission === undefined || protocol !== 'http'
      ? {}
      : { admission: admissionOf(admission, [...path, 'admission'], report) }),
    ...(handshakes === undefined ? {} : { handshakes: rateOf(handshakes) }),
  };
}

export function concurrencyOf(
  file: ConcurrencyFile | undefined,
  path: Path,
  report: Report,
): Pick<PoolModel, 'concurrency'> {
  if (file === undefined) return {};
  const { max = DEFAULT_CONCURRENCY.max, tolerance = DEFAULT_CONCURRENCY.tolerance } = file;
  const min = file.min ?? Math.min(DEFAULT_CONCURRENCY.min, max);
  if (min > max) {
    const written = file.max === undefined ? `, which is ${max} where it is not written` : '';
    report([...path, 'min'], `must not be above max${written}`);
  }
  return { concurrency: { min, max, tolerance } };
}

/** Connections that stay tell nothing by their time. */
export function checkHerdPools(file: ProxyFile, report: Report): void {
  const seen = new Set<string>();
  for (const { protocol, pool, sni } of file.listeners ?? []) {
    if (protocol === 'http') continue;
    for (const name of [pool, ...Object.values(sni ?? {})]) {
      if (name === undefined || seen.has(name) || file.pools?.[name]?.concurrency === undefined) continue;
      seen.add(name);
      report(
        ['pools', name, 'concurrency'],
        `is only for pools of HTTP: a listener with protocol ${protocol} uses this pool`,
      );
    }
  }
}

function admissionOf(file: AdmissionFile, path: Path, report: Report): AdmissionModel {
  const ms = parseDuration(file.retry_after ?? RETRY_AFTER) ?? 0;
  if (ms < RETRY_AFTER_MS_MIN || ms > RETRY_AFTER_MS_MAX) {
    report([...path, 'retry_after'], `must be from 1s to 1h, not ${file.retry_after}`);
  }
  return {
    inFlightMax: file.max_in_flight,
    shares: sharesOf(file.shares ?? {}, [...path, 'shares'], report),
    classes: (file.classes ?? []).map(({ match, priority }, i) => ({
      match: matchOf(match, [...path, 'classes', i, 'match'], report),
      priority,
    })),
    fallback: file.default ?? 'normal',
    retryAfterSeconds: Math.ceil(ms / 1_000),
  };
}

/** One that is not written is the default, or less, where the one before it has less. */
function sharesOf(file: NonNullable<AdmissionFile['shares']>, path: Path, report: Report): PriorityShares {
  const shares = { ...DEFAULT_SHARES };
  let before = shares.critical;
  for (const priority of PRIORITIES) {
    const written = priority === 'critical' ? undefined : file[priority];
    if (written !== undefined && written > before) {
      report([...path, priority], `must not be above ${before}, the share of the priority before it`);
    }
    shares[priority] = written ?? Math.min(shares[priority], before);
    before = shares[priority];
  }
  return shares;
}

function rateOf({ per_second: perSecond, burst }: HandshakesFile): TokenRate {
  return { perSecond, burst: burst ?? perSecond };
}
