import type { DatagramHandler } from '../tier.js';
import { BusyWatch, type Wait } from './busy-watch.js';
import { DATAGRAMS_MAX, type DatagramBatch } from './datagrams.js';
import type { Linux } from './linux.js';
import type { Poller } from './poller.js';

/** One UDP socket. */
export class DatagramListener {
  readonly fd: number;
  readonly #family: 4 | 6;
  readonly #wildcard: boolean;
  readonly #modules: DatagramListenerModules;
  readonly #watch: BusyWatch;

  constructor(
    fd: number,
    address: { readonly family: 4 | 6; readonly wildcard: boolean },
    modules: DatagramListenerModules,
  ) {
    this.fd = fd;
    this.#family = address.family;
    this.#wildcard = address.wildcard;
    this.#modules = modules;
    this.#watch = new BusyWatch(modules.poller, fd, () => this.serve());
  }

  /** What to wait for before `serve` is called again. */
  get wait(): Wait {
    return this.#watch.wait;
  }

  /** Answers what waits. */
  serve(): void {
    const { batch, handler } = this.#modules;
    const served = batch.serve(this.fd, this.#family, this.#wildcard, handler);
    this.#watch.saw(served, served === DATAGRAMS_MAX);
  }

  close(): void {
    this.#watch.close();
    this.#modules.linux.close(this.fd);
  }
}

export interface DatagramListenerModules {
  readonly linux: Linux;
  readonly poller: Poller;
  readonly batch: DatagramBatch;
  readonly handler: DatagramHandler;
}
