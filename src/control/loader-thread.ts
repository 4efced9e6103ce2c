import { deserialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { SnapshotIndex } from '../core/answer/build.js';
import type { LocationTrie } from '../core/geo/location.js';
import type { AliasSlots, LoadedSnapshot, Loader, StagedZones, ZoneSource, ZoneSummary } from './loader.js';
import type { FromLoader, LoaderStart, ToLoader } from './loader-protocol.js';

/**
 * A thread that held more RRsets than this ends when its work is done: only so does all of its memory go back to the
 * system. The next change begins with a new one, which reads all zones, as it would have to anyway.
 */
const KEEP_RECORDS_MAX = 20_000;
/** A million records take seconds; what takes longer than this does not end. */
const JOB_MS_MAX = 600_000;
/** Three million records with some room; the thread fails then, and the node goes on with what it has. */
const HEAP_MB_MAX = 8192;

interface Job {
  readonly resolve: (reply: FromLoader) => void;
  readonly reject: (error: Error) => void;
}

/** A Loader in a thread of its own. A thread that fails is replaced with the next job, and its job rejects. */
export class LoaderThread implements Loader {
  readonly #start: LoaderStart;
  readonly #entry: URL;
  #worker: Worker | undefined;
  #job: Job | undefined;
  #geo: LocationTrie | undefined;
  /** What a new thread reads to hold what is served. */
  #source: ZoneSource | undefined;
  /** The most that the thread has held. */
  #records = 0;
  #closed = false;

  /** `entry`: for tests, another module in the place of the thread's own. */
  constructor(start: LoaderStart, entry: URL = new URL('./loader-worker.js', import.meta.url)) {
    this.#start = start;
    this.#entry = entry;
  }

  async useGeo(geo: LocationTrie): Promise<void> {
    this.#geo = shared(geo);
    if (this.#worker) await this.#ask({ type: 'geo', geo: this.#geo });
  }

  async stage(source: ZoneSource | 'served', served: readonly ZoneSummary[]): Promise<StagedZones> {
    const again = source === 'served' && !this.#worker ? (this.#source ?? source) : source;
    if (again !== 'served') this.#source = again;
    if (!this.#worker && this.#geo) {
      this.#launch();
      await this.#ask({ type: 'geo', geo: this.#geo });
    }
    const reply = await this.#ask({ type: 'stage', source: again, served });
    if (reply.type !== 'stage') throw outOfStep(reply);
    const records = reply.staged.zones.reduce((sum, zone) => sum + zone.records, 0);
    this.#records = Math.max(this.#records, records);
    return reply.staged;
  }

  async compile(
    id: number,
    slots: ReadonlyMap<string, number>,
    aliases?: AliasSlots,
  ): Promise<LoadedSnapshot> {
    const reply = await this.#ask({ type: 'compile', id, slots, ...(aliases && { aliases }) });
    if (reply.type !== 'compile') throw outOfStep(reply);
    let bytes: Uint8Array | undefined = reply.index;
    let index: SnapshotIndex | undefined;
    return {
      snapshot: reply.snapshot,
      pools: reply.pools,
      index: () => {
        index ??= deserialize(bytes!) as SnapshotIndex;
        bytes = undefined;
        return index;
      },
    };
  }

  async settle(outcome: 'served' | 'unchanged' | 'refused'): Promise<{ readonly saveError?: string }> {
    const reply = await this.#ask({ type: 'settle', outcome });
    if (reply.type !== 'settle') throw outOfStep(reply);
    const { type: _, ...rest } = reply;
    // What could not be saved exists in this thread only.
    if (this.#records > KEEP_RECORDS_MAX && rest.saveError === undefined) await this.#end();
    return rest;
  }

  /** Ends the thread; a job that is under way rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end();
  }

  #ask(message: ToLoader): Promise<FromLoader> {
    if (this.#closed) return Promise.reject(new Error('the loader is closed'));
    if (this.#job) return Promise.reject(new Error('the loader does one thing at a time'));
    const worker = this.#worker ?? this.#launch();
    worker.ref();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(worker, new Error(`the loader thread took longer than ${JOB_MS_MAX / 1000} s`));
        void worker.terminate();
      }, JOB_MS_MAX);
      const done = () => {
        clearTimeout(timer);
        worker.unref();
        this.#job = undefined;
      };
      this.#job = {
        resolve: (reply) => {
          done();
          if (reply.type === 'failed') reject(reply.error);
          else resolve(reply);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      worker.postMessage(message);
    });
  }

  #launch(): Worker {
    const worker = new Worker(this.#entry, {
      workerData: this.#start,
      name: 'loader',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    worker.on('message', (reply: FromLoader) => {
      if (worker === this.#worker) this.#job?.resolve(reply);
    });
    worker.on('error', (error: Error) => this.#fail(worker, error));
    worker.on('exit', () => this.#fail(worker, new Error('the loader thread ended')));
    this.#worker = worker;
    this.#records = 0;
    return worker;
  }

  #fail(worker: Worker, error: Error): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    this.#job?.reject(error);
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    this.#fail(worker, new Error('the loader is closed'));
    await worker.terminate();
  }
}

/** So that a new thread costs no copy of a million nodes. */
function shared(geo: LocationTrie): LocationTrie {
  if (geo.nodes.buffer instanceof SharedArrayBuffer) return geo;
  const nodes = new Int32Array(new SharedArrayBuffer(geo.nodes.byteLength));
  nodes.set(geo.nodes);
  return { ...geo, nodes };
}

function outOfStep(reply: FromLoader): Error {
  return new Error(`the loader thread answered ${reply.type}`);
}
