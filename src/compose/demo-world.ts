import { createServer, type Server } from 'node:http';
import { loadProxyConfig } from '../sources/proxy-config.js';
import { formatProblem } from '../sources/yaml-document.js';
import type { StartProblem } from './dns-node.js';
import type { Log } from './log.js';
import { newChecker } from './proxy-checker.js';
import { type ProxyNode, startProxyNode } from './proxy-node.js';

/** A region of the demo: a proxy at 127.0.N.1 before two endpoints at 127.0.N.11 and 127.0.N.12. */
export interface DemoRegion {
  readonly name: string;
  readonly network: number;
}

export const DEMO_REGIONS: readonly DemoRegion[] = [
  { name: 'eu', network: 1 },
  { name: 'us', network: 2 },
  { name: 'ap', network: 3 },
];

export interface DemoPorts {
  readonly http: number;
  readonly endpoint: number;
  readonly proxyAdmin: number;
}

/** Stops and revives the endpoints of a region. */
export interface RegionSwitch {
  readonly region: DemoRegion;
  readonly running: boolean;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface RegionOptions {
  readonly ports: DemoPorts;
  readonly apiUrl: string;
  readonly tokenFile: string;
}

/** Starts the endpoints and the proxy of one region. */
export async function startRegion(
  region: DemoRegion,
  options: RegionOptions,
  log: Log,
): Promise<(RegionSwitch & { close(): Promise<void> }) | StartProblem> {
  const hosts = [11, 12].map((host) => `127.0.${region.network}.${host}`);
  const endpoints = hosts.map((host) => new DemoEndpoint(host, options.ports.endpoint, region.name));
  try {
    for (const endpoint of endpoints) await endpoint.start();
  } catch (error) {
    await Promise.all(endpoints.map((endpoint) => endpoint.stop()));
    return {
      code: (error as NodeJS.ErrnoException).code ?? 'unknown',
      setting: 'endpoint-port',
      message: error instanceof Error ? error.message : String(error),
    };
  }
  const proxy = await startProxy(region, hosts, options, log);
  if (!('ok' in proxy)) {
    await Promise.all(endpoints.map((endpoint) => endpoint.stop()));
    return proxy;
  }
  return {
    region,
    get running() {
      return endpoints.some((endpoint) => endpoint.running);
    },
    stop: async () => void (await Promise.all(endpoints.map((endpoint) => endpoint.stop()))),
    start: async () => void (await Promise.all(endpoints.map((endpoint) => endpoint.start()))),
    async close() {
      await proxy.close();
      await Promise.all(endpoints.map((endpoint) => endpoint.stop()));
    },
  };
}

/** A small HTTP server that says where it is. */
class DemoEndpoint {
  readonly #host: string;
  readonly #port: number;
  readonly #region: string;
  #server: Server | undefined;

  constructor(host: string, port: number, region: string) {
    this.#host = host;
    this.#port = port;
    this.#region = region;
  }

  get running(): boolean {
    return this.#server !== undefined;
  }

  start(): Promise<void> {
    if (this.#server) return Promise.resolve();
    const text = `Hello from region ${this.#region}, endpoint ${this.#host}\n`;
    const server = createServer((request, response) => {
      request.resume();
      response.setHeader('content-type', 'text/plain');
      response.end(request.url === '/healthz' ? 'ok\n' : text);
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, this.#host, () => {
        this.#server = server;
        resolve();
      });
    });
  }

  stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return Promise.resolve();
    return new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}

async function startProxy(
  region: DemoRegion,
  hosts: readonly string[],
  { ports, apiUrl, tokenFile }: RegionOptions,
  log: Log,
): Promise<ProxyNode | StartProblem> {
  const address = `127.0.${region.network}.1`;
  const text = JSON.stringify({
    node: { name: `proxy-${region.name}`, region: region.name },
    workers: 1,
    // Ctrl-C should not wait for a client that is slow.
    timeouts: { drain: '1s' },
    report_to: [{ url: apiUrl, token_file: tokenFile }],
    admin: { listen: `${address}:${ports.proxyAdmin}` },
    listeners: [
      {
        listen: `${address}:${ports.http}`,
        protocol: 'http',
        routes: [{ match: { path_prefix: '/' }, pool: 'web' }],
      },
    ],
    pools: {
      web: {
        balance: 'round_robin',
        endpoints: hosts.map((host) => ({ address: `${host}:${ports.endpoint}` })),
        health: { type: 'http', path: '/healthz', interval: '500ms', timeout: '250ms', fall: 2, rise: 1 },
      },
    },
  });
  const loaded = loadProxyConfig('demo', text, { environment: {}, cores: 1, cwd: process.cwd() });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  const started = await startProxyNode(loaded.config, { log, checker: newChecker() });
  if (started.ok) return started;
  if (started.code === 'tls') throw new Error('the demo has no certificates');
  const { code, address: taken, key } = started.failures[0]!;
  const setting = key.startsWith('admin') ? 'proxy-admin-port' : 'http-port';
  return { code, setting, message: `cannot listen on ${taken}: ${code}` };
}
