/**
 * The book of observations of a DNS node: who sees what of each target, how fresh that is, and what the quorum
 * makes of it. It has no timers and no clock of its own: every method takes the time, milliseconds from any start that
 * never go back, and the owner calls `expire` about once a second.
 *
 * Observers of a target: `probe` (this node's own probes), `dns:<node>` (the probes of another DNS node, by its
 * reports), and `proxy:<node>/<service>` (the reports of the proxy that owns the address).
 */

import { heldDownUntil } from '../core/health/damping.js';
import { regionalVerdict, type Verdict } from '../core/health/quorum.js';
import type { ProbeViews, Report } from '../core/health/report.js';
import { REUNION_GRACE_MS, type Standing, settle, shareNow } from '../core/health/settle.js';
import { SHARE_FULL } from '../core/health/word.js';
import { calculatedVerdict, describeParts } from './calculated-verdict.js';
import {
  OWN_PROBE,
  ownObservation,
  type PeerViews,
  peerObserver,
  peerViews,
  proxyObserver,
  viewAt,
} from './observation.js';
import {
  dueOf,
  judgementOf,
  newEntry,
  type ObservedEntry,
  type ObservedTarget,
  observePeer,
  observeProxy,
  votesOf,
} from './observed-entry.js';
import {
  ReportBook,
  type ReportCounters,
  type ReporterDescription,
  type ReportOutcome,
} from './report-book.js';
import { describeView, type TargetDescription } from './target-description.js';

/** Who keeps the book. */
export interface BookOptions {
  readonly region?: string;
  /** The DNS nodes whose reports count. */
  readonly peers?: readonly string[];
}

export interface ObserverHandlers {
  /** The state of a target changed, or whether it rests on observers; never called for anything less. */
  onVerdict(key: string, next: Verdict, previous: Verdict): void;
}

const DEFAULT_INTERVAL_MS = 5_000;
/** The interval of reports. */
const REPORT_FLIP_MS = 2_000;

export class ObserverBook {
  readonly #handlers: ObserverHandlers;
  readonly #region: string;
  readonly #entries = new Map<string, ObservedEntry>();
  readonly #reports: ReportBook;
  /** The targets of each proxy. */
  #byProxy: ReadonlyMap<string, readonly ObservedEntry[]> = new Map();
  /** What is made from a target. */
  #madeFrom: ReadonlyMap<string, readonly ObservedEntry[]> = new Map();
  readonly #standingOf = (key: string): Standing | undefined => this.#entries.get(key)?.standing;

  constructor(handlers: ObserverHandlers, { region = '', peers = [] }: BookOptions = {}) {
    this.#handlers = handlers;
    this.#region = region;
    this.#reports = new ReportBook(peers);
  }

