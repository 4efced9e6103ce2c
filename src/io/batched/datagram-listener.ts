import type { DatagramHandler } from '../tier.js';
import { BUSY, type DatagramBatch } from './datagrams.js';
import { EPOLL, type Linux } from './linux.js';
import type { Poller } from './poller.js';

/**
 * One UDP socket. A quiet one waits in epoll. A busy one is taken out of it and waited on by a read with a timeout:
 * that saves the call, and the kernel does not have to tell epoll of every datagram that it sent (measured: a
 * twentieth of a query's cost).
 */
export class DatagramListener {
  readonly fd: number;
  readonly #family: 4 | 6;
  readonly #modules: DatagramListenerModules;
  readonly #first: { readonly wildcard: boolean; readonly wait: boolean };
  readonly #next: { readonly wildcard: boolean; readonly wait: boolean };
  #busy = false;

  constructor(
    fd: number,
    address: { readonly family: 4 | 6; readonly wildcard: boolean },
    modules: DatagramListenerModules,
  ) {
    this.fd = fd;
    this.#family = address.family;
    this.#modules = modules;
    this.#first = { wildcard: address.wildcard, wait: false };
    this.#next = { wildcard: address.wildcard, wait: true };
    this.#watch();
  }

  /** Whether `serve` has to be called, since epoll does not watch the socket. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Answers what comes to a busy socket within its receive timeout; nothing makes it a quiet one again. */
  serve(): void {
    const { batch, handler } = this.#modules;
    if (batch.serve(this.fd, this.#family, this.#next, handler) > 0) return;
    this.#busy = false;
    this.#watch();
  }

  close(): void {
    this.#modules.poller.remove(this.fd);
    this.#modules.linux.close(this.fd);
  }

  #watch(): void {
    this.#modules.poller.add(this.fd, EPOLL.IN, () => this.#readable());
  }

  #readable(): void {
    const { batch, handler, poller } = this.#modules;
    if (batch.serve(this.fd, this.#family, this.#first, handler) < BUSY) return;
    this.#busy = true;
    poller.remove(this.fd);
  }
}

export interface DatagramListenerModules {
  readonly linux: Linux;
  readonly poller: Poller;
  readonly batch: DatagramBatch;
  readonly handler: DatagramHandler;
}
