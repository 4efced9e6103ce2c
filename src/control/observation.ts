/** One observer's view of a target, from its own probes, a peer's report or a proxy's, and how long it holds. */

import type { View } from '../core/health/quorum.js';
import { REPORT_TTL_INTERVALS, REPORT_TTL_MIN_MS, type Report } from '../core/health/report.js';
import type { HeldReport } from './report-book.js';

export interface Observation {
  readonly view: View;
  /** Where the observer stands; empty where it says nothing of that. */
  readonly region: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly expiresMs: number;
  readonly detail: string;
  /** The proxy that owns the address tells of itself. */
  readonly owner?: true;
  /** Of this node's own probes: how long it takes them to change their view at least. */
  readonly flipMs?: number;
}

export const OWN_PROBE = 'probe';

export function proxyObserver(proxy: string, service: string | undefined): string {
  return `proxy:${proxy}/${service ?? '*'}`;
}

export function peerObserver(node: string): string {
  return `dns:${node}`;
}

export function viewAt(observation: Observation, nowMs: number): View {
  return nowMs < observation.expiresMs ? observation.view : 'unknown';
}

/** The state that this node's own probes came to; it holds for three intervals. */
export function ownObservation(
  up: boolean,
  detail: string,
  about: {
    readonly region: string;
    readonly intervalMs: number;
    readonly flipMs: number;
    readonly nowMs: number;
  },
): Observation {
  const { region, intervalMs, flipMs, nowMs } = about;
  const freshMs = Math.max(intervalMs * REPORT_TTL_INTERVALS, REPORT_TTL_MIN_MS);
  return { view: up ? 'up' : 'down', region, atMs: nowMs, expiresMs: nowMs + freshMs, detail, flipMs };
}

/** What the probes of a peer see, by their identities. */
export interface PeerViews {
  readonly last: HeldReport;
  readonly up: ReadonlySet<string>;
  readonly down: ReadonlySet<string>;
}

export function peerViews(last: HeldReport): PeerViews {
  const { up = [], down = [] } = last.report.probes ?? {};
  return { last, up: new Set(up), down: new Set(down) };
}

/** A peer that shuts down probes no more: its view leaves the count at once. */
export function peerObservation({ last, up, down }: PeerViews, probeId: string): Observation {
  const { region, state } = last.report;
  const { atMs, expiresMs } = last;
  if (state === 'draining') {
    return { view: 'unknown', region, atMs, expiresMs, detail: 'the node is shutting down' };
  }
  const view = up.has(probeId) ? 'up' : down.has(probeId) ? 'down' : 'unknown';
  return { view, region, atMs, expiresMs, detail: view === 'unknown' ? 'has no fresh view' : `says ${view}` };
}

/** What a proxy says of one of its services, or of all of them. */
export function proxyObservation({ report, atMs, expiresMs }: HeldReport, service?: string): Observation {
  return { ...reportedView(report, service), region: report.region, atMs, expiresMs, owner: true };
}

/**
 * What a report says of a service. A proxy that drains counts as down: it takes no new work. A service that the
 * report does not name is unknown.
 */
function reportedView(report: Report, service: string | undefined): { view: View; detail: string } {
  if (report.state === 'down' || report.state === 'draining') {
    return { view: 'down', detail: `proxy is ${report.state}` };
  }
  const services =
    service === undefined ? report.services : report.services.filter((s) => s.service === service);
  if (services.length === 0) {
    return { view: 'unknown', detail: service === undefined ? 'no services' : `no service "${service}"` };
  }
  const healthy = services.reduce((sum, s) => sum + s.healthy, 0);
  const endpoints = services.reduce((sum, s) => sum + s.endpoints, 0);
  return { view: healthy > 0 ? 'up' : 'down', detail: `${healthy} of ${endpoints} endpoints healthy` };
}