  /**
   * Says which targets there are. A target that stays keeps its views and verdict; one that is gone is forgotten;
   * one that names a proxy with a fresh report has its view at once, and so have those of peers.
   */
  setTargets(targets: readonly ObservedTarget[], nowMs: number): void {
    const wanted = new Map(targets.map((target) => [target.key, target]));
    for (const key of this.#entries.keys()) if (!wanted.has(key)) this.#entries.delete(key);
    for (const target of wanted.values()) {
      const entry = this.#entries.get(target.key) ?? newEntry(target, nowMs);
      this.#entries.set(target.key, entry);
      entry.target = target;
    }
    const entries = [...this.#entries.values()];
    this.#byProxy = groupBy(entries, ({ target }) => (target.proxy === undefined ? [] : [target.proxy]));
    this.#madeFrom = groupBy(entries, ({ target }) => target.calculated?.keys ?? []);
    this.#reports.setProxies(new Set(this.#byProxy.keys()));
    const peers = [...this.#reports.peers].map((node) => this.#viewsOf(node));
    for (const entry of this.#entries.values()) {
      this.#forgetOthers(entry);
      observeProxy(entry, this.#reports);
      for (const peer of peers) if (peer) observePeer(entry, peer, nowMs);
      this.#judge(entry, nowMs);
    }
  }

  /**
   * Takes the state that this node's own probes came to. A key that is no target is ignored: results can be late.
   * `flipMs`: how long it takes the probes to change it at least; one interval if not given.
   */
  probeResult(key: string, up: boolean, detail: string, nowMs: number, flipMs?: number): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    const intervalMs = entry.target.intervalMs ?? DEFAULT_INTERVAL_MS;
    const about = { region: this.#region, intervalMs, flipMs: flipMs ?? intervalMs, nowMs };
    const own = ownObservation(up, detail, about);
    entry.observations.set(OWN_PROBE, own);
    this.#judge(entry, nowMs);
  }

  /** Takes a report of a proxy or a peer. Its form must have been checked; its order and age are checked here. `clockMs`: since 1970. */
  report(report: Report, nowMs: number, clockMs: number = nowMs): ReportOutcome {
    const outcome = this.#reports.take(report, nowMs, clockMs);
    if (outcome.outcome === 'ignored') return outcome;
    for (const entry of this.#byProxy.get(report.node) ?? []) {
      observeProxy(entry, this.#reports);
      this.#judge(entry, nowMs);
    }
    const views = this.#reports.peers.has(report.node) && this.#viewsOf(report.node);
    if (!views) return outcome;
    for (const entry of this.#entries.values()) {
      if (observePeer(entry, views, nowMs)) this.#judge(entry, nowMs);
    }
    return outcome;
  }

  /** Lets views that became too old leave the count, and flapping targets return whose time is over. */
  expire(nowMs: number): void {
    for (const entry of this.#entries.values()) if (entry.dueMs <= nowMs) this.#judge(entry, nowMs);
  }

  verdict(key: string): Verdict | undefined {
    return this.#entries.get(key)?.standing.verdict;
  }

  /** What part of its weight a target takes, in 256ths. */
  share(key: string, nowMs: number): number {
    const entry = this.#entries.get(key);
    return entry ? shareNow(entry.standing, judgementOf(entry).rampMs, nowMs) : SHARE_FULL;
  }

  /**
   * In what time the verdict of a target could change: while all observers agree as long as this node's own probes
   * need, else one interval of theirs; where nothing is probed, that of the reports.
   */
  flipMs(key: string, nowMs: number): number {
    const entry = this.#entries.get(key);
    if (entry?.target.calculated) {
      return Math.min(...entry.target.calculated.keys.map((part) => this.flipMs(part, nowMs)));
    }
    const own = entry?.observations.get(OWN_PROBE);
    if (!entry || !own) return REPORT_FLIP_MS;
    const { verdict, damping } = entry.standing;
    if (verdict.basis === 'damped') return heldDownUntil(damping, judgementOf(entry).holdDownMs) - nowMs;
    const agreed = verdict.basis === 'observers' && (verdict.up === 0 || verdict.up === verdict.known);
    const intervalMs = entry.target.intervalMs ?? DEFAULT_INTERVAL_MS;
    return agreed && viewAt(own, nowMs) === verdict.state ? (own.flipMs ?? intervalMs) : intervalMs;
  }

  /** What this node's own probes say now: what it reports to its peers. */
  probeViews(nowMs: number): ProbeViews {
    const up = new Set<string>();
    const down = new Set<string>();
    for (const { target, observations } of this.#entries.values()) {
      const own = observations.get(OWN_PROBE);
      if (target.probeId === undefined || !own) continue;
      const view = viewAt(own, nowMs);
      if (view !== 'unknown') (view === 'up' ? up : down).add(target.probeId);
    }
    return { up: [...up], down: [...down] };
  }

  /** Everything that the verdict of one target rests on; undefined for an unknown key. */
  describe(key: string, nowMs: number): TargetDescription | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const { verdict, sinceMs, damping } = entry.standing;
    const heldDownUntilMs = heldDownUntil(damping, judgementOf(entry).holdDownMs);
    return {
      key,
      quorum: entry.target.quorum,
      verdict,
      sinceMs,
      observers: entry.target.calculated
        ? describeParts(entry.target.calculated, this.#standingOf, nowMs)
        : this.#observerNames(entry.target).map((name) =>
            describeView(name, entry.observations.get(name), nowMs),
          ),
      ...(verdict.state === 'down' && heldDownUntilMs > nowMs && { heldDownUntilMs }),
    };
  }

  /** The reports of proxies and peers. */
  get reports(): ReportBook {
    return this.#reports;
  }

  /** The proxies that endpoints name, with the last report of each. */
  reporters(nowMs: number): readonly ReporterDescription[] {
    return this.#reports.describeProxies(nowMs);
  }

  get counters(): ReportCounters {
    return this.#reports.counters;
  }

  get keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** Drops the views of observers that the target no longer has. */
  #forgetOthers({ target, observations }: ObservedEntry): void {
    const names = this.#observerNames(target);
    for (const name of observations.keys()) if (!names.includes(name)) observations.delete(name);
  }

  #observerNames({ probed, probeId, proxy, service }: ObservedTarget): readonly string[] {
    const peers = probed === false || probeId === undefined ? [] : [...this.#reports.peers].map(peerObserver);
    return [
      ...(probed === false ? [] : [OWN_PROBE]),
      ...peers,
      ...(proxy === undefined ? [] : [proxyObserver(proxy, service)]),
    ];
  }

  #viewsOf(node: string): PeerViews | undefined {
    const last = this.#reports.lastOf(node);
    return last && peerViews(last);
  }

  #judge(entry: ObservedEntry, nowMs: number): void {
    const previous = entry.standing.verdict;
    const judgement = judgementOf(entry);
    const rules = { quorum: entry.target.quorum, ...judgement, region: this.#region };
    const count = entry.target.calculated
      ? calculatedVerdict(entry.target.calculated, this.#standingOf)
      : regionalVerdict(votesOf(entry, nowMs), rules, previous.state);
    // What is made from others follows them at once: they had their grace.
    const graceMs = entry.target.calculated ? 0 : REUNION_GRACE_MS;
    entry.standing = settle(entry.standing, count, { ...judgement, graceMs }, nowMs);
    entry.dueMs = dueOf(entry, nowMs);
    const next = entry.standing.verdict;
    if (next.state !== previous.state || next.basis !== previous.basis) {
      this.#handlers.onVerdict(entry.target.key, next, previous);
      for (const made of this.#madeFrom.get(entry.target.key) ?? []) this.#judge(made, nowMs);
    }
  }
}

function groupBy(
  entries: readonly ObservedEntry[],
  keysOf: (entry: ObservedEntry) => readonly string[],
): ReadonlyMap<string, readonly ObservedEntry[]> {
  const groups = new Map<string, ObservedEntry[]>();
  for (const entry of entries) {
    for (const key of keysOf(entry)) {
      const group = groups.get(key);
      if (group) group.push(entry);
      else groups.set(key, [entry]);
    }
  }
  return groups;
}
