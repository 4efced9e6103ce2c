import { createServer, type Server } from 'node:net';
import { type Address, formatAddress } from '../../core/balance/model.js';
import { ListenerCounters } from '../counters.js';
import type { ListenerModules } from '../l7/http-listener.js';
import { boundPort, type ListenFailure, listen } from '../listening.js';
import type { ProxyLog } from '../modules.js';
import type { UpstreamPool } from '../upstream-pool.js';
import { TcpSession } from './tcp-session.js';

/** One `protocol: tcp` listener and its sessions. */
export class TcpListener {
  readonly counters: ListenerCounters;
  readonly #address: Address;
  readonly #server: Server;
  readonly #sessions = new Set<TcpSession>();

  constructor(address: Address, pool: UpstreamPool, modules: ListenerModules) {
    this.#address = address;
    this.counters = new ListenerCounters(formatAddress(address));
    const { timeouts, deadlines } = modules;
    const onClosed = (session: TcpSession): void => {
      this.counters.active--;
      this.#sessions.delete(session);
    };
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
    this.#server = createServer(options, (socket) => {
      this.counters.connections++;
      this.counters.active++;
      const session = { pool, timeouts, deadlines, counters: this.counters, onClosed };
      this.#sessions.add(new TcpSession(socket, session));
    });
    this.#server.maxConnections = modules.limits.connections;
    this.#server.on('drop', () => {
      this.counters.refused++;
    });
  }

  async start(key: string, log: ProxyLog): Promise<ListenFailure | null> {
    const failure = await listen(this.#server, this.#address, key);
    this.#server.on('error', (error) => log.error({ error: error.message }, 'a listener failed to accept'));
    return failure;
  }

  get port(): number {
    return boundPort(this.#server);
  }

  /** Stops accepting; resolves when the last session has ended by itself. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
