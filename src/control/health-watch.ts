import type { Verdict } from '../core/health/quorum.js';
import type { Report } from '../core/health/report.js';
import { createHealthTable, healthTableBytes, packHealth } from '../core/health/word.js';
import type { HealthTarget } from '../core/zone/targets.js';
import type { Probe } from '../probe/probe.js';
import { ProbeScheduler, type Timers } from '../probe/scheduler.js';
import { HealthSlots } from './health-slots.js';
import {
  ObserverBook,
  type ReportCounters,
  type ReporterDescription,
  type ReportOutcome,
  type TargetDescription,
} from './observers.js';

export const TARGETS_MAX = 65_536;
const EXPIRE_MS = 500;
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

/**
 * Health from observation to word: probes and reports go into the book of observers, its verdicts into the
 * table that the workers read. A change is one atomic store.
 */
export class HealthWatch {
  readonly table: Int32Array;
  readonly #modules: HealthModules;
  readonly #slots = new HealthSlots(TARGETS_MAX);
  readonly #book: ObserverBook;
  readonly #scheduler: ProbeScheduler;
  #targets: ReadonlyMap<string, HealthTarget> = new Map();
  #timer: unknown;
  #changes = 0;
  #probes = { ok: 0, failed: 0, impossible: 0 };
  #complainedMs = Number.NEGATIVE_INFINITY;

  constructor(modules: HealthModules) {
    this.#modules = modules;
    this.table = createHealthTable(new SharedArrayBuffer(healthTableBytes(TARGETS_MAX)), TARGETS_MAX);
    this.#book = new ObserverBook({
      onVerdict: (key, next, previous) => this.#verdict(key, next, previous),
    });
    this.#scheduler = new ProbeScheduler(
      {
        probe: modules.probe,
        clock: modules.monotonic,
        timers: modules.timers,
        random: modules.random,
        ...(modules.probesMax !== undefined && { maxConcurrent: modules.probesMax }),
      },
      {
        onResult: (key, state, result) => {
          this.#probes[result.local ? 'impossible' : result.ok ? 'ok' : 'failed']++;
          if (result.local) return this.#couldNotAsk(key, result.detail);
          if (state.state === 'unknown') return;
          this.#book.probeResult(key, state.state === 'up', result.detail, modules.now());
        },
      },
    );
    this.#arm();
  }

  /**
   * Watches these targets and no others. Slots of targets that are gone stay theirs until `release`. False if
   * there are more than TARGETS_MAX: then nothing is changed.
   */
  watch(targets: ReadonlyMap<string, HealthTarget>): boolean {
    const fresh = [...targets.keys()].filter((key) => this.#slots.slotOf(key) === undefined);
    if (this.#slots.size + fresh.length > TARGETS_MAX) return false;
    this.#targets = targets;
    for (const key of fresh) this.#store(key, { state: 'up', basis: 'held', up: 0, known: 0 });
    const list = [...targets.values()];
    this.#book.setTargets(list.map(observed), this.#modules.now());
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
    return this.#book.report(report, this.#modules.now());
  }

  describe(key: string): TargetDescription | undefined {
    return this.#book.describe(key, this.#modules.now());
  }

  get targets(): ReadonlyMap<string, HealthTarget> {
    return this.#targets;
  }

  get reporters(): readonly ReporterDescription[] {
    return this.#book.reporters(this.#modules.now());
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

  /** Targets by verdict; `unknown` are those whose last verdict is held. */
  get counts(): { up: number; down: number; unknown: number } {
    const counts = { up: 0, down: 0, unknown: 0 };
    for (const key of this.#targets.keys()) {
      const verdict = this.#book.verdict(key);
      if (verdict) counts[verdict.basis === 'held' ? 'unknown' : verdict.state]++;
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

  #arm(): void {
    this.#timer = this.#modules.timers.setTimeout(() => {
      this.#book.expire(this.#modules.now());
      this.#arm();
    }, EXPIRE_MS);
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
    this.#store(key, next);
    if (next.state === previous.state) return;
    this.#changes++;
    const target = this.#targets.get(key);
    const seen = this.#book.describe(key, this.#modules.now())?.observers ?? [];
    const facts = {
      target: target?.host,
      monitor: target?.monitor?.name,
      observers: seen.map(({ observer, view, detail }) => `${observer}: ${view} (${detail})`),
    };
    this.#modules.log[next.state === 'down' ? 'warn' : 'info'](facts, `${target?.host} is ${next.state}`);
  }

  #store(key: string, verdict: Verdict): void {
    const slot = this.#slots.take(key);
    if (slot === undefined) return;
    const word = packHealth({
      down: verdict.state === 'down',
      forced: false,
      unknown: verdict.basis === 'held',
      ttlSeconds: Number.POSITIVE_INFINITY,
    });
    Atomics.store(this.table, slot, word);
  }
}

function observed({ key, monitor, proxy, service }: HealthTarget) {
  return {
    key,
    quorum: monitor?.quorum ?? ('majority' as const),
    probed: monitor !== undefined,
    ...(monitor && { intervalMs: monitor.intervalMs }),
    ...(proxy !== undefined && { proxy }),
    ...(service !== undefined && { service }),
  };
}
