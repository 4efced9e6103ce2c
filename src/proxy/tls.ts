import { listenerName } from '../core/balance/listener-name.js';
import type { ProxyModel } from '../core/balance/model.js';
import type { Certificate, ClientTls, Network, ServerTls, ServerTlsOptions } from '../io/network.js';

/** TLS of a proxy as the main thread hands it to the workers: texts, no files. */
export interface ProxyTls {
  /** In the order of the listeners; null for those without TLS. */
  readonly listeners: readonly (ServerTlsOptions | null)[];
  /** By name; pools without TLS are absent. */
  readonly pools: Readonly<Record<string, PoolTlsOptions>>;
}

export interface PoolTlsOptions {
  readonly verify: boolean;
  readonly ca: string | null;
  /** Null for the host of each endpoint's address. */
  readonly serverName: string | null;
  readonly certificate: Certificate | null;
}

export const NO_TLS: ProxyTls = { listeners: [], pools: {} };

/** Who opens connections to an endpoint with TLS. */
export interface TlsEndpoint {
  readonly address: { readonly host: string };
  tls: ClientTls | null;
}

/** The TLS of one worker: made for its network, and replaced while connections go on. */
export class WorkerTls {
  readonly #network: Network;
  /** By the name of the listener. */
  #servers: ReadonlyMap<string, ServerTls> = new Map();
  /** The names in the order of the listeners. */
  #names: readonly string[] = [];
  /** Of listeners that are no more: their connections may go on. */
  readonly #retired: ServerTls[] = [];
  #clients: readonly ClientTls[] = [];

  constructor(model: Pick<ProxyModel, 'listeners'>, tls: ProxyTls, network: Network) {
    this.#network = network;
    this.use(model, tls);
  }

  /** Takes the listeners of another configuration; those that stay keep theirs, with new certificates and keys. */
  use(model: Pick<ProxyModel, 'listeners'>, tls: ProxyTls): void {
    const servers = new Map<string, ServerTls>();
    this.#names = model.listeners.map(listenerName);
    for (const [i, name] of this.#names.entries()) {
      const options = tls.listeners[i] ?? null;
      if (options === null) continue;
      const known = this.#servers.get(name);
      known?.replace(options);
      servers.set(name, known ?? this.#network.serverTls(options));
    }
    for (const [name, server] of this.#servers) if (!servers.has(name)) this.#retired.push(server);
    this.#servers = servers;
  }

  /** Of the listener with this name; null if it has no TLS. */
  server(name: string): ServerTls | null {
    return this.#servers.get(name) ?? null;
  }

  /** For the next connections to the endpoints of these pools. */
  equip(
    pools: Iterable<{ readonly name: string; readonly endpoints: readonly TlsEndpoint[] }>,
    tls: ProxyTls,
  ): void {
    const before = this.#clients;
    const made: ClientTls[] = [];
    for (const { name, endpoints } of pools) {
      const options = tls.pools[name];
      const byName = new Map<string, ClientTls>();
      for (const endpoint of endpoints) {
        if (options === undefined) {
          endpoint.tls = null;
          continue;
        }
        const serverName = options.serverName ?? endpoint.address.host;
        const known = byName.get(serverName);
        const client = known ?? this.#network.clientTls({ ...options, serverName, alpn: [] });
        if (known === undefined) {
          byName.set(serverName, client);
          made.push(client);
        }
        endpoint.tls = client;
      }
    }
    this.#clients = made;
    for (const client of before) client.close();
  }

  /** Certificates and ticket keys for the next handshakes of the listeners. */
  replace(tls: ProxyTls): void {
    for (const [i, name] of this.#names.entries()) {
      const options = tls.listeners[i] ?? null;
      if (options !== null) this.#servers.get(name)?.replace(options);
    }
  }

  close(): void {
    for (const server of [...this.#servers.values(), ...this.#retired]) server.close();
    for (const client of this.#clients) client.close();
    this.#clients = [];
  }
}
