import { Worker } from 'node:worker_threads';
import { type DescriptorSet, descriptorsIn } from '../io/descriptor-set.js';
import { closeLeft, wakeThread } from '../io/thread.js';
import type { ListenFailure } from './listening.js';
import type { FromProxyWorker, NewModel, ProxyWorkerStart, ToProxyWorker } from './protocol.js';

/** An endpoint can be used again, or can't, in one worker's eyes. */
export type EndpointChange = Extract<FromProxyWorker, { type: 'change' }>;

export interface ProxyWorkerEvents {
  /** It listens. */
  onServing(worker: ProxyWorker): void;
  /** It can't listen, and ends. */
  onFailed(failures: readonly ListenFailure[]): void;
  onChange(change: EndpointChange): void;
  onError(error: unknown): void;
  onExit(worker: ProxyWorker): void;
}

/** One thread of the data plane, as the main thread sees it. */
export class ProxyWorker {
  /** Of the eventfd that wakes the thread; -1 before it serves, and if messages wake it. */
  wakeFd = -1;
  /** In the order of the configuration's listeners. */
  ports: readonly number[] = [];
  /** Part of the time in which it worked, 0 to 1. */
  busy = 0;
  readonly #worker: Worker;
  readonly #events: ProxyWorkerEvents;
  /** To be closed if the thread dies. */
  #descriptors: readonly number[] = [];
  #connections: DescriptorSet | undefined;
  #waiting: { readonly id: number; readonly resolve: () => void }[] = [];
  #onDrained: () => void = () => {};
  #onApplied: (id: number, failures: readonly ListenFailure[]) => void = () => {};

  constructor(name: string, start: ProxyWorkerStart, events: ProxyWorkerEvents) {
    this.#events = events;
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: start,
      transferList: start.encoders === null ? [] : [start.encoders],
      name,
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
    this.#worker.on('message', (message: FromProxyWorker) => this.#hear(message));
    this.#worker.on('error', (error) => events.onError(error));
    this.#worker.on('exit', () => events.onExit(this));
  }

  send(message: ToProxyWorker): void {
    this.#worker.postMessage(message, message.type === 'encoders' ? [message.port] : []);
    wakeThread(this.wakeFd);
  }

  /** Resolves when it has published its counts. `id`: higher than the last one. */
  async published(id: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push({ id, resolve });
      this.send({ type: 'publish', id });
    });
  }

  /** Has it take another configuration. A worker that ends fails in nothing: the next one starts with the new configuration. */
  async applied(id: number, model: NewModel): Promise<readonly ListenFailure[]> {
    return await new Promise((resolve) => {
      const gone = (): void => resolve([]);
      this.#worker.once('exit', gone);
      this.#onApplied = (of, failures) => {
        if (of !== id) return;
        this.#worker.off('exit', gone);
        resolve(failures);
      };
      this.send({ type: 'model', id, ...model });
    });
  }

  /** Stops accepting; resolves when the last connection is gone. */
  async drained(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
      this.#worker.once('exit', () => resolve());
      this.send({ type: 'drain' });
    });
  }

  /** Cuts what is in progress; resolves when the thread has ended. */
  async stopped(): Promise<void> {
    const ended = new Promise<void>((done) => {
      if (this.#worker.threadId < 0) done();
      else this.#worker.once('exit', () => done());
    });
    this.send({ type: 'stop' });
    await ended;
  }

  /** It died: its sockets would go on to get packets. */
  closeLeft(): void {
    const left = [...this.#descriptors, ...(this.#connections ? descriptorsIn(this.#connections) : [])];
    this.#forget();
    closeLeft(left);
  }

  #forget(): void {
    this.wakeFd = -1;
    this.#descriptors = [];
    this.#connections = undefined;
  }

  #hear(message: FromProxyWorker): void {
    switch (message.type) {
      case 'serving':
        this.wakeFd = message.wakeFd;
        this.ports = message.ports;
        this.#descriptors = message.descriptors;
        this.#connections = message.connections;
        this.#events.onServing(this);
        break;
      case 'failed':
        this.#events.onFailed(message.failures);
        break;
      case 'published':
        this.busy = message.busy;
        for (const { id, resolve } of this.#waiting) if (id <= message.id) resolve();
        this.#waiting = this.#waiting.filter(({ id }) => id > message.id);
        break;
      case 'change':
        this.#events.onChange(message);
        break;
      case 'applied':
        this.#onApplied(message.id, message.failures);
        break;
      case 'drained':
        this.#onDrained();
        break;
      case 'closed':
        this.#forget();
        break;
    }
  }
}
