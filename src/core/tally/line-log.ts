/** Where lines are put, one batch after the other. */
export interface LineSink {
  /** Adds whole lines. Rejects where they could not be written; the next batch tries anew. */
  write(lines: string): Promise<void>;
  /** The next batch opens the file anew: it may have been renamed. */
  reopen(): void;
  close(): Promise<void>;
}

/** The main thread's side of a ring that a worker fills. */
export interface RecordRing<R> {
  /** Records that found no place, since the start. */
  readonly lost: number;
  /** The oldest ones, which make room then. */
  take(most: number): readonly R[];
}

export interface LineLogModules {
  readonly sink: LineSink;
  /** The memory of the workers' rings. */
  readonly rings: () => readonly SharedArrayBuffer[];
  readonly timers: { set(callback: () => void, delayMs: number): unknown; clear(timer: unknown): void };
  readonly log: { error(facts: object, message: string): void };
}

/** What a log is of. */
export interface LineLogKind<R> {
  /** `query log`: for what is said of it. */
  readonly name: string;
  readonly open: (memory: SharedArrayBuffer) => RecordRing<R>;
  /** Without the end of the line. */
  readonly lineOf: (record: R, worker: number) => string;
}

const DRAIN_MS = 100;
/** Of one worker at once; the rest waits in its ring. */
const BATCH = 2000;

/**
 * Writes what the workers put into their rings, ten times a second. While a batch is being written the rings fill, and
 * then lose: no worker waits for a disk.
 */
export class LineLog<R> {
  readonly #modules: LineLogModules;
  readonly #kind: LineLogKind<R>;
  readonly #rings = new Map<SharedArrayBuffer, RecordRing<R>>();
  #timer: unknown;
  #drained: Promise<void> = Promise.resolve();
  #isFailing = false;
  #written = 0;
  #failed = 0;
  #closed = false;

  constructor(modules: LineLogModules, kind: LineLogKind<R>) {
    this.#modules = modules;
    this.#kind = kind;
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
    this.#modules.timers.clear(this.#timer);
    await this.#drained;
    await this.#drain();
    await this.#modules.sink.close();
  }

  #arm(): void {
    if (this.#closed) return;
    this.#timer = this.#modules.timers.set(() => {
      this.#drained = this.#drain().then(() => this.#arm());
    }, DRAIN_MS);
  }

  async #drain(): Promise<void> {
    const { lineOf, name } = this.#kind;
    const lines = this.#modules.rings().flatMap((memory, worker) =>
      this.#ring(memory)
        .take(BATCH)
        .map((record) => `${lineOf(record, worker)}\n`),
    );
    if (lines.length === 0) return;
    try {
      await this.#modules.sink.write(lines.join(''));
      this.#written += lines.length;
      this.#isFailing = false;
    } catch (error) {
      this.#failed += lines.length;
      if (!this.#isFailing) this.#modules.log.error({ error: String(error) }, `the ${name} is not written`);
      this.#isFailing = true;
    }
  }

  #ring(memory: SharedArrayBuffer): RecordRing<R> {
    const known = this.#rings.get(memory) ?? this.#kind.open(memory);
    this.#rings.set(memory, known);
    return known;
  }
}
