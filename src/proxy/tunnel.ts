import type { Socket } from 'node:net';
import { abort } from './abort.js';
import type { ListenerCounters } from './counters.js';
import type { Deadlines, Timed } from './deadlines.js';

/**
 * Two sockets joined: bytes, backpressure and half-closes go both ways. Each direction holds at most one chunk
 * beyond what the sockets buffer. An error on one side resets the other, so that an abort stays an abort.
 */
export class Tunnel implements Timed {
  deadlineMs: number;
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #idleMs: number;
  readonly #deadlines: Deadlines;
  readonly #onClose: () => void;
  #open = 2;

  constructor(
    sockets: { readonly client: Socket; readonly upstream: Socket },
    options: { readonly idleMs: number; readonly counters: ListenerCounters },
    modules: { readonly deadlines: Deadlines; readonly onClose: () => void },
  ) {
    this.#client = sockets.client;
    this.#upstream = sockets.upstream;
    this.#idleMs = options.idleMs;
    this.#deadlines = modules.deadlines;
    this.#onClose = modules.onClose;
    this.deadlineMs = this.#deadlines.nowMs + this.#idleMs;
    this.#deadlines.add(this);
    const { counters } = options;
    this.#join(this.#client, this.#upstream, (bytes) => {
      counters.bytesIn += bytes;
    });
    this.#join(this.#upstream, this.#client, (bytes) => {
      counters.bytesOut += bytes;
    });
  }

  onDeadline(): void {
    this.destroy();
  }

  destroy(): void {
    this.#client.destroy();
    this.#upstream.destroy();
  }

  #join(from: Socket, to: Socket, count: (bytes: number) => void): void {
    from.on('data', (chunk: Buffer) => {
      count(chunk.length);
      this.deadlineMs = this.#deadlines.nowMs + this.#idleMs;
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => from.resume());
    from.on('end', () => to.end());
    from.on('error', () => abort(to));
    from.on('close', () => this.#closed(from, to));
    // What was written before the join may still wait for a drain.
    if (to.writableNeedDrain) from.pause();
    else from.resume();
  }

  #closed(side: Socket, other: Socket): void {
    if (!side.readableEnded) abort(other);
    if (--this.#open > 0) return;
    this.#deadlines.delete(this);
    this.#onClose();
  }
}
