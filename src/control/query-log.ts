import { type LineNames, logLine } from '../core/query-log/line.js';
import { QueryRing } from '../core/query-log/ring.js';
import type { LineSink } from '../sources/log-file.js';

export interface QueryLogModules {
  readonly sink: LineSink;
  /** The memory of the workers' rings. */
  readonly rings: () => readonly SharedArrayBuffer[];
  readonly names: Omit<LineNames, 'worker'>;
  readonly timers: { setTimeout(run: () => void, ms: number): unknown; clearTimeout(timer: unknown): void };
  readonly log: { error(facts: object, message: string): void };
}

const DRAIN_MS = 100;
/** Of one worker at once; the rest waits in its ring. */
const BATCH = 2000;

/**
 * Writes what the workers put into their rings, ten times a second. While a batch is being written the rings fill, and
 * then lose: no worker waits for a disk.
 */
export class QueryLog {
  readonly #modules: QueryLogModules;
  readonly #rings = new Map<SharedArrayBuffer, QueryRing>();
  #timer: unknown;
  #drained: Promise<void> = Promise.resolve();
  #isFailing = false;
  #written = 0;
  #failed = 0;
  #closed = false;

  constructor(modules: QueryLogModules) {
    this.#modules = modules;
    this.#arm();
  }

  /** Lines since the start: written, lost for want of room in a ring, and not taken by the file. */
  get lines(): { readonly written: number; readonly lost: number; readonly failed: number } {
    const lost = this.#modules.rings().reduce((sum, memory) => sum + this.#ring(memory).lost, 0);
    return { written: this.#written, lost, failed: this.#failed };
  }

  /** The file may have been renamed. */
  reopen(): void {
    this.#modules.sink.reopen();
  }

  /** Writes what is left, and ends. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#modules.timers.clearTimeout(this.#timer);
    await this.#drained;
    await this.#drain();
    await this.#modules.sink.close();
  }

  #arm(): void {
    if (this.#closed) return;
    this.#timer = this.#modules.timers.setTimeout(() => {
      this.#drained = this.#drain().then(() => this.#arm());
    }, DRAIN_MS);
  }

  async #drain(): Promise<void> {
    const lines = this.#modules.rings().flatMap((memory, worker) =>
      this.#ring(memory)
        .take(BATCH)
        .map((record) => `${logLine(record, { ...this.#modules.names, worker })}\n`),
    );
    if (lines.length === 0) return;
    try {
      await this.#modules.sink.write(lines.join(''));
      this.#written += lines.length;
      this.#isFailing = false;
    } catch (error) {
      this.#failed += lines.length;
      if (!this.#isFailing) this.#modules.log.error({ error: String(error) }, 'the query log is not written');
      this.#isFailing = true;
    }
  }

  #ring(memory: SharedArrayBuffer): QueryRing {
    const known = this.#rings.get(memory) ?? new QueryRing(memory);
    this.#rings.set(memory, known);
    return known;
  }
}
