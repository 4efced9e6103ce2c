import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import type { LineSink } from '../core/tally/line-log.js';

/** Appends to a file that only its owner may read. From `maxBytes` on it is renamed to end in `.1`, and a new one begins. */
export class LogFile implements LineSink {
  readonly #path: string;
  readonly #maxBytes: number;
  #file: FileHandle | undefined;
  #size = 0;
  #inode = 0;
  #isStale = false;
  /** Half a line may be at the end: a disk that is full takes what it can. */
  #isTorn = false;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  async write(lines: string): Promise<void> {
    if (this.#isStale) await this.close();
    this.#isStale = false;
    try {
      const file = await this.#open();
      const text = this.#isTorn ? `\n${lines}` : lines;
      this.#isTorn = true;
      await file.appendFile(text);
      this.#isTorn = false;
      this.#size += Buffer.byteLength(text);
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

  /** Opens the file anew if it is not at its path any more: what is written to a file that was removed is lost. */
  async follow(): Promise<void> {
    if (!this.#file) return;
    const inode = await stat(this.#path).then(
      ({ ino }) => ino,
      () => undefined,
    );
    if (inode !== this.#inode) this.#isStale = true;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #open(): Promise<FileHandle> {
    if (this.#file) return this.#file;
    this.#file = await open(this.#path, 'a', 0o600);
    const { size, ino } = await this.#file.stat();
    this.#size = size;
    this.#inode = ino;
    return this.#file;
  }
}

/** Standard error, beside the node's own log. */
export const STDERR_SINK: LineSink = streamSink(process.stderr);

export const STDOUT_SINK: LineSink = streamSink(process.stdout);

function streamSink(stream: NodeJS.WriteStream): LineSink {
  return {
    write: (lines) =>
      new Promise((resolve, reject) => {
        stream.write(lines, (error) => (error ? reject(error) : resolve()));
      }),
    reopen() {},
    async close() {},
  };
}
