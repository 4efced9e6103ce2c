import type { Verdict } from '../core/health/quorum.js';
import type { ProbeViews, Report } from '../core/health/report.js';
import { checksToFlip } from '../core/health/target.js';
import {
  createHealthTable,
  healthTableBytes,
  packHealth,
  SHARE_FULL,
  TTL_UNBOUNDED,
} from '../core/health/word.js';
import { type HealthTarget, monitorName } from '../core/zone/targets.js';
import type { ProbeResult } from '../probe/attempt.js';
import type { Probe } from '../probe/probe.js';
import { ProbeScheduler, type Timers } from '../probe/scheduler.js';
import { HealthSlots } from './health-slots.js';
import { LoadShedder, type ShedDescription } from './load-shedder.js';
import { observed } from './observed-target.js';
import { ObserverWarnings } from './observer-warnings.js';
import { ObserverBook } from './observers.js';
import { RefusalLog } from './refusal-log.js';
import type { ReportCounters, ReporterDescription, ReportOutcome } from './report-book.js';
import type { TargetDescription } from './target-description.js';

export const TARGETS_MAX = 65_536;
/** How often views get old, ramps climb, and loads are looked at. */
const STEP_MS = 500;
const COMPLAINT_MS = 60_000;

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

/** The last probe of a target by this node; times by its clock, milliseconds since 1970. */
export interface LastProbe {
  readonly startMs: number;
  readonly atMs: number;
  /** The last one that failed. */
  readonly error?: { readonly atMs: number; readonly detail: string };
}

/** A change of a verdict, as it is told to listeners. */
export interface Transition {
  readonly target: HealthTarget;
  readonly state: 'up' | 'down';
  readonly basis: Verdict['basis'];
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly reason: string;
}

/**
 * Health from observation to word: probes and reports go into the book of observers, its verdicts into the
 * table that the workers read. A change is one atomic store.
 */
export class HealthWatch {
  readonly table: Int32Array;
  readonly #modules: HealthModules;
  readonly #startMs: number;
  readonly #targetsMax: number;
  readonly #slots: HealthSlots;
  readonly #book: ObserverBook;
  readonly #shedder: LoadShedder;
  readonly #scheduler: ProbeScheduler;
  readonly #refusals = new RefusalLog();
  readonly #warnings: ObserverWarnings;
  readonly #listeners = new Set<(transition: Transition) => void>();
  readonly #probeListeners = new Set<() => void>();
  /** Targets that take part of their weight. */
  readonly #ramping = new Set<string>();
  readonly #lastProbes = new Map<string, LastProbe>();
  #targets: ReadonlyMap<string, HealthTarget> = new Map();
  #timer: unknown;
  #changes = 0;
  #probes = { ok: 0, failed: 0, impossible: 0 };
  #complainedMs = Number.NEGATIVE_INFINITY;

