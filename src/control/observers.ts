/**
 * The book of observations of a DNS node: who sees what of each target, how fresh that is, and what the quorum
 * makes of it. It has no timers and no clock of its own: every method takes the time, milliseconds since 1970,
 * and the owner calls `expire` about once a second.
 *
 * Observers of a target: `probe` (this node's own probes) and `proxy:<node>/<service>` (the reports of the proxy
 * that owns the address).
 */

import { type Verdict, type View, verdict } from '../core/health/quorum.js';
import { REPORT_TTL_INTERVALS, type Report } from '../core/health/report.js';
import type { Quorum } from '../core/zone/model.js';

/** One thing that can be up or down: an endpoint as one monitor sees it. */
export interface ObservedTarget {
  readonly key: string;
  readonly quorum: Quorum;
  /** Interval of this node's own probes: how long their view stays fresh. Default 5 s. */
  readonly intervalMs?: number;
  /** Whether this node probes it. Default true; without, a proxy's reports are all there is. */
  readonly probed?: boolean;
  /** The proxy that owns the address, and which of its services counts; all of them when absent. */
  readonly proxy?: string;
  readonly service?: string;
  /** The verdict to start from, for instance from the last good state on disk. Default `up`. */
  readonly last?: 'up' | 'down';
}

export type IgnoredReport = 'old_sequence' | 'old_epoch' | 'from_future' | 'unknown_node';

export type ReportOutcome =
  | { readonly outcome: 'accepted' }
  | { readonly outcome: 'ignored'; readonly code: IgnoredReport };

/** One observer's view as the API shows it. `ageMs` is absent before the first observation. */
export interface ObserverView {
  readonly observer: string;
  readonly view: View;
  readonly ageMs?: number;
  readonly detail: string;
}

export interface TargetDescription {
  readonly key: string;
  readonly quorum: Quorum;
  readonly verdict: Verdict;
  /** When the state (not its basis) last changed, milliseconds since 1970. */
  readonly sinceMs: number;
  readonly observers: readonly ObserverView[];
}

/** A proxy that some endpoint names, and the last report of it. */
export interface ReporterDescription {
  readonly node: string;
  readonly region?: string;
  readonly state?: Report['state'];
  readonly fresh: boolean;
  readonly ageMs?: number;
  readonly epoch?: number;
  readonly sequence?: number;
}

export interface ObserverHandlers {
  /** The state of a target changed, or whether it rests on observers; never called for anything less. */
  onVerdict(key: string, next: Verdict, previous: Verdict): void;
}

export type ReportCounters = Readonly<Record<'accepted' | IgnoredReport, number>>;

/** A reporter's clock may be this far ahead of ours. */
export const REPORT_SKEW_MS = 10_000;
/** A reporter names its own interval, so its views are believed for 1 s at least and 60 s at most. */
export const REPORT_TTL_MIN_MS = 1_000;
export const REPORT_TTL_MAX_MS = 60_000;

const DEFAULT_INTERVAL_MS = 5_000;

interface Observation {
  view: View;
  atMs: number;
  expiresMs: number;
  detail: string;
}

interface Entry {
  target: ObservedTarget;
  verdict: Verdict;
  sinceMs: number;
  readonly observations: Map<string, Observation>;
}

interface Reporter {
  readonly keys: Set<string>;
  last?: { readonly report: Report; readonly atMs: number; readonly expiresMs: number };
}

export class ObserverBook {
  readonly #handlers: ObserverHandlers;
  readonly #entries = new Map<string, Entry>();
  readonly #reporters = new Map<string, Reporter>();
  readonly #counters = { accepted: 0, old_sequence: 0, old_epoch: 0, from_future: 0, unknown_node: 0 };

  constructor(handlers: ObserverHandlers) {
    this.#handlers = handlers;
  }

  /**
   * Says which targets there are. A target that stays keeps its views and verdict; one that is gone is forgotten;
   * one that names a proxy with a fresh report has its view at once.
   */
  setTargets(targets: readonly ObservedTarget[], nowMs: number): void {
    const wanted = new Map(targets.map((target) => [target.key, target]));
    for (const key of this.#entries.keys()) if (!wanted.has(key)) this.#entries.delete(key);
    this.#linkReporters(wanted.values());
    for (const target of wanted.values()) {
      const entry = this.#entries.get(target.key) ?? newEntry(target, nowMs);
      this.#entries.set(target.key, entry);
      this.#retarget(entry, target);
      this.#judge(entry, nowMs);
    }
  }

  /** Takes the state that this node's own probes came to. A key that is no target is ignored: results can be late. */
  probeResult(key: string, up: boolean, detail: string, nowMs: number): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    const freshMs = Math.max(
      (entry.target.intervalMs ?? DEFAULT_INTERVAL_MS) * REPORT_TTL_INTERVALS,
      REPORT_TTL_MIN_MS,
    );
    entry.observations.set('probe', {
      view: up ? 'up' : 'down',
      atMs: nowMs,
      expiresMs: nowMs + freshMs,
      detail,
    });
    this.#judge(entry, nowMs);
  }

  /** Takes a report of a proxy. Its form must have been checked; its order and age are checked here. */
  report(report: Report, nowMs: number): ReportOutcome {
    const reporter = this.#reporters.get(report.node);
    const code = reporter ? refusal(reporter, report, nowMs) : 'unknown_node';
    if (!reporter || code) {
      const ignored = code ?? 'unknown_node';
      this.#counters[ignored]++;
      return { outcome: 'ignored', code: ignored };
    }
    this.#counters.accepted++;
    reporter.last = { report, atMs: nowMs, expiresMs: nowMs + reportTtlMs(report) };
    for (const key of reporter.keys) {
      const entry = this.#entries.get(key);
      if (!entry) continue;
      observeReport(entry, reporter);
      this.#judge(entry, nowMs);
    }
    return { outcome: 'accepted' };
  }

