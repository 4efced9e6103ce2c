import type { Address } from '../core/balance/model.js';
import type { ListenerCounters } from './counters.js';
import { newCounters, type ServedListener } from './proxy-listener.js';

/** A listener that another thread serves: it keeps the place of the configuration's list. */
export class AbsentListener implements ServedListener {
  readonly counters: ListenerCounters;
  readonly port: number = 0;

  constructor(address: Address) {
    this.counters = newCounters(address);
  }

  async start(): Promise<null> {
    return null;
  }

  drain(onDrained: () => void): void {
    onDrained();
  }

  destroy(): void {}
}