  constructor(modules: HealthModules, options: HealthOptions = {}) {
    this.#modules = modules;
    this.#startMs = modules.now() - modules.monotonic();
    this.#targetsMax = options.targetsMax ?? TARGETS_MAX;
    this.#slots = new HealthSlots(this.#targetsMax);
    this.table = createHealthTable(
      new SharedArrayBuffer(healthTableBytes(this.#targetsMax)),
      this.#targetsMax,
    );
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
        onResult: (key, state, result, changed) => {
          this.#probes[result.local ? 'impossible' : result.ok ? 'ok' : 'failed']++;
          if (result.local) return this.#couldNotAsk(key, result.detail);
          if (state.state === 'unknown') return;
          this.#noteProbe(key, result);
          const monitor = this.#targets.get(key)?.monitor;
          const flipMs = monitor && checksToFlip(state, monitor) * monitor.intervalMs;
          this.#book.probeResult(key, state.state === 'up', result.detail, this.#now(), flipMs);
          this.#store(key);
          if (changed) for (const listener of this.#probeListeners) listener();
        },
      },
    );
    this.#arm();
  }

  /**
   * Watches these targets and no others. Slots of targets that are gone stay theirs until `release`. False if
   * there are more than fit: then nothing is changed.
   */
  watch(targets: ReadonlyMap<string, HealthTarget>): boolean {
    const fresh = [...targets.keys()].filter((key) => this.#slots.slotOf(key) === undefined);
    if (this.#slots.size + fresh.length > this.#targetsMax) return false;
    this.#targets = targets;
    for (const key of this.#lastProbes.keys()) if (!targets.has(key)) this.#lastProbes.delete(key);
    for (const key of fresh) this.#slots.take(key);
    const list = [...targets.values()];
    this.#warnings.check(list, this.#book.reports.peers.size);
    this.#book.setTargets(list.filter(({ shed }) => !shed).map(observed), this.#now());
    this.#shedder.setTargets(list);
    for (const key of fresh) {
      if (targets.get(key)?.shed) this.#storeWord(key, wordOfPool(SHARE_FULL));
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
    this.#slots.retain(new Set(this.#targets.keys()));
  }

  slotOf(key: string): number {
    const slot = this.#slots.slotOf(key);
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
    return this.#lastProbes.get(key);
  }

  /** The verdict of a target; undefined for an unknown key. */
  verdictOf(key: string): Verdict | undefined {
    return this.#book.verdict(key);
  }

  /** What the word in a slot rests on; undefined for the reserved ones and those of pools. */
  describeSlot(slot: number): TargetDescription | undefined {
    const key = this.#slots.keyOf(slot);
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
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get targets(): ReadonlyMap<string, HealthTarget> {
    return this.#targets;
  }

  get reporters(): readonly ReporterDescription[] {
    return this.#book.reporters(this.#now());
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
  get probeCounters(): {
    readonly ok: number;
    readonly failed: number;
    readonly impossible: number;
    readonly running: number;
    readonly queued: number;
  } {
    const { running, queued } = this.#scheduler.stats;
    return { ...this.#probes, running, queued };
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
    return this.#changes;
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

  #noteProbe(key: string, { ok, detail, elapsedMs }: ProbeResult): void {
    const atMs = this.#modules.now();
    const error = ok ? this.#lastProbes.get(key)?.error : { atMs, detail };
    this.#lastProbes.set(key, { startMs: atMs - elapsedMs, atMs, ...(error && { error }) });
  }

  #step(): void {
    const nowMs = this.#now();
    this.#book.expire(nowMs);
    for (const key of this.#ramping) this.#store(key);
    for (const [key, kept] of this.#shedder.step(nowMs)) this.#storeWord(key, wordOfPool(kept));
  }

  /** The view of the target grows old and leaves the count. One line a minute: it may be all targets. */
  #couldNotAsk(key: string, detail: string): void {
    const { monotonic, log } = this.#modules;
    if (monotonic() - this.#complainedMs < COMPLAINT_MS) return;
    this.#complainedMs = monotonic();
    const target = this.#targets.get(key);
    const facts = { target: target?.host, monitor: target?.monitor?.name, detail };
    log.warn(facts, `this host can't probe ${target?.host}: ${detail}`);
  }

  #verdict(key: string, next: Verdict, previous: Verdict): void {
    this.#store(key);
    if (next.state === previous.state) return;
    this.#changes++;
    const target = this.#targets.get(key);
    if (!target) return;
    const seen = this.#book.describe(key, this.#now())?.observers ?? [];
    const observers = seen.map(({ observer, view, detail }) => `${observer}: ${view} (${detail})`);
    const facts = { target: target.host, monitor: monitorName(target), observers };
    this.#modules.log[next.state === 'down' ? 'warn' : 'info'](facts, `${target.host} is ${next.state}`);
    const { state, basis } = next;
    const transition = { target, state, basis, atMs: this.#modules.now(), reason: observers.join(', ') };
    for (const listener of this.#listeners) listener(transition);
  }

  #store(key: string): void {
    const verdict = this.#book.verdict(key);
    if (!verdict) {
      this.#ramping.delete(key);
      return;
    }
    const nowMs = this.#now();
    const share = this.#book.share(key, nowMs);
    if (share < SHARE_FULL) this.#ramping.add(key);
    else this.#ramping.delete(key);
    const word = packHealth({
      down: verdict.state === 'down',
      forced: false,
      unknown: verdict.basis === 'held',
      ttlSeconds: this.#book.flipMs(key, nowMs) / 1000,
      share,
    });
    this.#storeWord(key, word);
  }

  #storeWord(key: string, word: number): void {
    const slot = this.#slots.slotOf(key);
    if (slot !== undefined && this.table[slot] !== word) Atomics.store(this.table, slot, word);
  }
}

function wordOfPool(kept: number): number {
  return (
    packHealth({ down: false, forced: false, unknown: false, ttlSeconds: 0, share: kept }) | TTL_UNBOUNDED
  );
}
