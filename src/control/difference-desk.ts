import { Worker } from 'node:worker_threads';
import type { DifferenceJob } from './difference-worker.js';
import { type DifferenceOptions, type FilesDifference, filesDifference } from './revision-difference.js';
import type { FileTexts } from './revisions.js';

export interface DifferenceFailure {
  readonly code: 'too_large' | 'busy' | 'storage_io';
  readonly detail: string;
}

/** Beyond this a thread of its own reads the texts: about 20 ms. */
const DIRECT_CHARS_MAX = 64 * 1024;
const CHARS_MAX = 128 * 1024 * 1024;
const FILES_MAX = 10_000;
const JOB_MS_MAX = 60_000;
const HEAP_MB_MAX = 2048;
const WAITING_MAX = 8;

/** Compares zone files: small ones at once, large ones one job at a time beside the main thread. */
export class DifferenceDesk {
  readonly #options: DifferenceOptions;
  readonly #entry: URL;
  #work: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: DifferenceOptions, entry: URL = new URL('./difference-worker.js', import.meta.url)) {
    this.#options = options;
    this.#entry = entry;
  }

  async compare(texts: readonly FileTexts[]): Promise<FilesDifference | DifferenceFailure> {
    const chars = texts.reduce((sum, { before, after }) => sum + lengthOf(before) + lengthOf(after), 0);
    if (chars <= DIRECT_CHARS_MAX) return filesDifference(texts, this.#options);
    if (chars > CHARS_MAX || texts.length > FILES_MAX) {
      const detail = `${texts.length} files of ${chars} characters differ: more than can be compared at once`;
      return { code: 'too_large', detail };
    }
    if (this.#waiting >= WAITING_MAX) {
      return { code: 'busy', detail: 'other large comparisons are under way; try again in some seconds' };
    }
    this.#waiting++;
    const done = this.#work.then(() => this.#inThread({ texts, options: this.#options }));
    this.#work = done;
    try {
      return await done;
    } finally {
      this.#waiting--;
    }
  }

  #inThread(job: DifferenceJob): Promise<FilesDifference | DifferenceFailure> {
    return new Promise((resolve) => {
      const worker = new Worker(this.#entry, {
        workerData: job,
        name: 'difference',
        resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
      });
      const end = (result: FilesDifference | DifferenceFailure) => {
        clearTimeout(late);
        void worker.terminate();
        resolve(result);
      };
      const fail = (detail: string) =>
        end({ code: 'too_large', detail: `the files can not be compared: ${detail}` });
      const late = setTimeout(() => fail('it took longer than a minute'), JOB_MS_MAX);
      late.unref();
      worker.once('message', end);
      worker.once('error', (error) => fail(error instanceof Error ? error.message : String(error)));
      worker.once('exit', () => fail('the thread ended'));
    });
  }
}

function lengthOf(text: string | null | undefined): number {
  return text?.length ?? 0;
}
