/**
 * Runs the probes of all targets, each at its interval, a bounded number at once.
 *
 * Targets that would ask the same question (same host, same settings) share one *job*: one probe, one state. A job
 * waits for its time on a timer wheel, then in a queue for a free place, then runs:
 *
 *      waiting ──due──▶ queued ──place free──▶ running ──result──▶ waiting
 *
 * The queue is fair among monitors: one whose targets all hang, and so hold their places for the whole timeout,
 * takes no more turns than the others.
 */

import { afterProbe, type TargetState, type TargetStep, UNOBSERVED } from '../core/health/target.js';
import type { ProbeResult } from './attempt.js';
import { FairQueue } from './fair-queue.js';
import { identityOf, type Job, type ProbeTarget, periodMs, settingsOf } from './job.js';
import type { Probe } from './probe.js';
import { TimerWheel, wheelTimer } from './timer-wheel.js';

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
  /** Probes that run at once; CONCURRENT_DEFAULT where absent. */
  readonly maxConcurrent?: number;
}

export interface ProbeDescription {
  readonly state: TargetState['state'];
  /** Until the next probe begins; 0 while one runs or waits for a place. */
  readonly nextInMs: number;
  readonly last?: ProbeResult;
}

export interface SchedulerHandlers {
  /**
   * After every probe, for each target that it stands for; `changed` also on a target's first result. One that is
   * `local` has changed nothing.
   */
  onResult(key: string, state: TargetState, result: ProbeResult, changed: boolean): void;
}

/**
 * An interval is shortened by up to this part of it, at random, so that probes spread out. Lengthened it is by a
 * tick at most: `fall` failures must fit into `interval × fall + timeout`.
 */
export const JITTER_MAX = 0.1;
/** The first interval of a job by up to this part: jobs that began together would stay together for many rounds. */
export const FIRST_JITTER_MAX = 0.9;
/** 20,000 targets every 10 s are 2,000 probes a second; so many places let each take half a second. */
export const CONCURRENT_DEFAULT = 1024;
/** Jobs of one tick start together: at 2,000 probes a second 40 of them. */
export const TICK_MS = 20;
const WHEEL_SLOTS = 1024;
/** A probe keeps its own timeout; one that breaks that promise for so long more is given up. */
export const OVERRUN_MS = 1_000;
const FIRST_ROUND_LIMIT_MS = 30_000;

export class ProbeScheduler {
  readonly #modules: SchedulerModules;
  readonly #handlers: SchedulerHandlers;
  readonly #concurrentMax: number;
  readonly #jobs = new Map<string, Job>();
  readonly #jobOfKey = new Map<string, Job>();
  readonly #queue = new FairQueue<Job>();
  readonly #wheel: TimerWheel;
  /** Turns the wheel. */
  #alarm: unknown;
  #alarmMs = Number.POSITIVE_INFINITY;
  readonly #rounds = new Set<{ readonly awaited: Set<Job>; readonly done: () => void }>();
  #running = 0;
  #closed = false;

