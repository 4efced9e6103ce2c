import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { closeLeft } from '../../io/thread.js';
import type { ProxyLog, Timers } from '../modules.js';
import type { EncoderClient } from './link-protocol.js';

export interface EncoderHostModules {
  readonly log: ProxyLog;
  readonly timers: Timers;
  /** A descriptor of the same eventfd that stays open when its worker has ended. */
  readonly copyDescriptor: (fd: number) => number;
  /** The thread ended: each worker needs a port to the next one. */
  readonly onLost: () => void;
}

/** A thread that dies again at once is started again no faster than this. */
const RESTART_DELAY_MS = 1_000;

/** Starts the thread that compresses when it is wanted first, and keeps it running. */
export class EncoderHost {
  readonly #modules: EncoderHostModules;
  /** Workers that no thread serves yet, by number. */
  readonly #waiting = new Map<number, EncoderClient>();
  #worker: Worker | null = null;
  #wanted = false;
  #closing = false;

  constructor(modules: EncoderHostModules) {
    this.#modules = modules;
  }

  /** A channel for a worker, which gets `port1`; `add` the other port when it serves. */
  channel(): MessageChannel {
    return new MessageChannel();
  }

  /** Serves the worker of that number from now on, or as soon as the thread is wanted. */
  add(index: number, port: MessagePort, wakeFd: number): void {
    this.remove(index);
    const own = this.#copied(wakeFd);
    if (own === null) {
      port.close();
      // Bodies that wait for it fail, and others follow them to the next port.
      this.#modules.timers.set(() => {
        if (!this.#closing) this.#modules.onLost();
      }, RESTART_DELAY_MS);
      return;
    }
    this.#waiting.set(index, { port, wakeFd: own });
    if (this.#wanted) this.#handOver();
  }

  /** The worker of that number has ended. What the thread has of it, it sees and closes itself. */
  remove(index: number): void {
    const client = this.#waiting.get(index);
    if (client === undefined) return;
    this.#waiting.delete(index);
    client.port.close();
    closeLeft([client.wakeFd]);
  }

  /** Something is to be compressed. */
  want(): void {
    this.#wanted = true;
    this.#handOver();
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const index of [...this.#waiting.keys()]) this.remove(index);
    await this.#worker?.terminate();
  }

  #handOver(): void {
    if (this.#closing || this.#waiting.size === 0) return;
    const worker = this.#worker ?? this.#start();
    for (const client of this.#waiting.values()) worker.postMessage(client, [client.port]);
    this.#waiting.clear();
  }

  /** Null where the process has no descriptors left. */
  #copied(wakeFd: number): number | null {
    try {
      return this.#modules.copyDescriptor(wakeFd);
    } catch (error) {
      this.#modules.log.error(
        { error: String(error) },
        'a worker can not be linked to the compression thread',
      );
      return null;
    }
  }

  #start(): Worker {
    const { log, timers, onLost } = this.#modules;
    const worker = new Worker(new URL('./encoder-thread.js', import.meta.url), {
      name: 'proxy-encoders',
      // It closes descriptors that others made.
      trackUnmanagedFds: false,
    });
    this.#worker = worker;
    worker.on('error', (error) => log.error({ error: String(error) }, 'the compression thread failed'));
    worker.on('exit', () => {
      this.#worker = null;
      if (this.#closing) return;
      log.error({}, 'the compression thread ended; starting another in its place');
      timers.set(() => {
        if (!this.#closing) onLost();
      }, RESTART_DELAY_MS);
    });
    return worker;
  }
}
