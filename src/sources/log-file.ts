import { type FileHandle, open, rename } from 'node:fs/promises';

/** Where lines are put, one batch after the other. */
export interface LineSink {
  /** Adds whole lines. Rejects where they could not be written; the next batch tries anew. */
  write(lines: string): Promise<void>;
  /** The next batch opens the file anew: it may have been renamed. */
  reopen(): void;
  close(): Promise<void>;
}

/** Appends to a file that only its owner may read. From `maxBytes` on it is renamed to end in `.1`, and a new one begins. */
export class LogFile implements LineSink {
  readonly #path: string;
  readonly #maxBytes: number;
  #file: FileHandle | undefined;
  #size = 0;
  #isStale = false;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  async write(lines: string): Promise<void> {
    if (this.#isStale) await this.close();
    this.#isStale = false;
    try {
      const file = await this.#open();
      await file.appendFile(lines);
      this.#size += Buffer.byteLength(lines);
      if (this.#size < this.#maxBytes) return;
      await this.close();
      await rename(this.#path, `${this.#path}.1`);
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
  }

  reopen(): void {
    this.#isStale = true;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #open(): Promise<FileHandle> {
    if (this.#file) return this.#file;
    this.#file = await open(this.#path, 'a', 0o600);
    this.#size = (await this.#file.stat()).size;
    return this.#file;
  }
}

/** Standard error, beside the node's own log. */
export const STDERR_SINK: LineSink = {
  write: (lines) =>
    new Promise((resolve, reject) => {
      process.stderr.write(lines, (error) => (error ? reject(error) : resolve()));
    }),
  reopen() {},
  async close() {},
};