  constructor(modules: SchedulerModules, handlers: SchedulerHandlers) {
    this.#modules = modules;
    this.#handlers = handlers;
    this.#concurrentMax = Math.max(modules.maxConcurrent ?? CONCURRENT_DEFAULT, 1);
    this.#wheel = new TimerWheel({ tickMs: TICK_MS, slots: WHEEL_SLOTS, startMs: modules.clock() });
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
    const job = existing ?? this.#newJob(identity, target);
    job.keys.add(target.key);
    this.#jobOfKey.set(target.key, job);
    if (!existing) {
      this.#jobs.set(identity, job);
      this.#queue.push(job.group, job);
      this.#fill();
    } else if (job.last) {
      this.#handlers.onResult(target.key, job.state, job.last, job.state.state !== 'unknown');
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
    this.#queue.delete(job.group, job);
    this.#wheel.cancel(job.timer);
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
    this.#modules.timers.clearTimeout(this.#alarm);
  }

  /** What is known of a target, and when it is probed next; undefined for a target that is not here. */
  describe(key: string): ProbeDescription | undefined {
    const job = this.#jobOfKey.get(key);
    if (!job) return undefined;
    const { state, last, controller } = job;
    const waits = last && !controller && job.timer.slot >= 0;
    const nextInMs = waits ? Math.max(job.nextMs - this.#modules.clock(), 0) : 0;
    return { state: state.state, nextInMs, ...(last && { last }) };
  }

  get stats(): { readonly jobs: number; readonly running: number; readonly queued: number } {
    return { jobs: this.#jobs.size, running: this.#running, queued: this.#queue.size };
  }

  #newJob(identity: string, { host, monitor }: ProbeTarget): Job {
    const job: Job = {
      identity,
      group: settingsOf(monitor),
      host,
      monitor,
      keys: new Set(),
      state: UNOBSERVED,
      last: undefined,
      timer: wheelTimer(() => this.#rang(job)),
      startMs: 0,
      nextMs: 0,
      controller: undefined,
    };
    return job;
  }

  #fill(): void {
    while (this.#running < this.#concurrentMax) {
      const job = this.#queue.shift();
      if (!job) return;
      this.#run(job);
    }
  }

  #run(job: Job): void {
    const { probe, clock } = this.#modules;
    const controller = new AbortController();
    job.startMs = clock();
    job.controller = controller;
    this.#running++;
    const finish = (result: ProbeResult): void => {
      // A job that was removed or given up has no or another controller: this result comes too late.
      if (job.controller === controller) this.#finished(job, result);
    };
    this.#set(job, job.startMs + job.monitor.timeoutMs + OVERRUN_MS);
    // The wrapper turns an exception of a faulty probe into a rejection.
    const asked = new Promise<ProbeResult>((resolve) => {
      resolve(probe(job.host, job.monitor, controller.signal));
    });
    asked.then(finish, (error: unknown) => finish(this.#failed(job, `probe failed: ${String(error)}`)));
  }

  /** The time of a job has come: to run again, or to be given up. */
  #rang(job: Job): void {
    const { controller } = job;
    if (!controller) {
      this.#queue.push(job.group, job);
      return;
    }
    this.#finished(job, this.#failed(job, `timeout after ${job.monitor.timeoutMs} ms`));
    controller.abort();
  }

  #failed(job: Job, detail: string): ProbeResult {
    return { ok: false, detail, elapsedMs: this.#modules.clock() - job.startMs };
  }

  #set(job: Job, atMs: number): void {
    this.#wheel.set(job.timer, atMs);
    this.#arm();
  }

  /** One timer for all: it rings at the next tick that has something to do. */
  #arm(): void {
    const { timers, clock } = this.#modules;
    const nextMs = this.#wheel.nextMs();
    if (nextMs === undefined || nextMs >= this.#alarmMs) return;
    timers.clearTimeout(this.#alarm);
    this.#alarmMs = nextMs;
    this.#alarm = timers.setTimeout(
      () => {
        this.#wheel.advance(clock());
        this.#fill();
        this.#alarmMs = Number.POSITIVE_INFINITY;
        if (!this.#closed) this.#arm();
      },
      Math.max(Math.ceil(nextMs - clock()), 1),
    );
  }

  /** Gives the place of a running job free. */
  #leave(job: Job): AbortController | undefined {
    const controller = job.controller;
    job.controller = undefined;
    this.#running--;
    return controller;
  }

  #finished(job: Job, result: ProbeResult): void {
    this.#leave(job);
    const jitterMax = job.last ? JITTER_MAX : FIRST_JITTER_MAX;
    // A probe that could not be made says nothing: the state holds, and nobody may take it for a fresh one.
    const step = result.local
      ? { next: job.state, changed: false }
      : afterProbe(job.state, result.ok, job.monitor);
    job.state = step.next;
    job.last = result;
    const shortened = 1 - jitterMax * this.#modules.random();
    job.nextMs = job.startMs + periodMs(job, result) * shortened;
    this.#set(job, job.nextMs);
    this.#tell(job, step, result);
    this.#answered(job);
    this.#fill();
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