  /** Lets views that became too old leave the count. */
  expire(nowMs: number): void {
    for (const entry of this.#entries.values()) this.#judge(entry, nowMs);
  }

  verdict(key: string): Verdict | undefined {
    return this.#entries.get(key)?.verdict;
  }

  /** Everything that the verdict of one target rests on; undefined for an unknown key. */
  describe(key: string, nowMs: number): TargetDescription | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const observers = [...entry.observations].map(([observer, observation]) => ({
      observer,
      view: viewAt(observation, nowMs),
      ageMs: Math.max(nowMs - observation.atMs, 0),
      detail: observation.detail,
    }));
    const silent = observerNames(entry.target)
      .filter((name) => !entry.observations.has(name))
      .map((observer): ObserverView => ({ observer, view: 'unknown', detail: 'no observation yet' }));
    const { quorum } = entry.target;
    return {
      key,
      quorum,
      verdict: entry.verdict,
      sinceMs: entry.sinceMs,
      observers: [...observers, ...silent],
    };
  }

  /** The proxies that endpoints name, with the last report of each. */
  reporters(nowMs: number): readonly ReporterDescription[] {
    return [...this.#reporters].map(([node, { last }]) => {
      if (!last) return { node, fresh: false };
      const { region, state, epoch, sequence } = last.report;
      const ageMs = Math.max(nowMs - last.atMs, 0);
      return { node, region, state, fresh: nowMs < last.expiresMs, ageMs, epoch, sequence };
    });
  }

  get counters(): ReportCounters {
    return this.#counters;
  }

  get keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  #linkReporters(targets: Iterable<ObservedTarget>): void {
    for (const reporter of this.#reporters.values()) reporter.keys.clear();
    for (const { key, proxy } of targets) {
      if (proxy === undefined) continue;
      const reporter = this.#reporters.get(proxy) ?? { keys: new Set<string>() };
      reporter.keys.add(key);
      this.#reporters.set(proxy, reporter);
    }
    for (const [node, reporter] of this.#reporters) {
      if (reporter.keys.size === 0) this.#reporters.delete(node);
    }
  }

  /** Drops the views of observers that the target no longer has. */
  #retarget(entry: Entry, target: ObservedTarget): void {
    entry.target = target;
    const names = observerNames(target);
    for (const name of entry.observations.keys()) {
      if (!names.includes(name)) entry.observations.delete(name);
    }
    const reporter = target.proxy === undefined ? undefined : this.#reporters.get(target.proxy);
    if (reporter) observeReport(entry, reporter);
  }

  #judge(entry: Entry, nowMs: number): void {
    const previous = entry.verdict;
    const views = [...entry.observations.values()].map((observation) => viewAt(observation, nowMs));
    const next = verdict(views, entry.target.quorum, previous.state);
    entry.verdict = next;
    if (next.state !== previous.state) entry.sinceMs = nowMs;
    if (next.state !== previous.state || next.basis !== previous.basis) {
      this.#handlers.onVerdict(entry.target.key, next, previous);
    }
  }
}

function newEntry(target: ObservedTarget, nowMs: number): Entry {
  const held: Verdict = { state: target.last ?? 'up', basis: 'held', up: 0, known: 0 };
  return { target, verdict: held, sinceMs: nowMs, observations: new Map() };
}

function observerNames({ probed, proxy, service }: ObservedTarget): readonly string[] {
  return [
    ...(probed === false ? [] : ['probe']),
    ...(proxy === undefined ? [] : [proxyObserver(proxy, service)]),
  ];
}

function proxyObserver(proxy: string, service: string | undefined): string {
  return `proxy:${proxy}/${service ?? '*'}`;
}

function viewAt(observation: Observation, nowMs: number): View {
  return nowMs < observation.expiresMs ? observation.view : 'unknown';
}

function reportTtlMs(report: Report): number {
  const asked = report.intervalMs * REPORT_TTL_INTERVALS;
  return Math.min(Math.max(asked, REPORT_TTL_MIN_MS), REPORT_TTL_MAX_MS);
}

/**
 * Why a report can't be taken. An older epoch is refused only while the newer one is fresh: a proxy whose clock was
 * set back before it restarted must not be shut out for good.
 */
function refusal(reporter: Reporter, report: Report, nowMs: number): IgnoredReport | undefined {
  if (Math.max(report.sent, report.epoch) > nowMs + REPORT_SKEW_MS) return 'from_future';
  const last = reporter.last;
  if (!last) return undefined;
  if (report.epoch < last.report.epoch) return nowMs < last.expiresMs ? 'old_epoch' : undefined;
  const repeated = report.epoch === last.report.epoch && report.sequence <= last.report.sequence;
  return repeated ? 'old_sequence' : undefined;
}

function observeReport(entry: Entry, reporter: Reporter): void {
  const { proxy, service } = entry.target;
  if (proxy === undefined || !reporter.last) return;
  const { report, atMs, expiresMs } = reporter.last;
  entry.observations.set(proxyObserver(proxy, service), {
    ...reportedView(report, service),
    atMs,
    expiresMs,
  });
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
