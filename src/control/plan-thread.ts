import { Worker } from 'node:worker_threads';
import type { LocationTrie } from '../core/geo/location.js';
import type {
  FromPlanner,
  HealthNow,
  ImpactJob,
  PlanFindings,
  PlanImpact,
  PlanJob,
  PlanThreadStart,
  ToPlanner,
} from './plan-job.js';
import { sharedLocations } from './shared-locations.js';

/** Why there is no plan. */
export interface PlanFailure {
  readonly code: 'plan_busy' | 'plan_timeout' | 'plan_failed';
  /** For people. */
  readonly message: string;
}

/** Makes plans, one at a time. */
export interface PlanEngine {
  plan(job: PlanJob): Promise<PlanFindings | PlanFailure>;
  close(): Promise<void>;
}

/** Compares two sides; one of these, or of the plans, at a time. */
export interface ImpactEngine {
  compare(job: ImpactJob): Promise<PlanImpact | PlanFailure>;
}

export interface PlanThreadModules {
  /** Health words of targets as they are now. */
  readonly healthOf: (keys: readonly string[]) => HealthNow;
  /** The geo database in use. */
  readonly geo: () => LocationTrie | undefined;
}

export interface PlanThreadLimits {
  readonly jobMs: number;
  /** How many plans may wait, and for how long. */
  readonly queue: number;
  readonly waitMs: number;
  /** A thread without work ends after so long, and gives its memory back. */
  readonly idleMs: number;
}

/** Waiting and planning together take less than a connection of the API may be silent. */
export const PLAN_LIMITS: PlanThreadLimits = { jobMs: 20_000, queue: 4, waitMs: 8000, idleMs: 60_000 };
const BUSY: PlanFailure = {
  code: 'plan_busy',
  message: 'other plans are being made; try again in a few seconds',
};
const MIXED_UP: PlanFailure = { code: 'plan_failed', message: 'the plan thread answered something else' };
/** A zone of a million records, twice. */
const HEAP_MB_MAX = 4096;

type Work = Extract<ToPlanner, { readonly type: 'plan' | 'compare' }>;
type Result = Extract<FromPlanner, { readonly type: 'planned' | 'compared' }>;

interface Waiting {
  readonly work: Work;
  readonly resolve: (result: Result | PlanFailure) => void;
  readonly late: NodeJS.Timeout;
}

/** A PlanEngine in a thread of its own. A thread that fails or takes too long is replaced with the next plan. */
export class PlanThread implements PlanEngine, ImpactEngine {
  readonly #start: PlanThreadStart;
  readonly #modules: PlanThreadModules;
  readonly #limits: PlanThreadLimits;
  readonly #entry: URL;
  #worker: Worker | undefined;
  /** What the thread has. */
  #geo: LocationTrie | undefined;
  #current: Waiting | undefined;
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `entry`: for tests, another module in the place of the thread's own. */
  constructor(
    start: PlanThreadStart,
    modules: PlanThreadModules,
    limits: PlanThreadLimits = PLAN_LIMITS,
    entry: URL = new URL('./plan-worker.js', import.meta.url),
  ) {
    this.#start = start;
    this.#modules = modules;
    this.#limits = limits;
    this.#entry = entry;
  }

  async plan(job: PlanJob): Promise<PlanFindings | PlanFailure> {
    const result = await this.#ask({ type: 'plan', job });
    if ('code' in result) return result;
    return result.type === 'planned' ? result.findings : MIXED_UP;
  }

  async compare(job: ImpactJob): Promise<PlanImpact | PlanFailure> {
    const result = await this.#ask({ type: 'compare', job });
    if ('code' in result) return result;
    return result.type === 'compared' ? result.impact : MIXED_UP;
  }

  #ask(work: Work): Promise<Result | PlanFailure> {
    if (this.#closed) return Promise.resolve({ code: 'plan_failed', message: 'the node is closing' });
    if (this.#waiting.length >= this.#limits.queue) return Promise.resolve(BUSY);
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        const at = this.#waiting.findIndex((waiting) => waiting.late === late);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve(BUSY);
      }, this.#limits.waitMs);
      this.#waiting.push({ work, resolve, late });
      this.#next();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const message = 'the node is closing';
    for (const { resolve, late } of this.#waiting.splice(0)) {
      clearTimeout(late);
      resolve({ code: 'plan_failed', message });
    }
    const worker = this.#worker;
    this.#fail({ code: 'plan_failed', message });
    await worker?.terminate();
  }

  #next(): void {
    if (this.#current || this.#closed) return;
    const waiting = this.#waiting.shift();
    clearTimeout(this.#timer);
    if (!waiting) {
      this.#timer = setTimeout(() => this.#drop(), this.#limits.idleMs).unref();
      return;
    }
    clearTimeout(waiting.late);
    this.#current = waiting;
    const worker = this.#worker ?? this.#launch();
    worker.ref();
    this.#timer = setTimeout(() => {
      const message = `the plan took longer than ${this.#limits.jobMs / 1000} s, and was given up`;
      this.#fail({ code: 'plan_timeout', message });
    }, this.#limits.jobMs);
    const geo = this.#modules.geo();
    if (geo && geo !== this.#geo) {
      this.#geo = geo;
      this.#tell({ type: 'geo', geo: sharedLocations(geo) });
    }
    this.#tell(waiting.work);
  }

  #tell(message: ToPlanner): void {
    this.#worker?.postMessage(message);
  }

  #launch(): Worker {
    const worker = new Worker(this.#entry, {
      workerData: this.#start,
      name: 'plan',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    worker.on('message', (message: FromPlanner) => {
      if (worker === this.#worker) this.#hear(message);
    });
    const ended = (message: string) => {
      if (worker === this.#worker) this.#fail({ code: 'plan_failed', message });
    };
    worker.on('error', (error: Error) => ended(`the plan thread failed: ${error.message}`));
    worker.on('exit', () => ended('the plan thread ended'));
    this.#worker = worker;
    this.#geo = undefined;
    return worker;
  }

  #hear(message: FromPlanner): void {
    const { type } = message;
    switch (type) {
      case 'keys':
        this.#tell({ type: 'words', words: this.#modules.healthOf(message.keys) });
        return;
      case 'planned':
      case 'compared':
        this.#settle(message);
        return;
      case 'failed':
        this.#settle({ code: 'plan_failed', message: message.error });
        return;
      default: {
        const never: never = type;
        return never;
      }
    }
  }

  #settle(result: Result | PlanFailure): void {
    const current = this.#current;
    this.#current = undefined;
    this.#worker?.unref();
    current?.resolve(result);
    this.#next();
  }

  #fail(failure: PlanFailure): void {
    this.#drop();
    if (this.#current) this.#settle(failure);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const worker = this.#worker;
    this.#worker = undefined;
    this.#geo = undefined;
    void worker?.terminate();
  }
}
