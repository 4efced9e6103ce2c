/**
 * The book of observations of a DNS node: who sees what of each target, how fresh that is, and what the quorum
 * makes of it. It has no timers and no clock of its own: every method takes the time, milliseconds from any start that
 * never go back, and the owner calls `expire` about once a second.
 *
 * Observers of a target: `probe` (this node's own probes), `dns:<node>` (the probes of another DNS node, by its
 * reports), and `proxy:<node>/<service>` (the reports of the proxy that owns the address).
 */

import { type Calculation, calculate } from '../core/health/calculated.js';
import { heldDownUntil } from '../core/health/damping.js';
import { JUDGEMENT_DEFAULTS, type Judgement } from '../core/health/judgement.js';
import { regionalVerdict, type Verdict } from '../core/health/quorum.js';
import type { ProbeViews, Report } from '../core/health/report.js';
import { newStanding, type Standing, settle, shareNow } from '../core/health/settle.js';
import { SHARE_FULL } from '../core/health/word.js';
import type { Quorum } from '../core/zone/model.js';
import {
  type Observation,
  OWN_PROBE,
  ownObservation,
  type PeerViews,
  peerObservation,
  peerObserver,
  peerViews,
  proxyObservation,
  proxyObserver,
  viewAt,
} from './observation.js';
import {
  ReportBook,
  type ReportCounters,
  type ReporterDescription,
  type ReportOutcome,
} from './report-book.js';
import { describeView, type ObserverView, type TargetDescription } from './target-description.js';

/** One thing that can be up or down: an endpoint as one monitor sees it. */
export interface ObservedTarget {
  readonly key: string;
  readonly quorum: Quorum;
  readonly judgement?: Judgement;
  /** Interval of this node's own probes: how long their view stays fresh. Default 5 s. */
  readonly intervalMs?: number;
  /** Whether this node probes it. Default true; without, a proxy's reports are all there is. */
  readonly probed?: boolean;
  /** By which DNS nodes tell each other of their views of it. */
  readonly probeId?: string;
  /** The proxy that owns the address, and which of its services counts; all of them when absent. */
  readonly proxy?: string;
  readonly service?: string;
  /** The verdict is made from those of other targets; nobody observes it. */
  readonly calculated?: Calculation & { readonly keys: readonly string[]; readonly names: readonly string[] };
  /** The verdict to start from, for instance from the last good state on disk. Default `up`. */
  readonly last?: 'up' | 'down';
}

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

interface Entry {
  target: ObservedTarget;
  standing: Standing;
  /** When time alone changes what the verdict rests on. */
  dueMs: number;
  readonly observations: Map<string, Observation>;
}

export class ObserverBook {
  readonly #handlers: ObserverHandlers;
  readonly #region: string;
  readonly #entries = new Map<string, Entry>();
  readonly #reports: ReportBook;
  /** The targets of each proxy. */
  #byProxy: ReadonlyMap<string, readonly Entry[]> = new Map();
  /** What is made from a target. */
  #madeFrom: ReadonlyMap<string, readonly Entry[]> = new Map();

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
        ? entry.target.calculated.keys.map((part, i) =>
            this.#describePart(part, entry.target.calculated?.names[i] ?? '', nowMs),
          )
        : this.#observerNames(entry.target).map((name) =>
            describeView(name, entry.observations.get(name), nowMs),
          ),
      ...(verdict.state === 'down' && heldDownUntilMs > nowMs && { heldDownUntilMs }),
    };
  }

  #describePart(key: string, name: string, nowMs: number): ObserverView {
    const { verdict, sinceMs } = this.#entries.get(key)?.standing ?? newStanding('up', nowMs);
    const detail = `${verdict.up} of ${verdict.known} observers say up (${verdict.basis})`;
    return {
      observer: `monitor:${name}`,
      view: verdict.state,
      ageMs: Math.max(nowMs - sinceMs, 0),
      detail,
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
  #forgetOthers({ target, observations }: Entry): void {
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

  #judge(entry: Entry, nowMs: number): void {
    const previous = entry.standing.verdict;
    const votes = [...entry.observations.values()].map((observation) => ({
      view: viewAt(observation, nowMs),
      region: observation.region,
      ...(observation.owner && { owner: true }),
    }));
    const judgement = judgementOf(entry);
    const rules = { quorum: entry.target.quorum, ...judgement, region: this.#region };
    const count = entry.target.calculated
      ? this.#calculate(entry.target.calculated, previous)
      : regionalVerdict(votes, rules, previous.state);
    entry.standing = settle(entry.standing, count, judgement, nowMs);
    entry.dueMs = dueOf(entry, nowMs);
    const next = entry.standing.verdict;
    if (next.state !== previous.state || next.basis !== previous.basis) {
      this.#handlers.onVerdict(entry.target.key, next, previous);
      for (const made of this.#madeFrom.get(entry.target.key) ?? []) this.#judge(made, nowMs);
    }
  }

  /** Held where nothing is known of any part; a part that is held counts with its last verdict. */
  #calculate(
    { keys, ...calculation }: Calculation & { readonly keys: readonly string[] },
    last: Verdict,
  ): Verdict {
    const parts = keys.flatMap((key) => this.verdict(key) ?? []);
    const states = parts.map(({ state }) => state);
    const up = states.filter((state) => state === 'up').length;
    if (parts.length === 0) return { ...last, basis: 'held' };
    const basis = parts.every((part) => part.basis === 'held') ? 'held' : 'observers';
    return { state: calculate(calculation, states), basis, up, known: states.length };
  }
}

function newEntry(target: ObservedTarget, nowMs: number): Entry {
  return { target, standing: newStanding(target.last ?? 'up', nowMs), dueMs: nowMs, observations: new Map() };
}

/** When the next view gets old, or a flapping target may return. */
function dueOf(entry: Entry, nowMs: number): number {
  const { verdict, damping } = entry.standing;
  const held = verdict.basis === 'damped' ? heldDownUntil(damping, judgementOf(entry).holdDownMs) : Infinity;
  let due = held;
  for (const { expiresMs } of entry.observations.values()) {
    if (expiresMs > nowMs && expiresMs < due) due = expiresMs;
  }
  return due;
}

function judgementOf({ target }: Entry): Judgement {
  return target.judgement ?? JUDGEMENT_DEFAULTS;
}

function groupBy(
  entries: readonly Entry[],
  keysOf: (entry: Entry) => readonly string[],
): ReadonlyMap<string, readonly Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const key of keysOf(entry)) {
      const group = groups.get(key);
      if (group) group.push(entry);
      else groups.set(key, [entry]);
    }
  }
  return groups;
}

/** Notes what a peer sees of a target; whether that is another view than before. */
function observePeer(entry: Entry, views: PeerViews, nowMs: number): boolean {
  const { target, observations } = entry;
  const { probeId } = target;
  if (probeId === undefined || target.probed === false) return false;
  const name = peerObserver(views.last.report.node);
  const before = observations.get(name);
  const next = peerObservation(views, probeId);
  observations.set(name, next);
  entry.dueMs = Math.min(entry.dueMs, next.expiresMs);
  return !before || viewAt(before, nowMs) !== viewAt(next, nowMs) || before.region !== next.region;
}

function observeProxy({ target, observations }: Entry, reports: ReportBook): void {
  const { proxy, service } = target;
  const last = proxy === undefined ? undefined : reports.lastOf(proxy);
  if (proxy !== undefined && last)
    observations.set(proxyObserver(proxy, service), proxyObservation(last, service));
}
