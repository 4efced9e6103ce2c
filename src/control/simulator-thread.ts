import { serialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { SnapshotIndex } from '../core/answer/build.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import type { SimulationQuestion } from '../core/census/simulate.js';
import type { LocationTrie } from '../core/geo/location.js';
import type { ZoneFileOptions } from '../sources/zone-file.js';
import { sharedLocations } from './shared-locations.js';
import {
  SIMULATIONS_MAX,
  type SimulationBase,
  type SimulationReply,
  type Simulator,
  type SimulatorBusy,
} from './simulator.js';
import type { FromSimulator, ToSimulator } from './simulator-protocol.js';

/** One simulation; longer ones are given up. */
const RUN_MS_MAX = 8_000;
/** How long a simulation may wait for others. */
const WAIT_MS_MAX = 10_000;
/** Without a question for so long the thread ends, and its memory goes back. */
const IDLE_MS_MAX = 120_000;
const HEAP_MB_MAX = 2048;

interface Waiting {
  readonly base: SimulationBase;
  readonly question: SimulationQuestion;
  readonly resolve: (reply: SimulationReply | SimulatorBusy) => void;
  /** Since when it waits. */
  readonly sinceMs: number;
}

/**
 * A Simulator in a thread of its own, which begins with the first question: neither the threads that answer nor the
 * main thread wait for a census. One question at a time; the others wait, a few of them.
 */
export class SimulatorThread implements Simulator {
  readonly #options: ZoneFileOptions;
  readonly #entry: URL;
  readonly #waiting: Waiting[] = [];
  #running:
    | { readonly number: number; readonly waiting: Waiting; readonly timer: NodeJS.Timeout }
    | undefined;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #number = 0;
  /** What the thread has. */
  #snapshot: Snapshot | undefined;
  #geo: LocationTrie | undefined;
  #closed = false;

  /** `options`: for the zones of plans. `entry`: for tests, another module in the place of the thread's own. */
  constructor(options: ZoneFileOptions = {}, entry: URL = new URL('./simulator-worker.js', import.meta.url)) {
    this.#options = options;
    this.#entry = entry;
  }

  run(base: SimulationBase, question: SimulationQuestion): Promise<SimulationReply | SimulatorBusy> {
    if (this.#closed) return Promise.resolve({ code: 'failed', message: 'the node is ending' });
    if (this.#waiting.length >= SIMULATIONS_MAX) {
      return Promise.resolve({ code: 'busy', message: `${SIMULATIONS_MAX} simulations wait already` });
    }
    return new Promise((resolve) => {
      this.#waiting.push({ base, question, resolve, sinceMs: performance.now() });
      this.#next();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { resolve } of this.#waiting.splice(0)) {
      resolve({ code: 'failed', message: 'the node is ending' });
    }
    await this.#end('the node is ending');
  }

  #next(): void {
    if (this.#running) return;
    const waiting = this.#waiting.shift();
    if (!waiting) return;
    // Who asked has given up by then.
    if (performance.now() - waiting.sinceMs > WAIT_MS_MAX) {
      waiting.resolve({ code: 'busy', message: 'other simulations took too long' });
      this.#next();
      return;
    }
    clearTimeout(this.#idle);
    const number = ++this.#number;
    const timer = setTimeout(
      () => void this.#end(`the simulation took longer than ${RUN_MS_MAX / 1000} s`),
      RUN_MS_MAX,
    );
    this.#running = { number, waiting, timer };
    try {
      const worker = this.#worker ?? this.#launch();
      worker.postMessage(this.#message(number, waiting));
    } catch (error) {
      this.#finish({ code: 'failed', message: String(error) });
    }
  }

  #message(number: number, { base, question }: Waiting): ToSimulator {
    const { snapshot, geo, health } = base;
    const message: ToSimulator = {
      number,
      ...(geo !== this.#geo && { geo: sharedLocations(geo) }),
      ...(snapshot !== this.#snapshot && {
        tables: { snapshot, index: new Uint8Array(serialize(plainIndex(base.index()))) },
      }),
      health: Int32Array.from(health),
      question,
      ...(base.planned && { planned: base.planned }),
    };
    this.#geo = geo;
    this.#snapshot = snapshot;
    return message;
  }

  #launch(): Worker {
    const worker = new Worker(this.#entry, {
      name: 'simulator',
      workerData: this.#options,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    worker.unref();
    worker.on('message', (message: FromSimulator) => {
      if (message.number !== this.#running?.number) return;
      if ('reply' in message) this.#finish(message.reply);
      else this.#finish({ code: 'failed', message: message.error });
    });
    const fail = (why: string) => {
      if (worker === this.#worker) void this.#end(why);
    };
    worker.on('error', (error: Error) => fail(String(error)));
    worker.on('exit', () => fail('the simulator thread ended'));
    this.#worker = worker;
    return worker;
  }

  #finish(reply: SimulationReply | SimulatorBusy): void {
    const running = this.#running;
    if (!running) return;
    clearTimeout(running.timer);
    this.#running = undefined;
    running.waiting.resolve(reply);
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.#end('idle'), IDLE_MS_MAX).unref();
    this.#next();
  }

  /** Ends the thread; the next question begins with another one. */
  async #end(why: string): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    this.#snapshot = undefined;
    this.#geo = undefined;
    this.#finish({ code: 'failed', message: why });
    if (this.#closed) clearTimeout(this.#idle);
    await worker?.terminate();
  }
}

/** Without the methods, which do not pass from thread to thread. */
function plainIndex({ zones, pools, endpoints, steerings, outside }: SnapshotIndex): SnapshotIndex {
  return { zones, pools, endpoints, steerings, outside };
}
