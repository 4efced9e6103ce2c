import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join, resolve } from 'node:path';
import { formatListen } from '../sources/listen-address.js';
import { ownTokens } from '../sources/node-tokens.js';
import { OWN_TOKENS } from '../sources/own-tokens.js';
import { loadServerConfig } from '../sources/server-config.js';
import { formatProblem } from '../sources/yaml-document.js';
import { DEMO_DEFAULTS, type DemoOptions } from './demo-options.js';
import { DEMO_REGIONS, type RegionSwitch, startRegion } from './demo-world.js';
import { type DnsNode, type StartProblem, startDnsNode } from './dns-node.js';
import type { Log } from './log.js';

export interface Demo {
  readonly node: DnsNode;
  /** What runs and what to try, in a few lines. */
  readonly introduction: string;
  reload(): Promise<void>;
  close(): Promise<void>;
}

type Closable = { close(): Promise<void> };

/** The whole product on loopback: three regions with proxies and endpoints, and a DNS node in front of them. */
export async function startDemo(options: DemoOptions, log: Log): Promise<Demo | StartProblem> {
  const open: Closable[] = [];
  const closeAll = async () => {
    for (const part of open.reverse()) await part.close();
  };
  const fail = async (problem: StartProblem) => {
    await closeAll();
    return problem;
  };
  const state = resolve(options.state);
  await ownTokens(state);
  const zones = await zonesOf(options, state);
  const regions: RegionSwitch[] = [];
  for (const region of DEMO_REGIONS) {
    const started = await startRegion(region, regionOptions(options, state), log);
    if ('code' in started) return fail(started);
    regions.push(started);
    open.push(started);
  }
  const switches = await startSwitches(regions, options.switchPort);
  if ('code' in switches) return fail(switches);
  open.push(switches);
  const node = await startDnsNode(serverConfig({ ...options, zones }, state), log);
  if ('code' in node) return fail(node);
  open.push(node);
  return { node, introduction: introduce({ ...options, zones }, node), reload: node.reload, close: closeAll };
}

/** The demo's zone has the usual HTTP port in its monitor; for another port it is copied, with that one in it. */
async function zonesOf(options: DemoOptions, state: string): Promise<string> {
  const { zones, httpPort } = options;
  if (zones !== DEMO_DEFAULTS.zones || httpPort === DEMO_DEFAULTS.httpPort) return resolve(zones);
  const text = await readFile(join(zones, DEMO_ZONE), 'utf8');
  const copies = join(state, 'demo-zones');
  await mkdir(copies, { recursive: true });
  const port = (value: number) => `port: ${value},`;
  await writeFile(join(copies, DEMO_ZONE), text.replace(port(DEMO_DEFAULTS.httpPort), port(httpPort)));
  return copies;
}

const DEMO_ZONE = 'demo.test.yaml';

function regionOptions(options: DemoOptions, state: string) {
  return {
    ports: { http: options.httpPort, endpoint: options.endpointPort, proxyAdmin: options.proxyAdminPort },
    apiUrl: `http://127.0.0.1:${options.apiPort}`,
    tokenFile: resolve(state, OWN_TOKENS.report),
  };
}

function serverConfig(options: DemoOptions, state: string) {
  const text = JSON.stringify({
    node: { name: 'dns-demo' },
    dns: {
      listen: [`127.0.0.1:${options.dnsPort}`, `[::1]:${options.dnsPort}`],
      workers: 1,
      rate_limit: { enabled: true, exempt: ['127.0.0.0/8', '::1/128'] },
    },
    zones: resolve(options.zones),
    state,
    api: { listen: `127.0.0.1:${options.apiPort}` },
  });
  const loaded = loadServerConfig('demo', text, { environment: {}, cores: 1, cwd: process.cwd() });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.config;
}

/** `POST /eu/stop` and `POST /eu/start`: break a region and mend it. */
async function startSwitches(
  regions: readonly RegionSwitch[],
  port: number,
): Promise<(Closable & { server: Server }) | StartProblem> {
  const server = createServer(async (request, response) => {
    request.resume();
    const [, name = '', action = ''] = (request.url ?? '').split('/');
    const found = regions.find(({ region }) => region.name === name);
    const known = found && (action === 'stop' || action === 'start');
    if (!known || request.method !== 'POST') {
      response.statusCode = known ? 405 : 404;
      response.end(
        `POST /REGION/stop or /REGION/start; regions: ${regions.map((r) => r.region.name).join(', ')}\n`,
      );
      return;
    }
    await found[action]();
    response.end(`the endpoints of region ${name} are ${action === 'stop' ? 'stopped' : 'running'}\n`);
  });
  return new Promise((done) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      done({ code: error.code ?? 'unknown', setting: 'switch-port', message: error.message }),
    );
    server.listen(port, '127.0.0.1', () =>
      done({
        server,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      }),
    );
  });
}

function introduce(options: DemoOptions, node: DnsNode): string {
  const { dnsPort, apiPort, httpPort, switchPort } = options;
  const dig = `dig @127.0.0.1 -p ${dnsPort} +short www.demo.test`;
  const other = (flag: string, port: number, usual: number) => (port === usual ? '' : ` ${flag}${port}`);
  const api = other('--api http://127.0.0.1:', apiPort, DEMO_DEFAULTS.apiPort);
  const query = other('-p ', dnsPort, DEMO_DEFAULTS.dnsPort);
  return `
Meridian answers for demo.test on ${node.listen.map(formatListen).join(' and ')} (${node.tier} io).
Three regions run behind it, each a proxy before two endpoints:
  eu 127.0.1.1:${httpPort}    us 127.0.2.1:${httpPort}    ap 127.0.3.1:${httpPort}

Ask it from three continents (no dig? npx meridian query www.demo.test -s 193.0.0.0/24${query}):
  ${dig} +subnet=193.0.0.0/24        # Europe  → 127.0.1.1
  ${dig} +subnet=8.8.8.0/24          # America → 127.0.2.1
  ${dig} +subnet=2001:200::/32       # Japan   → 127.0.3.1
Go where it points:
  curl -H 'Host: www.demo.test' http://127.0.1.1:${httpPort}/
Break a region, ask again after three seconds, mend it:
  curl -X POST http://127.0.0.1:${switchPort}/eu/stop
  curl -X POST http://127.0.0.1:${switchPort}/eu/start
Ask why, and how things are:
  npx meridian explain www.demo.test --subnet 193.0.0.0/24${api}
  npx meridian status${api}
API: http://127.0.0.1:${apiPort}/docs   Zone file (edit it and ask again): ${options.zones}
Ctrl-C ends everything.
`;
}
