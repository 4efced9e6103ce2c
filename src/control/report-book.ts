/**
 * The reports of a DNS node's proxies and peers: who may report, the last report of each, and how old it is. It has no
 * clock of its own: every method takes the time, milliseconds from any start that never go back.
 */

import {
  type Report,
  type ReportRefusal,
  reportRefusal,
  reportTtlMs,
  type ServiceLoad,
} from '../core/health/report.js';
import { afterArrival, type Transit } from '../core/health/transit.js';
import { ReportWindow } from './report-window.js';

export type IgnoredReport = ReportRefusal | 'unknown_node';

export type ReportOutcome =
  | { readonly outcome: 'accepted' }
  | { readonly outcome: 'ignored'; readonly code: IgnoredReport };

/** Why the API did not take a report: it is too long, its sender is not who it says, or it is no report. */
export type RejectedReport = 'too_large' | 'wrong_identity' | 'malformed';

export type ReportCounters = Readonly<Record<'accepted' | IgnoredReport | RejectedReport, number>>;

/** A proxy that some endpoint names, or another DNS node, and its last report. */
export interface ReporterDescription {
  readonly node: string;
  readonly region?: string;
  readonly state?: Report['state'];
  readonly fresh: boolean;
  readonly ageMs?: number;
  readonly epoch?: number;
  readonly sequence?: number;
}

/** A proxy that some endpoint names, and what it reported. */
export interface ProxyReport extends ReporterDescription {
  readonly report?: Report;
  /** An earlier report of the same start, to subtract from `report`. */
  readonly base?: Report;
}

/** A report that counts. `atMs`: when it was sent, by our clock, as far as that can be known. */
export interface HeldReport {
  readonly report: Report;
  readonly atMs: number;
  readonly expiresMs: number;
}

interface Reporter {
  last?: HeldReport;
  transit?: Transit;
  readonly window: ReportWindow;
}

export class ReportBook {
  readonly #peers: ReadonlySet<string>;
  readonly #reporters = new Map<string, Reporter>();
  #proxies: ReadonlySet<string> = new Set();
  readonly #counters: Record<keyof ReportCounters, number> = {
    accepted: 0,
    old_sequence: 0,
    old_epoch: 0,
    from_future: 0,
    unknown_node: 0,
    too_large: 0,
    wrong_identity: 0,
    malformed: 0,
  };

  /** `peers`: the DNS nodes whose views count. */
  constructor(peers: readonly string[]) {
    this.#peers = new Set(peers);
    for (const peer of peers) this.#reporters.set(peer, { window: new ReportWindow() });
  }

  /** Says which proxies may report; what those that are gone said is forgotten. */
  setProxies(proxies: ReadonlySet<string>): void {
    this.#proxies = proxies;
    for (const proxy of proxies) {
      if (!this.#reporters.has(proxy)) this.#reporters.set(proxy, { window: new ReportWindow() });
    }
    for (const node of this.#reporters.keys()) {
      if (!proxies.has(node) && !this.#peers.has(node)) this.#reporters.delete(node);
    }
  }

  /** Takes a report whose form was checked; its order and age are checked here. `clockMs`: milliseconds since 1970. */
  take(report: Report, nowMs: number, clockMs: number): ReportOutcome {
    const reporter = this.#reporters.get(report.node);
    const code = reporter ? reportRefusal(report, lastSeen(reporter.last), nowMs, clockMs) : 'unknown_node';
    if (!reporter || code) {
      const ignored = code ?? 'unknown_node';
      this.#counters[ignored]++;
      return { outcome: 'ignored', code: ignored };
    }
    this.#counters.accepted++;
    const known = reporter.last?.report.epoch === report.epoch ? reporter.transit : undefined;
    const { transit, ageMs } = afterArrival(known, report.sent, nowMs);
    const atMs = nowMs - ageMs;
    reporter.transit = transit;
    reporter.window.take(report, reporter.last?.report);
    reporter.last = { report, atMs, expiresMs: atMs + reportTtlMs(report) };
    return { outcome: 'accepted' };
  }

  /** Counts a report that did not come so far. */
  reject(code: RejectedReport): void {
    this.#counters[code]++;
  }

  lastOf(node: string): HeldReport | undefined {
    return this.#reporters.get(node)?.last;
  }

  /** How busy a service is, by a fresh report; all services of the proxy together where none is named. */
  loadOf(node: string, service: string | undefined, nowMs: number): ServiceLoad | undefined {
    const last = this.lastOf(node);
    if (!last || nowMs >= last.expiresMs) return undefined;
    const loads = last.report.services.flatMap((entry) =>
      entry.load && (service === undefined || entry.service === service) ? [entry.load] : [],
    );
    const [first] = loads;
    if (!first || loads.length === 1) return first;
    const capacity = loads.reduce((sum, load) => sum + load.capacity, 0);
    const used = loads.reduce((sum, load) => sum + load.utilisation * load.capacity, 0);
    return { capacity, utilisation: used / capacity, limiting: first.limiting };
  }

  describeProxies(nowMs: number): readonly ReporterDescription[] {
    return [...this.#proxies].map((node) => this.#describe(node, nowMs));
  }

  proxyReports(nowMs: number): readonly ProxyReport[] {
    return this.describeProxies(nowMs).map((description) => {
      const reporter = this.#reporters.get(description.node);
      const base = reporter?.window.base;
      const report = reporter?.last?.report;
      return { ...description, ...(report && { report }), ...(base && { base }) };
    });
  }

  describePeers(nowMs: number): readonly ReporterDescription[] {
    return [...this.#peers].map((node) => this.#describe(node, nowMs));
  }

  get peers(): ReadonlySet<string> {
    return this.#peers;
  }

  get counters(): ReportCounters {
    return this.#counters;
  }

  #describe(node: string, nowMs: number): ReporterDescription {
    const last = this.lastOf(node);
    if (!last) return { node, fresh: false };
    const { region, state, epoch, sequence } = last.report;
    const ageMs = Math.max(nowMs - last.atMs, 0);
    return { node, region, state, fresh: nowMs < last.expiresMs, ageMs, epoch, sequence };
  }
}

function lastSeen(last: HeldReport | undefined) {
  return last && { epoch: last.report.epoch, sequence: last.report.sequence, expiresMs: last.expiresMs };
}
