import type { XdpGate } from './gate.js';
import type { XdpQueue } from './queue.js';

/** What is asked of an interface. */
type Gate = Pick<XdpGate, 'name' | 'queues' | 'connect' | 'disconnect' | 'close'>;

/** The receive queues of all interfaces that are read by AF_XDP, and which worker serves which. */
export class XdpGates {
  readonly all: readonly Gate[];

  constructor(gates: readonly Gate[]) {
    this.all = gates;
  }

  /** Queues of one worker of several: each is served by one. */
  queuesOf(worker: number, workers: number): readonly XdpQueue[] {
    return this.all.flatMap(({ queues }) => queues.filter(({ index }) => index % workers === worker));
  }

  /** A worker serves these from now on. */
  connect(queues: readonly XdpQueue[]): void {
    for (const queue of queues) this.#gateOf(queue)?.connect(queue);
  }

  /** It does no more: their datagrams take the usual way. */
  disconnect(queues: readonly XdpQueue[]): void {
    for (const queue of queues) this.#gateOf(queue)?.disconnect(queue);
  }

  /** No worker may be left. */
  close(): void {
    for (const gate of this.all) gate.close();
  }

  #gateOf(queue: XdpQueue): Gate | undefined {
    return this.all.find(({ name }) => name === queue.interface);
  }
}
