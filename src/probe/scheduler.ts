/**
 * Runs the probes of all targets, each at its interval, a bounded number at once.
 *
 * Targets that would ask the same question (same host, same settings) share one *job*: one probe, one state. A job
 * waits for its time, then in a queue for a free place, then runs:
 *
 *      waiting ──due──▶ queued ──place free──▶ running ──result──▶ waiting
 */

import { afterProbe, type TargetState, type TargetStep, UNOBSERVED } from '../core/health/target.js';
import type { Monitor } from '../core/zone/model.js';
import type { ProbeResult } from './attempt.js';
import type { Check, Probe } from './probe.js';

/** The parts of a monitor that the scheduler and its probes need. */
export type ProbeMonitor = Check & Pick<Monitor, 'intervalMs' | 'fall' | 'rise' | 'okReset'>;

export interface ProbeTarget {
  readonly key: string;
  /** Address or name to connect to. */
  readonly host: string;
  readonly monitor: ProbeMonitor;
}

/** `{ setTimeout, clearTimeout }` of Node.js, or a test's own. */
export interface Timers {
  setTimeout(run: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
}

export interface SchedulerModules {
  readonly probe: Probe;
  /** Milliseconds that never go back (`performance.now`). */
  readonly clock: () => number;
  readonly timers: Timers;
  /** 0 up to 1. */
  readonly random: () => number;
  /** Probes that run at once. Default 256. */
  readonly maxConcurrent?: number;
}

export interface SchedulerHandlers {
  /** After every probe, for each target that it stands for; `changed` also on a target's first result. */
  onResult(key: string, state: TargetState, result: ProbeResult, changed: boolean): void;
}

/**
 * An interval is shortened by up to this part of it, at random, so that probes spread out. Never lengthened:
 * `fall` failures must fit into `interval × fall + timeout`.
 */
export const JITTER_MAX = 0.1;
export const CONCURRENT_DEFAULT = 256;
/** A probe keeps its own timeout; one that breaks that promise for so long more is given up. */
export const OVERRUN_MS = 1_000;
const FIRST_ROUND_LIMIT_MS = 30_000;

interface Job {
  readonly identity: string;
  readonly host: string;
  readonly monitor: ProbeMonitor;
  readonly keys: Set<string>;
  state: TargetState;
  last: ProbeResult | undefined;
  /** Until the next run while waiting, until it is given up while running. */
  timer: unknown;
  /** Present while running. */
  controller: AbortController | undefined;
}

export class ProbeScheduler {
  readonly #modules: SchedulerModules;
  readonly #handlers: SchedulerHandlers;
  readonly #concurrentMax: number;
  readonly #jobs = new Map<string, Job>();
  readonly #jobOfKey = new Map<string, Job>();
  /** Insertion order is the order of service; a job that is removed leaves in constant time. */
  readonly #queue = new Set<Job>();
  readonly #rounds = new Set<{ readonly awaited: Set<Job>; readonly done: () => void }>();
  #running = 0;
  #closed = false;

  constructor(modules: SchedulerModules, handlers: SchedulerHandlers) {
    this.#modules = modules;
    this.#handlers = handlers;
    this.#concurrentMax = Math.max(modules.maxConcurrent ?? CONCURRENT_DEFAULT, 1);
  }

