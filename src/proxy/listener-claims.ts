import { listenerName } from '../core/balance/listener-name.js';
import { formatAddress, type ListenerModel, type ProxyModel } from '../core/balance/model.js';
import { claimAddress } from '../io/free-port.js';
import { ListenError, type SocketAddress } from '../io/tier.js';
import { type ListenFailure, listenFailure } from './listening.js';

/** A configuration whose listeners all have a port. */
export interface Claimed {
  readonly model: ProxyModel;
  readonly failures: readonly ListenFailure[];
}

/** The addresses of listeners, before any worker opens them. */
export class ListenerClaims {
  /** Ports that the system chose, by the listener of the configuration. */
  readonly #chosen = new Map<string, SocketAddress>();
  readonly #replaces: boolean;

  /** `replaces`: another proxy still listens on the same addresses. */
  constructor(replaces: boolean) {
    this.#replaces = replaces;
  }

  /**
   * Finds what other programs have taken, and the real ports where the configuration says 0. What is open already stays
   * as it is.
   */
  async claim(model: ProxyModel, opened: readonly ListenerModel[]): Promise<Claimed> {
    const failures: ListenFailure[] = [];
    const listeners: ListenerModel[] = [];
    const open = new Set(opened.map(listenerName));
    for (const [i, listener] of model.listeners.entries()) {
      const transport = listener.protocol === 'udp' ? 'udp' : 'tcp';
      // Several listeners may leave their port open on one address.
      const name = listener.listen.port === 0 ? `${listenerName(listener)} ${i}` : listenerName(listener);
      try {
        const isOurs = open.has(name) || (this.#replaces && listener.listen.port !== 0);
        const known = isOurs ? listener.listen : this.#chosen.get(name);
        const listen = known ?? (await claimAddress(listener.listen, transport));
        if (listener.listen.port === 0) this.#chosen.set(name, listen);
        listeners.push({ ...listener, listen });
      } catch (error) {
        if (!(error instanceof ListenError)) throw error;
        const address = formatAddress(listener.listen);
        failures.push(listenFailure(error.code, error.message, address, `listeners[${i}].listen`));
      }
    }
    return { model: { ...model, listeners }, failures };
  }
}
