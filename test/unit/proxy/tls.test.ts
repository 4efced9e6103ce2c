import { describe, expect, it } from 'vitest';
import type { ClientTls, ClientTlsOptions, Network, ServerTlsOptions } from '../../../src/io/network.js';
import {
  NO_TLS,
  type PoolTlsOptions,
  type ProxyTls,
  type TlsEndpoint,
  WorkerTls,
} from '../../../src/proxy/tls.js';

const SERVER: ServerTlsOptions = {
  certificates: [],
  alpn: [],
  minVersion: 'TLSv1.2',
  ticketKeys: [],
  clientCa: null,
};
const POOL: PoolTlsOptions = { verify: true, ca: null, serverName: null, certificate: null };

function rig(tls: ProxyTls) {
  const log: string[] = [];
  const clients: ClientTlsOptions[] = [];
  const network = {
    serverTls: () => ({
      replace: ({ minVersion }: ServerTlsOptions) => log.push(`replaced by ${minVersion}`),
      close: () => log.push('server closed'),
    }),
    clientTls(options: ClientTlsOptions): ClientTls {
      clients.push(options);
      return { close: () => void log.push(`client of ${options.serverName} closed`) };
    },
  } as unknown as Network;
  const endpoints = ['a', 'a', 'b'].map((host): TlsEndpoint => ({ address: { host }, tls: null }));
  const pools = [{ name: 'web', endpoints }];
  const listeners = [80, 443].map((port) => ({ protocol: 'tcp', listen: { host: '127.0.0.1', port } }));
  const model = { listeners } as unknown as ConstructorParameters<typeof WorkerTls>[0];
  return { log, clients, endpoints, pools, worker: new WorkerTls(model, tls, network) };
}

describe('WorkerTls', () => {
  it('serves the listeners that have TLS', () => {
    const { worker, log } = rig({ listeners: [null, SERVER], pools: {} });
    expect(worker.server('127.0.0.1:80')).toBeNull();
    expect(worker.server('127.0.0.1:443')).not.toBeNull();
    worker.replace({ listeners: [SERVER, { ...SERVER, minVersion: 'TLSv1.3' }], pools: {} });
    worker.close();
    expect(log).toEqual(['replaced by TLSv1.3', 'server closed']);
  });

  it('makes one client for each name of a pool', () => {
    const { worker, clients, endpoints, pools } = rig(NO_TLS);
    worker.equip(pools, { listeners: [], pools: { web: POOL } });
    expect(clients.map(({ serverName }) => serverName)).toEqual(['a', 'b']);
    expect(endpoints[0]!.tls).toBe(endpoints[1]!.tls);
    expect(endpoints[2]!.tls).not.toBe(endpoints[0]!.tls);
  });

  it('takes the name of the pool before the hosts, and closes what it replaces', () => {
    const { worker, clients, endpoints, pools, log } = rig(NO_TLS);
    worker.equip(pools, { listeners: [], pools: { web: { ...POOL, serverName: 'x' } } });
    expect(clients.map(({ serverName }) => serverName)).toEqual(['x']);
    worker.equip(pools, NO_TLS);
    expect(endpoints.map(({ tls }) => tls)).toEqual([null, null, null]);
    expect(log).toEqual(['client of x closed']);
  });
});