  /** Replaces the targets: those that stay the same go on undisturbed. Of equal keys the last one counts. */
  set(targets: readonly ProbeTarget[]): void {
    const wanted = new Map(targets.map((target) => [target.key, target]));
    for (const key of [...this.#jobOfKey.keys()]) if (!wanted.has(key)) this.remove(key);
    for (const target of wanted.values()) this.add(target);
  }

  /** Adds one target or replaces the one with this key. Its first probe starts as soon as a place is free. */
  add(target: ProbeTarget): void {
    if (this.#closed) return;
    const identity = identityOf(target);
    const current = this.#jobOfKey.get(target.key);
    if (current?.identity === identity) return;
    if (current) this.remove(target.key);
    const existing = this.#jobs.get(identity);
    const job = existing ?? newJob(identity, target);
    job.keys.add(target.key);
    this.#jobOfKey.set(target.key, job);
    if (!existing) {
      this.#jobs.set(identity, job);
      this.#queue.add(job);
      this.#fill();
    } else if (job.last) {
      this.#handlers.onResult(target.key, job.state, job.last, true);
    }
  }

  /** Stops a target at once; a probe under way is called off, and its result is dropped. */
  remove(key: string): void {
    const job = this.#jobOfKey.get(key);
    if (!job) return;
    this.#jobOfKey.delete(key);
    job.keys.delete(key);
    if (job.keys.size > 0) return;
    this.#jobs.delete(job.identity);
    this.#queue.delete(job);
    this.#modules.timers.clearTimeout(job.timer);
    if (job.controller) this.#leave(job)?.abort();
    this.#answered(job);
    this.#fill();
  }

  /** Resolves when every target present now has had a result or was removed, or after `limitMs`. */
  firstRound(limitMs: number = FIRST_ROUND_LIMIT_MS): Promise<void> {
    const awaited = new Set([...this.#jobs.values()].filter((job) => !job.last));
    if (awaited.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const { timers } = this.#modules;
      const round = {
        awaited,
        done: () => {
          timers.clearTimeout(timer);
          this.#rounds.delete(round);
          resolve();
        },
      };
      const timer = timers.setTimeout(round.done, limitMs);
      this.#rounds.add(round);
    });
  }

  /** Stops everything; whoever waits for a first round goes on. */
  close(): void {
    this.#closed = true;
    this.#queue.clear();
    for (const key of [...this.#jobOfKey.keys()]) this.remove(key);
  }

  get stats(): { readonly jobs: number; readonly running: number; readonly queued: number } {
    return { jobs: this.#jobs.size, running: this.#running, queued: this.#queue.size };
  }

  #fill(): void {
    for (const job of this.#queue) {
      if (this.#running >= this.#concurrentMax) return;
      this.#queue.delete(job);
      this.#run(job);
    }
  }

  #run(job: Job): void {
    const { probe, clock, timers } = this.#modules;
    const controller = new AbortController();
    const startMs = clock();
    job.controller = controller;
    this.#running++;
    const finish = (result: ProbeResult): void => {
      // A job that was removed or given up has no or another controller: this result comes too late.
      if (job.controller !== controller) return;
      timers.clearTimeout(job.timer);
      this.#leave(job);
      this.#finished(job, result, startMs);
    };
    const { timeoutMs } = job.monitor;
    job.timer = timers.setTimeout(() => {
      finish({ ok: false, detail: `timeout after ${timeoutMs} ms`, elapsedMs: clock() - startMs });
      controller.abort();
    }, timeoutMs + OVERRUN_MS);
    // The wrapper turns an exception of a faulty probe into a rejection.
    const asked = new Promise<ProbeResult>((resolve) => {
      resolve(probe(job.host, job.monitor, controller.signal));
    });
    asked.then(finish, (error: unknown) =>
      finish({ ok: false, detail: `probe failed: ${String(error)}`, elapsedMs: clock() - startMs }),
    );
  }

  /** Gives the place of a running job free. */
  #leave(job: Job): AbortController | undefined {
    const controller = job.controller;
    job.controller = undefined;
    this.#running--;
    return controller;
  }

  #finished(job: Job, result: ProbeResult, startMs: number): void {
    const step = afterProbe(job.state, result.ok, job.monitor);
    job.state = step.next;
    job.last = result;
    job.timer = this.#modules.timers.setTimeout(
      () => {
        this.#queue.add(job);
        this.#fill();
      },
      this.#delayMs(job, startMs),
    );
    this.#tell(job, step, result);
    this.#answered(job);
    this.#fill();
  }

  /** Intervals count from start to start, so that slow answers don't slow the detection of a failure. */
  #delayMs(job: Job, startMs: number): number {
    const { clock, random } = this.#modules;
    const periodMs = job.monitor.intervalMs * (1 - JITTER_MAX * random());
    return Math.max(startMs + periodMs - clock(), 0);
  }

  /** A handler may add and remove targets, this one among them. */
  #tell(job: Job, step: TargetStep, result: ProbeResult): void {
    for (const key of [...job.keys]) {
      if (job.keys.has(key)) this.#handlers.onResult(key, step.next, result, step.changed);
    }
  }

  #answered(job: Job): void {
    for (const round of this.#rounds) {
      round.awaited.delete(job);
      if (round.awaited.size === 0) round.done();
    }
  }
}

function newJob(identity: string, { host, monitor }: ProbeTarget): Job {
  return {
    identity,
    host,
    monitor,
    keys: new Set(),
    state: UNOBSERVED,
    last: undefined,
    timer: undefined,
    controller: undefined,
  };
}

/** Everything that makes two targets' probes and their judgement the same; not the monitor's name or quorum. */
function identityOf({ host, monitor: m }: ProbeTarget): string {
  const question = m.type === 'tcp' ? [] : [m.path, m.method, m.host ?? null, m.status];
  const trust = m.type === 'https' ? m.verify : null;
  return JSON.stringify([
    host,
    m.type,
    m.port,
    question,
    trust,
    m.intervalMs,
    m.timeoutMs,
    m.fall,
    m.rise,
    m.okReset,
  ]);
}
