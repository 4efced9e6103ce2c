import type { Connection, ConnectionError, ConnectionHandler, Network } from '../io/network.js';
import { NO_SLOT } from '../io/roster.js';
import type { ListenerCounters } from './counters.js';
import type { Deadlines, Timed } from './deadlines.js';

/**
 * Reads of so many bytes are bulk, and after so many of them the kernel moves the rest. Measured: joined, a gigabyte takes
 * 130 to 190 ms of CPU instead of 360, and an exchange of messages of 1 to 64 KB no more than before; only the joining
 * itself costs something, so that short connections are left alone.
 */
const BULK_READ_BYTES = 16_384;
const JOIN_AFTER_BYTES = 262_144;

export interface TunnelOptions {
  readonly idleMs: number;
  readonly counters: ListenerCounters;
  /** Of both connections: it may be able to join them. Absent: bytes are always copied. */
  readonly network?: Network;
}

export interface TunnelModules {
  readonly deadlines: Deadlines;
  readonly onClientClose: () => void;
  readonly onUpstreamClose: () => void;
}

/**
 * Two connections joined: bytes, backpressure and half-closes go both ways. Each direction holds at most what was
 * read at once. An error on one side resets the other, so that an abort stays an abort.
 */
export class Tunnel implements ConnectionHandler, Timed {
  deadlineSlot = NO_SLOT;
  deadlineMs: number;
  readonly #client: Connection;
  readonly #upstream: Connection;
  readonly #options: TunnelOptions;
  readonly #modules: TunnelModules;
  /** Bytes of large reads, until the sides are joined. */
  #bulk = 0;
  /** Whose end was passed on. */
  #clientEnded = false;
  #upstreamEnded = false;

  constructor(
    connections: { readonly client: Connection; readonly upstream: Connection },
    options: TunnelOptions,
    modules: TunnelModules,
  ) {
    this.#client = connections.client;
    this.#upstream = connections.upstream;
    this.#options = options;
    this.#modules = modules;
    this.deadlineMs = modules.deadlines.nowMs + options.idleMs;
    modules.deadlines.add(this);
    for (const side of [this.#client, this.#upstream]) {
      side.handler = this;
      // What was written before the join may still wait.
      if (this.#other(side).queued > 0) side.pause();
      else side.resume();
    }
  }

  onDeadline(): void {
    this.destroy();
  }

  destroy(): void {
    this.#client.destroy();
    this.#upstream.destroy();
  }

  onOpen(): void {}

  onData(from: Connection, bytes: Uint8Array, start: number, end: number): void {
    this.#moved(from, end - start);
    const to = this.#other(from);
    if (from.peerEnded) to.endsNext();
    if (!to.write(bytes, start, end)) from.pause();
    if (end - start < BULK_READ_BYTES) return;
    this.#bulk += end - start;
    if (this.#bulk >= JOIN_AFTER_BYTES) this.#join();
  }

  onDrain(to: Connection): void {
    this.#other(to).resume();
    if (this.#bulk >= JOIN_AFTER_BYTES) this.#join();
  }

  onEnd(from: Connection): void {
    if (from === this.#client) this.#clientEnded = true;
    else this.#upstreamEnded = true;
    this.#other(from).end();
  }

  onClose(side: Connection, error: ConnectionError | null): void {
    // A side that had ended can still fail: what goes to it goes nowhere.
    const ended = side === this.#client ? this.#clientEnded : this.#upstreamEnded;
    if (error !== null || !ended) this.#other(side).reset();
    if (side === this.#client) this.#modules.onClientClose();
    else this.#modules.onUpstreamClose();
    if (this.#client.destroyed && this.#upstream.destroyed) this.#modules.deadlines.delete(this);
  }

  /** From here on the kernel moves the bytes, if it can. */
  #join(): void {
    if (this.#client.queued > 0 || this.#upstream.queued > 0) return;
    this.#bulk = Number.NEGATIVE_INFINITY;
    this.#options.network?.join?.(this.#client, this.#upstream, (from, bytes) => this.#moved(from, bytes));
  }

  #moved(from: Connection, bytes: number): void {
    if (from === this.#client) this.#options.counters.bytesIn += bytes;
    else this.#options.counters.bytesOut += bytes;
    this.deadlineMs = this.#modules.deadlines.nowMs + this.#options.idleMs;
  }

  #other(side: Connection): Connection {
    return side === this.#client ? this.#upstream : this.#client;
  }
}
