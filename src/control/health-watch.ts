import type { Verdict } from '../core/health/quorum.js';
import type { ProbeViews, Report } from '../core/health/report.js';
import { msToFlip, type TargetState } from '../core/health/target.js';
import { SHARE_FULL } from '../core/health/word.js';
import { retryIntervalMs } from '../core/zone/check.js';
import type { Monitor } from '../core/zone/model.js';
import type { HealthTarget } from '../core/zone/targets.js';
import type { ProbeResult } from '../probe/attempt.js';
import type { Probe } from '../probe/probe.js';
import { ProbeScheduler, type Timers } from '../probe/scheduler.js';
import { HealthWords } from './health-words.js';
import { LoadShedder, type ShedDescription } from './load-shedder.js';
import { observed } from './observed-target.js';
import { ObserverWarnings } from './observer-warnings.js';
import { ObserverBook } from './observers.js';
import { type LastProbe, type ProbeCounts, ProbeNotes } from './probe-notes.js';
import { RefusalLog } from './refusal-log.js';
import type {
  ProxyReport,
  RejectedReport,
  ReportCounters,
  ReporterDescription,
  ReportOutcome,
} from './report-book.js';
import type { TargetDescription } from './target-description.js';
import { type Transition, Transitions } from './transitions.js';

export const TARGETS_MAX = 65_536;
/** How often views get old, ramps climb, and loads are looked at. */
const STEP_MS = 500;

export interface HealthModules {
  readonly probe: Probe;
  /** Probes that run at once; the scheduler's default where absent. */
  readonly probesMax?: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: {
    info(facts: object, message: string): void;
    warn(facts: object, message: string): void;
  };
}

export interface HealthOptions {
  /** Where this node stands. */
  readonly region?: string;
  /** The DNS nodes whose reports count. */
  readonly peers?: readonly string[];
  /** Default TARGETS_MAX. */
  readonly targetsMax?: number;
}

/**
 * Health from observation to word: probes and reports go into the book of observers, its verdicts into the
 * table that the workers read. A change is one atomic store.
 */
export class HealthWatch {
  readonly #modules: HealthModules;
  readonly #startMs: number;
  readonly #words: HealthWords;
  readonly #book: ObserverBook;
  readonly #shedder: LoadShedder;
  readonly #scheduler: ProbeScheduler;
  readonly #refusals = new RefusalLog();
  readonly #warnings: ObserverWarnings;
  readonly #probeListeners = new Set<() => void>();
  readonly #notes: ProbeNotes;
  readonly #transitions: Transitions;
  #targets: ReadonlyMap<string, HealthTarget> = new Map();
  #timer: unknown;

