/**
 * The report: the one message in which a proxy or another DNS node tells what it sees. It is sent to every DNS node
 * every `intervalMs` and at once on a change; `POST /v1/reports` takes it. A proxy tells of its services, a DNS
 * node of the targets that it probes.
 */

import type { PoolFacts, ProxyFacts, ScalingHint } from './report-facts.js';

/** Everything that was added later is optional: a receiver takes older reports. */
export const REPORT_SCHEMA = 1;

/** How busy a service is. */
export interface ServiceLoad {
  /** Connections to endpoints that the service has room for. Above 0. Weighs one proxy's load against another's. */
  readonly capacity: number;
  /** Part of the capacity in use: 0 is idle, 1 is full; above 1 work waits. */
  readonly utilisation: number;
  /** What comes to its end first: `upstream_connections`, `client_connections`, `cpu`. */
  readonly limiting: string;
}

/** What one reporter sees of one of its services (pools). */
export interface ServiceReport {
  readonly service: string;
  readonly endpoints: number;
  readonly healthy: number;
  readonly load?: ServiceLoad;
  readonly pool?: PoolFacts;
}

/** What a DNS node's own probes say, by the identity of the probe (11 letters). Fresh views only. */
export interface ProbeViews {
  readonly up: readonly string[];
  readonly down: readonly string[];
}

export interface Report {
  readonly schema: typeof REPORT_SCHEMA;
  readonly node: string;
  readonly region: string;
  /** Milliseconds since 1970 at which the reporter started: orders restarts. */
  readonly epoch: number;
  /** Counts up from 1 within an epoch. */
  readonly sequence: number;
  /** Milliseconds since 1970 by the reporter's clock. */
  readonly sent: number;
  readonly intervalMs: number;
  /** How long the report is to be believed; absent in reports of older versions: REPORT_TTL_INTERVALS. */
  readonly ttlMs?: number;
  readonly state: 'up' | 'degraded' | 'draining' | 'down';
  /** Why the state is not `up`, for people. */
  readonly reason?: string;
  readonly services: readonly ServiceReport[];
  /** Of a proxy. */
  readonly proxy?: ProxyFacts;
  readonly scaling?: ScalingHint;
  /** Of a DNS node. */
  readonly probes?: ProbeViews;
}

/** A report is believed for this many intervals; after that its view is unknown, not down. */
export const REPORT_TTL_INTERVALS = 3;
/** A reporter names its own interval, so its views are believed for 1 s at least and 60 s at most. */
export const REPORT_TTL_MIN_MS = 1_000;
export const REPORT_TTL_MAX_MS = 60_000;
/** A reporter's clock may be this far ahead of ours; what is later comes from the future. */
export const REPORT_SKEW_MS = 300_000;

/** Why a report can't be taken: see `reportRefusal`. */
export type ReportRefusal = 'old_sequence' | 'old_epoch' | 'from_future';

export function reportTtlMs({ intervalMs, ttlMs }: Pick<Report, 'intervalMs' | 'ttlMs'>): number {
  const wantedMs = ttlMs ?? intervalMs * REPORT_TTL_INTERVALS;
  return Math.min(Math.max(wantedMs, REPORT_TTL_MIN_MS), REPORT_TTL_MAX_MS);
}

/**
 * Why a report can't be taken after the `last` one of the same reporter; undefined if it can.
 *
 * from_future   its clock, or its start, is more than REPORT_SKEW_MS ahead of ours.
 * old_sequence  it was overtaken, or it is there for the second time.
 * old_epoch     it is from before a restart. Refused only while the newer one is fresh: a reporter whose clock was
 *               set back before it restarted must not be shut out for good.
 *
 * @param nowMs on the time axis of `expiresMs`.
 * @param clockMs by our clock, milliseconds since 1970.
 */
export function reportRefusal(
  report: Pick<Report, 'epoch' | 'sequence' | 'sent'>,
  last: { readonly epoch: number; readonly sequence: number; readonly expiresMs: number } | undefined,
  nowMs: number,
  clockMs: number = nowMs,
): ReportRefusal | undefined {
  if (Math.max(report.sent, report.epoch) > clockMs + REPORT_SKEW_MS) return 'from_future';
  if (!last) return undefined;
  if (report.epoch < last.epoch) return nowMs < last.expiresMs ? 'old_epoch' : undefined;
  return report.epoch === last.epoch && report.sequence <= last.sequence ? 'old_sequence' : undefined;
}
