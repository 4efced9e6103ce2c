import { BlockList, createServer, isIP, type Server } from 'node:net';
import {
  type Address,
  formatAddress,
  type ListenerModel,
  type ProxyLimits,
  type ProxyTimeouts,
} from '../../core/balance/model.js';
import { Router } from '../../core/http/router.js';
import { ListenerCounters } from '../counters.js';
import type { Deadlines } from '../deadlines.js';
import { boundPort, type ListenFailure, listen } from '../listening.js';
import type { ProxyLog } from '../modules.js';
import { ClientConnection } from './client-connection.js';
import type { HttpContext, HttpPool, HttpRoute } from './context.js';

const VIA = 'meridian';

export interface ListenerModules {
  readonly timeouts: ProxyTimeouts;
  readonly limits: ProxyLimits;
  readonly deadlines: Deadlines;
  readonly log: ProxyLog;
}

/** One `protocol: http` listener and its connections. */
export class HttpListener {
  readonly counters: ListenerCounters;
  readonly #address: Address;
  readonly #server: Server;
  readonly #connections = new Set<ClientConnection>();

  constructor(
    model: Extract<ListenerModel, { protocol: 'http' }>,
    pools: ReadonlyMap<string, HttpPool>,
    modules: ListenerModules,
  ) {
    this.#address = model.listen;
    this.counters = new ListenerCounters(formatAddress(model.listen));
    const context = contextOf(model, pools, modules, this.counters);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.counters.connections++;
      this.counters.active++;
      this.#connections.add(
        new ClientConnection(socket, context, (connection) => {
          this.counters.active--;
          this.#connections.delete(connection);
        }),
      );
    });
    this.#server.maxConnections = modules.limits.connections;
    this.#server.on('drop', () => {
      this.counters.refused++;
    });
  }

  async start(key: string, log: ProxyLog): Promise<ListenFailure | null> {
    const failure = await listen(this.#server, this.#address, key);
    // Errors of accept (too many open files) leave the listener as it is.
    this.#server.on('error', (error) => log.error({ error: error.message }, 'a listener failed to accept'));
    return failure;
  }

  get port(): number {
    return boundPort(this.#server);
  }

  /** Stops accepting and lets requests in progress end; resolves when the last connection is gone. */
  drain(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const connection of this.#connections) connection.drain();
    return closed;
  }

  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

function contextOf(
  model: Extract<ListenerModel, { protocol: 'http' }>,
  pools: ReadonlyMap<string, HttpPool>,
  { timeouts, limits, deadlines }: ListenerModules,
  counters: ListenerCounters,
): HttpContext {
  const routes = model.routes.flatMap(({ match, pool: name }): { match: typeof match; to: HttpRoute }[] => {
    const pool = pools.get(name);
    return pool === undefined ? [] : [{ match, to: { pool, classes: counters.classesOf(name) } }];
  });
  const trusted = blockList(model.trusted);
  return {
    router: new Router(routes),
    timeouts,
    limits,
    deadlines,
    counters,
    via: VIA,
    trusts: (address) => model.trusted.length > 0 && isListed(trusted, address),
  };
}

function blockList(prefixes: readonly string[]): BlockList {
  const list = new BlockList();
  for (const prefix of prefixes) {
    const [address = '', length] = prefix.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (length === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(length), family);
  }
  return list;
}

function isListed(list: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
}