  constructor(modules: HealthModules, options: HealthOptions = {}) {
    this.#modules = modules;
    this.#startMs = modules.now() - modules.monotonic();
    this.#words = new HealthWords(options.targetsMax ?? TARGETS_MAX);
    this.#notes = new ProbeNotes(modules);
    this.#transitions = new Transitions(modules);
    this.#book = new ObserverBook(
      { onVerdict: (key, next, previous) => this.#verdict(key, next, previous) },
      options,
    );
    this.#warnings = new ObserverWarnings(modules.log);
    this.#shedder = new LoadShedder(this.#book.reports);
    this.#scheduler = new ProbeScheduler(
      {
        probe: modules.probe,
        clock: modules.monotonic,
        timers: modules.timers,
        random: modules.random,
        ...(modules.probesMax !== undefined && { maxConcurrent: modules.probesMax }),
      },
      {
        onResult: (key, state, result, changed) => this.#probed(key, state, result, changed),
      },
    );
    this.#arm();
  }

  /**
   * Watches these targets and no others. Slots of targets that are gone stay theirs until `release`. False if
   * there are more than fit: then nothing is changed.
   */
  watch(targets: ReadonlyMap<string, HealthTarget>): boolean {
    const fresh = this.#words.take(targets.keys());
    if (!fresh) return false;
    this.#targets = targets;
    this.#notes.retain(targets);
    const list = [...targets.values()];
    this.#warnings.check(list, this.#book.reports.peers.size);
    this.#book.setTargets(list.filter(({ shed }) => !shed).map(observed), this.#now());
    this.#shedder.setTargets(list);
    for (const key of fresh) {
      if (targets.get(key)?.shed) this.#words.storePool(key, SHARE_FULL);
      else this.#store(key);
    }
    this.#scheduler.set(list.flatMap(({ key, host, monitor }) => (monitor ? [{ key, host, monitor }] : [])));
    return true;
  }

  /** Resolves when each target that is probed has had a first result, or after `limitMs`. */
  firstRound(limitMs: number): Promise<void> {
    return this.#scheduler.firstRound(limitMs);
  }

  /** Takes back the slots of targets that are no longer watched. */
  release(): void {
    this.#words.retain(new Set(this.#targets.keys()));
  }

  get table(): Int32Array {
    return this.#words.table;
  }

  slotOf(key: string): number {
    const slot = this.#words.slotOf(key);
    if (slot === undefined) throw new Error(`health target ${key} is not watched`);
    return slot;
  }

  report(report: Report): ReportOutcome {
    const nowMs = this.#now();
    const clockMs = this.#modules.now();
    const outcome = this.#book.report(report, nowMs, clockMs);
    if (outcome.outcome === 'ignored' && this.#refusals.tells(report.node, outcome.code, nowMs)) {
      const { node, epoch, sequence, sent } = report;
      const facts = { node, code: outcome.code, epoch, sequence, aheadMs: sent - clockMs };
      this.#modules.log.warn(facts, 'a report is ignored');
    }
    return outcome;
  }

  /** The API did not take a report; `sender` is the name of its token, or its address. */
  rejectReport(sender: string, code: RejectedReport): void {
    this.#book.reports.reject(code);
    if (!this.#refusals.tells(sender, code, this.#now())) return;
    this.#modules.log.warn({ sender, code }, 'a report is refused');
  }

  describe(key: string): TargetDescription | undefined {
    const found = this.#book.describe(key, this.#now());
    if (!found) return undefined;
    const { sinceMs, heldDownUntilMs } = found;
    return {
      ...found,
      sinceMs: this.#toClock(sinceMs),
      ...(heldDownUntilMs !== undefined && { heldDownUntilMs: this.#toClock(heldDownUntilMs) }),
    };
  }

  /** Undefined before the first one, and where nothing is probed. */
  lastProbe(key: string): LastProbe | undefined {
    return this.#notes.lastOf(key);
  }

  /** The verdict of a target; undefined for an unknown key. */
  verdictOf(key: string): Verdict | undefined {
    return this.#book.verdict(key);
  }

  /** What the word in a slot rests on; undefined for the reserved ones and those of pools. */
  /** The key of the target behind a health word. */
  keyOf(slot: number): string | undefined {
    return this.#words.keyOf(slot);
  }

  describeSlot(slot: number): TargetDescription | undefined {
    const key = this.#words.keyOf(slot);
    return key === undefined ? undefined : this.describe(key);
  }

  /** What part of its weight a target takes now, in 256ths. */
  shareOf(key: string): number {
    return this.#book.share(key, this.#now());
  }

  /** What this node's own probes say now: what it reports to its peers. */
  probeViews(): ProbeViews {
    return this.#book.probeViews(this.#now());
  }

  /** Calls a listener at once when a probe changes its mind. */
  onProbeChange(listener: () => void): void {
    this.#probeListeners.add(listener);
  }

  /** Calls a listener with each change of a verdict; returns how to end that. */
  onTransition(listener: (transition: Transition) => void): () => void {
    return this.#transitions.listen(listener);
  }

  get targets(): ReadonlyMap<string, HealthTarget> {
    return this.#targets;
  }

  get reporters(): readonly ReporterDescription[] {
    return this.#book.reporters(this.#now());
  }

  /** The proxies that endpoints name, with all that they reported. */
  get proxyReports(): readonly ProxyReport[] {
    return this.#book.reports.proxyReports(this.#now());
  }

  /** The DNS nodes whose reports count. */
  get peers(): readonly ReporterDescription[] {
    return this.#book.reports.describePeers(this.#now());
  }

  get shedding(): readonly ShedDescription[] {
    return this.#shedder.describe();
  }

  get reportCounters(): ReportCounters {
    return this.#book.counters;
  }

  /** `ok`, `failed` and `impossible` since the start; `running` and `queued` now. */
  get probeCounters(): ProbeCounts & { readonly running: number; readonly queued: number } {
    const { running, queued } = this.#scheduler.stats;
    return { ...this.#notes.counts, running, queued };
  }

  /** Targets by verdict; `unknown` are those whose last verdict is held, `damped` those kept down. */
  get counts(): { up: number; down: number; unknown: number; damped: number } {
    const counts = { up: 0, down: 0, unknown: 0, damped: 0 };
    for (const key of this.#targets.keys()) {
      const verdict = this.#book.verdict(key);
      if (!verdict) continue;
      const { basis, state } = verdict;
      counts[basis === 'held' ? 'unknown' : basis === 'damped' ? 'damped' : state]++;
    }
    return counts;
  }

  /** Changes of a verdict since the start. */
  get changes(): number {
    return this.#transitions.count;
  }

  close(): void {
    this.#modules.timers.clearTimeout(this.#timer);
    this.#scheduler.close();
  }

  /**
   * Milliseconds that never go back, near those since 1970 at the start. Views, ramps and damping must not suffer when
   * the clock is set; what people and other nodes read is the clock's.
   */
  #now(): number {
    return this.#startMs + this.#modules.monotonic();
  }

  #toClock(ms: number): number {
    return Math.round(ms - this.#now() + this.#modules.now());
  }

  #arm(): void {
    this.#timer = this.#modules.timers.setTimeout(() => {
      this.#step();
      this.#arm();
    }, STEP_MS);
  }

  #step(): void {
    const nowMs = this.#now();
    this.#book.expire(nowMs);
    for (const key of this.#words.ramping) this.#store(key);
    for (const [key, kept] of this.#shedder.step(nowMs)) this.#words.storePool(key, kept);
  }

  #probed(key: string, state: TargetState, result: ProbeResult, changed: boolean): void {
    this.#notes.count(result);
    const target = this.#targets.get(key);
    if (result.local) return this.#notes.complain(target, result.detail);
    if (state.state === 'unknown') return;
    this.#notes.note(key, result);
    const flipMs = target?.monitor && earliestFlipMs(state, result, target.monitor);
    this.#book.probeResult(key, state.state === 'up', result.detail, this.#now(), flipMs);
    this.#store(key);
    if (changed) for (const listener of this.#probeListeners) listener();
  }

  #verdict(key: string, next: Verdict, previous: Verdict): void {
    this.#store(key);
    const target = this.#targets.get(key);
    if (next.state === previous.state || !target) return;
    this.#transitions.tell(target, next, this.#book.describe(key, this.#now())?.observers ?? []);
  }

  #store(key: string): void {
    const verdict = this.#book.verdict(key);
    const nowMs = this.#now();
    const flipMs = this.#book.flipMs(key, nowMs);
    this.#words.store(key, verdict && { verdict, flipMs, share: this.#book.share(key, nowMs) });
  }
}

function earliestFlipMs(state: TargetState, { ok }: ProbeResult, monitor: Monitor): number {
  return msToFlip(state, ok, monitor, { intervalMs: monitor.intervalMs, retryMs: retryIntervalMs(monitor) });
}
