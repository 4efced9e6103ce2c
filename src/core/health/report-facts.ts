/**
 * What a proxy's report tells beyond the health of its services: how the process does, what each pool did, and whether
 * the region should grow. All of it is for people and for scaling; answers depend on `healthy` and `load` alone.
 */

import type { SubjectView } from '../scaling/subject.js';
import type { Report, ServiceReport } from './report.js';

/** Totals since the start of the process: a report that is lost loses nothing, since the receiver subtracts. */
export interface ServiceCounters {
  /** Requests (TCP: sessions) that were given to the pool. */
  readonly issued: number;
  /** Answered, with a status below 500. */
  readonly ok: number;
  /** Answered by an endpoint with a status of 500 or more, or not in a valid way. */
  readonly errors: number;
  readonly connectFailures: number;
  readonly timeouts: number;
  readonly retried: number;
  /** Refused for want of room or of a healthy endpoint. */
  readonly shed: number;
}

export const COUNTER_NAMES = [
  'issued',
  'ok',
  'errors',
  'connectFailures',
  'timeouts',
  'retried',
  'shed',
] as const satisfies readonly (keyof ServiceCounters)[];

/** One pool of a proxy. */
export interface PoolFacts {
  /** Endpoints that passive health keeps out. */
  readonly ejected: number;
  /** Endpoints that an operator takes out. */
  readonly draining: number;
  /** Weight of the endpoints that take new work, and of all. */
  readonly healthyWeight: number;
  readonly weight: number;
  /** So few are healthy that all are used. */
  readonly panic: boolean;
  readonly inFlight: number;
  readonly queued: number;
  readonly counters: ServiceCounters;
  /** Durations since the start, as `encodeLatency` of `core/tally/latency.ts` writes them. */
  readonly latency?: readonly number[];
}

/** The process of a proxy. */
export interface ProxyFacts {
  readonly version: string;
  /** Part of the time that the busiest thread works, 0 to 1. */
  readonly cpu: number;
  /** How late the main thread's timers were at worst since the last report, milliseconds. */
  readonly loopLagMs: number;
  readonly memoryBytes: number;
  /** Of the fullest listener. */
  readonly connections: { readonly open: number; readonly limit: number };
  /** When the first of its certificates ends, milliseconds since 1970; absent without TLS. */
  readonly certificateExpires?: number;
  /** Hash of the configuration in use, 16 hexadecimal digits. */
  readonly configuration: string;
}

/** Whether a proxy, and what is behind it, should grow. */
export interface ScalingHint {
  /** Of the subject that is used most. */
  readonly action: 'up' | 'hold' | 'down';
  /** Wanted capacity, as a multiple of what is there. */
  readonly factor: number;
  /** The subject: a pool, or `(proxy)`. */
  readonly service: string;
  /** What comes to its end first in it. */
  readonly limiting: string;
  /** Each of them; absent in reports of older versions. */
  readonly subjects?: readonly ScalingFacts[];
}

/** What one thing that may grow asks for. */
export interface ScalingFacts {
  /** A pool, or `(proxy)`. */
  readonly subject: string;
  readonly action: 'up' | 'hold' | 'down';
  /** Endpoints that are up; of the proxy: 1. */
  readonly current: number;
  readonly desired: number;
  readonly reason: string;
  readonly limiting?: string;
  /** As a multiple of the target. */
  readonly usage?: number;
  /** In a quarter of an hour. */
  readonly forecast?: number;
  /** How wrong such forecasts were, as a part of what came. */
  readonly forecastError?: number;
}

export const SCALING_SUBJECTS_MAX = 256;

/** Reports with histograms of more services than this would be larger than the receiver takes. */
export const LATENCY_SERVICES_MAX = 256;
export const REASON_LENGTH_MAX = 200;

/** What of the advice goes into a report; undefined where no usage is known. */
export function scalingHint(views: readonly SubjectView[]): ScalingHint | undefined {
  const byUsage = views.toSorted((a, b) => (b.usage ?? -1) - (a.usage ?? -1));
  const [most] = byUsage;
  if (most?.limiting === undefined) return undefined;
  return {
    action: most.action,
    factor: Math.max(rounded(most.ratio), FACTOR_MIN),
    service: most.subject,
    limiting: most.limiting,
    subjects: byUsage.slice(0, SCALING_SUBJECTS_MAX).map(scalingFacts),
  };
}

/** What the receiver takes is above 0. */
const FACTOR_MIN = 0.001;

function scalingFacts(view: SubjectView): ScalingFacts {
  const { subject, action, current, desired, reason, limiting, usage, forecast } = view;
  return {
    subject,
    action,
    current,
    desired: rounded(desired),
    reason,
    ...(limiting !== undefined && { limiting }),
    ...(usage !== undefined && { usage: rounded(usage) }),
    ...(forecast && { forecast: rounded(forecast.desired) }),
    ...(forecast?.error !== undefined && { forecastError: rounded(forecast.error) }),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** `down` only if nothing can be served at all; `degraded` if some pool can't, or uses endpoints that are down. */
export function stateOfServices(
  services: readonly (Pick<ServiceReport, 'service' | 'healthy'> & {
    readonly pool?: Pick<PoolFacts, 'panic'>;
  })[],
): Pick<Report, 'state'> & { readonly reason?: string } {
  const dead = services.filter(({ healthy }) => healthy === 0);
  if (dead.length > 0) {
    const state = dead.length === services.length ? 'down' : 'degraded';
    return { state, reason: shortened(`no healthy endpoint: ${namesOf(dead)}`) };
  }
  const panicking = services.filter(({ pool }) => pool?.panic);
  if (panicking.length === 0) return { state: 'up' };
  return { state: 'degraded', reason: shortened(`too few healthy endpoints: ${namesOf(panicking)}`) };
}

/** Without the histograms of the least busy services, where there are too many for one report. */
export function withinReport(services: readonly ServiceReport[]): readonly ServiceReport[] {
  if (services.length <= LATENCY_SERVICES_MAX) return services;
  const busiest = services
    .toSorted((a, b) => (b.pool?.counters.issued ?? 0) - (a.pool?.counters.issued ?? 0))
    .slice(0, LATENCY_SERVICES_MAX);
  const kept = new Set(busiest);
  return services.map((service) => {
    if (!service.pool || kept.has(service)) return service;
    const { latency: _, ...pool } = service.pool;
    return { ...service, pool };
  });
}

function namesOf(services: readonly Pick<ServiceReport, 'service'>[]): string {
  return services.map(({ service }) => service).join(', ');
}

function shortened(text: string): string {
  return text.length <= REASON_LENGTH_MAX ? text : `${text.slice(0, REASON_LENGTH_MAX - 1)}…`;
}
