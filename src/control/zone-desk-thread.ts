import { Worker } from 'node:worker_threads';
import type { ZoneEdit, ZoneEditResult } from '../sources/zone-edit.js';
import type { Tree } from '../sources/zone-names.js';
import {
  type Candidate,
  type CheckedChange,
  type DeskOptions,
  DirectDesk,
  type ListResult,
  type PartResult,
  type RecordQuery,
  type ZoneDesk,
} from './zone-desk.js';

/** A call of one method of a ZoneDesk. */
export type ToDesk = {
  [M in keyof ZoneDesk]: { readonly method: M; readonly args: Parameters<ZoneDesk[M]> };
}[keyof ZoneDesk];

export type FromDesk = { readonly result: unknown } | { readonly error: string };

/** The thread took too long, too much memory, or has too much to do. Nothing was changed. */
export class DeskError extends Error {}

/** Beyond this the thread reads the texts: about 20 ms. */
const DIRECT_CHARS_MAX = 64 * 1024;
const JOB_MS_MAX = 120_000;
/** Nodes of 16 MiB of YAML take about 1.6 GB, and up to three such texts are in memory. */
const HEAP_MB_MAX = 6144;
const WAITING_MAX = 64;
/** After so long without work the thread ends, and its memory goes back. */
const IDLE_MS = 60_000;

/** A ZoneDesk that works on large texts in a thread of its own, one job at a time. Rejects with a DeskError. */
export class DeskThread implements ZoneDesk {
  readonly #options: DeskOptions;
  readonly #entry: URL;
  readonly #direct: DirectDesk;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #work: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** `entry`: for tests, another module in the place of the thread's own. */
  constructor(options: DeskOptions, entry: URL = new URL('./zone-desk-worker.js', import.meta.url)) {
    this.#options = options;
    this.#entry = entry;
    this.#direct = new DirectDesk(options);
  }

  edit(...args: [string, string, ZoneEdit]): Promise<ZoneEditResult> {
    const [, text, edit] = args;
    const chars = text.length + ('value' in edit ? charsOf(edit.value) : 0);
    return this.#call({ method: 'edit', args }, chars, () => this.#direct.edit(...args));
  }

  compose(...args: [Tree]): Promise<string> {
    return this.#call({ method: 'compose', args }, charsOf(args[0]), () => this.#direct.compose(...args));
  }

  check(candidates: readonly Candidate[]): Promise<CheckedChange> {
    const chars = candidates.reduce(
      (sum, one) => sum + (one.before?.length ?? 0) + (one.after?.length ?? 0),
      0,
    );
    return this.#call({ method: 'check', args: [candidates] }, chars, () => this.#direct.check(candidates));
  }

  list(...args: [string, string, string, RecordQuery]): Promise<ListResult> {
    return this.#call({ method: 'list', args }, args[1].length, () => this.#direct.list(...args));
  }

  async listed(...args: [string, string, RecordQuery]): Promise<ListResult | undefined> {
    const known = await this.#direct.listed(...args);
    if (known || !this.#worker) return known;
    return this.#call({ method: 'listed', args }, Number.POSITIVE_INFINITY, () => Promise.resolve(undefined));
  }

  /** Always in the thread: nobody has looked how large it is. */
  listMaster(...args: [string, string, string, RecordQuery]): Promise<ListResult> {
    return this.#call({ method: 'listMaster', args }, Number.POSITIVE_INFINITY, () =>
      this.#direct.listMaster(...args),
    );
  }

  part(...args: [string, string, readonly string[]]): Promise<PartResult> {
    return this.#call({ method: 'part', args }, args[1].length, () => this.#direct.part(...args));
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  async #call<T>(call: ToDesk, chars: number, direct: () => Promise<T>): Promise<T> {
    if (chars <= DIRECT_CHARS_MAX) return direct();
    if (this.#waiting >= WAITING_MAX) throw new DeskError('too many changes of large zones wait: try again');
    this.#waiting++;
    const turn = this.#work.then(() => this.#ask(call));
    this.#work = turn.catch(() => undefined);
    try {
      return (await turn) as T;
    } finally {
      this.#waiting--;
    }
  }

  #ask(call: ToDesk): Promise<unknown> {
    clearTimeout(this.#idle);
    const worker = this.#worker ?? this.#launch();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(late);
        worker.off('message', onMessage).off('error', onError).off('exit', onExit);
        settle();
      };
      const fail = (why: string) =>
        end(() => {
          if (this.#worker === worker) this.#worker = undefined;
          void worker.terminate();
          reject(new DeskError(`the zone could not be worked on: ${why}; nothing was changed`));
        });
      const onMessage = (reply: FromDesk) => {
        if ('error' in reply) return fail(reply.error);
        end(() => {
          this.#idle = setTimeout(() => void this.close(), IDLE_MS);
          this.#idle.unref();
          resolve(reply.result);
        });
      };
      const onError = (error: Error) => fail(error.message);
      const onExit = () => fail('its thread ended');
      const late = setTimeout(() => fail('it took longer than two minutes'), JOB_MS_MAX);
      worker.on('message', onMessage).on('error', onError).on('exit', onExit);
      worker.postMessage(call);
    });
  }

  #launch(): Worker {
    const worker = new Worker(this.#entry, {
      workerData: this.#options,
      name: 'zone-desk',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    // It must not keep a node from ending; a job that waits for it has a timer.
    worker.unref();
    this.#worker = worker;
    return worker;
  }
}

/** Of data about as many characters of YAML are made. */
function charsOf(value: unknown): number {
  return JSON.stringify(value)?.length ?? 0;
}
