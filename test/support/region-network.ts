/**
 * Three regions in network namespaces. Each has a site, where a proxy and two endpoints run and which is the router of
 * the region, and a DNS node of its own behind it; the sites meet in a hub:
 *
 *     dns-eu ── site-eu ──┐
 *     dns-us ── site-us ──┤ hub            site-eu: proxy 10.77.1.1, endpoints .11 and .12; dns-eu: .53
 *     dns-ap ── site-ap ──┘                us and ap have 10.77.2.0/24 and 10.77.3.0/24
 */

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './folder.js';
import { writeMmdb } from './mmdb-writer.js';
import { Namespaces } from './namespaces.js';
import { MERIDIAN, type Program, run, startProgram } from './process.js';

export const REGIONS = ['eu', 'us', 'ap'] as const;
export type Region = (typeof REGIONS)[number];
/** What may run and be killed. */
export type Role = 'dns' | 'proxy' | 'endpoint-1' | 'endpoint-2';
/** An observer's view by `observer>target`, such as `dns:dns-us>10.77.1.1`. */
export type Views = ReadonlyMap<string, string>;

export const PROBE = { intervalMs: 500, timeoutMs: 250, fall: 3, rise: 1 } as const;
const ZONE = 'regions.test';
const ROLES: readonly Role[] = ['endpoint-1', 'endpoint-2', 'dns', 'proxy'];
const READ_TOKEN = 'token-of-the-test';
/** Of an endpoint that is slow: accepts, and answers when no probe waits any more. */
const SLOW_MS = 400;

export class RegionNetwork {
  readonly #namespaces = new Namespaces();
  readonly #folder = temporaryFolder();
  readonly #programs = new Map<string, Program>();
  readonly #slow = new Set<string>();
  readonly #cut = new Set<Region>();
  readonly #cutNodes = new Set<Region>();
  readonly #blackholes = new Set<string>();

  /** Builds the network and starts everything in it; resolves when all is ready. */
  async start(): Promise<void> {
    this.#build();
    writeFiles(this.#folder);
    await Promise.all(REGIONS.flatMap((region) => ROLES.map((role) => this.#run(region, role))));
  }

  /** Ends everything, and leaves nothing behind. */
  close(): void {
    this.#namespaces.close();
  }

  /** Cuts the link between a region and the hub: within the region everything goes on. */
  cutRegion(region: Region): void {
    this.#namespaces.ip('hub', `link set dev ${region} down`);
    this.#cut.add(region);
  }

  /** Cuts the link of a region's DNS node: the node is alone, and its region is well. */
  cutNode(region: Region): void {
    this.#namespaces.ip(`site-${region}`, 'link set dev dns down');
    this.#cutNodes.add(region);
  }

  /** Drops what one region sends to another, and nothing of what it gets from there. */
  blackhole(from: Region, to: Region): void {
    this.#namespaces.ip(`site-${from}`, `route add blackhole 10.77.${numberOf(to)}.0/24`);
    this.#blackholes.add(`${from} ${to}`);
  }

  /** Ends a process without a word. */
  async kill(region: Region, role: Role): Promise<void> {
    const key = `${region} ${role}`;
    await this.#programs.get(key)?.end('SIGKILL');
    this.#programs.delete(key);
    this.#slow.delete(key);
  }

  /** An endpoint takes connections from now on, but answers too late. */
  slowDown(region: Region, role: 'endpoint-1' | 'endpoint-2'): void {
    const key = `${region} ${role}`;
    if (this.#slow.has(key)) return;
    this.#slow.add(key);
    this.#programs.get(key)?.kill('SIGUSR2');
  }

  /** Takes back all that was broken. */
  async restore(): Promise<void> {
    for (const region of this.#cut) {
      const route = `route replace 10.77.${numberOf(region)}.0/24 via 10.77.${100 + numberOf(region)}.2`;
      this.#namespaces.ip('hub', `link set dev ${region} up`, route);
    }
    for (const region of this.#cutNodes) this.#namespaces.ip(`site-${region}`, 'link set dev dns up');
    for (const pair of this.#blackholes) {
      const [from, to] = pair.split(' ') as [Region, Region];
      this.#namespaces.ip(`site-${from}`, `route del blackhole 10.77.${numberOf(to)}.0/24`);
    }
    for (const key of this.#slow) this.#programs.get(key)?.kill('SIGUSR2');
    for (const set of [this.#cut, this.#cutNodes, this.#blackholes, this.#slow]) set.clear();
    const missing = REGIONS.flatMap((region) => ROLES.map((role) => [region, role] as const)).filter(
      ([region, role]) => !this.#programs.has(`${region} ${role}`),
    );
    await Promise.all(missing.map(([region, role]) => this.#run(region, role)));
  }

  /**
   * What the DNS node of a region answers, in one line such as `eu us ap | eu-1 us-1 ap-1`: which region serves
   * web-eu, web-us and web-ap, and which endpoint raw-eu, raw-us and raw-ap. `–` is no answer. And how many of the
   * answers say that they rest on a verdict which holds because too few observe.
   */
  async ask(region: Region): Promise<{ readonly line: string; readonly held: number }> {
    const server = nodeAddress(region);
    const names = ['web', 'raw'].flatMap((kind) => REGIONS.map((of) => `${kind}-${of}`));
    const options = ['+norec', '+tries=1', '+time=1', '+noall', '+comments', '+question', '+answer'];
    const args = names.flatMap((name) => [`@${server}`, `${name}.${ZONE}`, 'A', ...options]);
    const { stdout } = await this.#inside(`dns-${region}`, 'dig', ...args);
    const replies = stdout.split(';; Got answer:').slice(1);
    const answers = names.map((name) => {
      const address = new RegExp(`^${name}\\.${ZONE}\\.\\s+\\d+\\s+IN\\s+A\\s+(\\S+)`, 'm').exec(stdout)?.[1];
      return address === undefined ? '–' : labelOf(address);
    });
    return {
      line: `${answers.slice(0, 3).join(' ')} | ${answers.slice(3).join(' ')}`,
      held: replies.filter((text) => /EDE: 3\b/.test(text)).length,
    };
  }

  /** What the DNS node of a region knows of the views of all observers. */
  async views(region: Region): Promise<Views> {
    const url = `http://${nodeAddress(region)}:8300/v1/status`;
    const { stdout, stderr } = await this.#inside(
      `dns-${region}`,
      process.execPath,
      '-e',
      GET,
      url,
      READ_TOKEN,
    );
    if (stdout === '') throw new Error(stderr);
    const { health } = JSON.parse(stdout) as Status;
    return new Map(
      health.flatMap(({ target, observers }) => {
        const address = /10\.77\.\d+\.\d+/.exec(target)?.[0] ?? target;
        return observers.map(({ observer, view }) => [`${observer}>${address}`, view] as const);
      }),
    );
  }

  #inside(namespace: string, ...args: readonly string[]) {
    const [command = '', ...rest] = [...this.#namespaces.inside(namespace), ...args];
    return run(command, rest);
  }

  async #run(region: Region, role: Role): Promise<void> {
    const folder = join(this.#folder, region);
    const [args, ready] = commandOf(region, role, folder);
    const namespace = role === 'dns' ? `dns-${region}` : `site-${region}`;
    const [command = '', ...rest] = [...this.#namespaces.inside(namespace), process.execPath, ...args];
    this.#programs.set(`${region} ${role}`, await startProgram(command, rest, ready, { cwd: folder }));
  }

  #build(): void {
    const namespaces = this.#namespaces;
    namespaces.add('hub');
    namespaces.forward('hub');
    for (const region of REGIONS) {
      const [site, dns, n] = [`site-${region}`, `dns-${region}`, numberOf(region)];
      namespaces.add(site);
      namespaces.forward(site);
      namespaces.add(dns);
      namespaces.link(
        { namespace: 'hub', device: region, address: `10.77.${100 + n}.1/30` },
        { namespace: site, device: 'up', address: `10.77.${100 + n}.2/30` },
      );
      namespaces.link(
        { namespace: site, device: 'dns', address: `10.77.${n}.52/31` },
        { namespace: dns, device: 'up', address: `${nodeAddress(region)}/31` },
      );
      const own = [1, 11, 12].map((host) => `addr add 10.77.${n}.${host}/32 dev lo`);
      namespaces.ip(site, ...own, `route add default via 10.77.${100 + n}.1 src 10.77.${n}.1`);
      namespaces.ip(dns, `route add default via 10.77.${n}.52`);
      namespaces.ip('hub', `route add 10.77.${n}.0/24 via 10.77.${100 + n}.2`);
    }
  }
}

interface Status {
  readonly health: readonly {
    readonly target: string;
    readonly observers: readonly { readonly observer: string; readonly view: string }[];
  }[];
}

export function proxyAddress(region: Region): string {
  return `10.77.${numberOf(region)}.1`;
}

function nodeAddress(region: Region): string {
  return `10.77.${numberOf(region)}.53`;
}

function numberOf(region: Region): number {
  return REGIONS.indexOf(region) + 1;
}

/** `eu` for the address of its proxy, `eu-1` for that of its first endpoint. */
function labelOf(address: string): string {
  const [, , network, host] = address.split('.').map(Number);
  const region = REGIONS[(network ?? 0) - 1] ?? address;
  return host === 1 ? region : `${region}-${(host ?? 0) - 10}`;
}

function commandOf(region: Region, role: Role, folder: string): [args: readonly string[], ready: RegExp] {
  switch (role) {
    case 'dns':
      return [[MERIDIAN, 'serve'], /"msg":"serving"/];
    case 'proxy':
      return [[MERIDIAN, 'proxy', '--config', join(folder, 'proxy.yaml')], /"msg":"proxying"/];
    case 'endpoint-1':
    case 'endpoint-2': {
      const address = `10.77.${numberOf(region)}.1${role.at(-1)}`;
      return [['-e', ENDPOINT, address], /listening/];
    }
  }
}

/** Prints what an API answers: a good deal sooner than `meridian status`. */
const GET = `
const [, url, token] = process.argv;
const headers = { authorization: 'Bearer ' + token };
require('node:http').get(url, { headers }, (response) => response.pipe(process.stdout));
`;

/** A web server that becomes slow, and quick again, by a signal. */
const ENDPOINT = `
let slow = false;
process.on('SIGUSR2', () => { slow = !slow; });
require('node:http')
  .createServer((_, response) => setTimeout(() => response.end('well'), slow ? ${SLOW_MS} : 0))
  .listen(9000, process.argv[1], () => console.log('listening'));
`;

function writeFiles(folder: string): void {
  const names = REGIONS.flatMap((region) => [`dns-${region}`, `proxy-${region}`]);
  const tokens = [
    ...names.map((name) => ({ name, role: 'report', sha256: digest(`token-of-${name}`) })),
    { name: 'test', role: 'read', sha256: digest(READ_TOKEN) },
  ];
  for (const region of REGIONS) {
    const own = join(folder, region);
    mkdirSync(join(own, 'zones'), { recursive: true });
    const write = (name: string, text: string | Uint8Array) =>
      writeFileSync(join(own, name), text, { mode: 0o600 });
    write('tiny.mmdb', writeMmdb([{ prefix: '192.0.2.0/24', data: { country: { iso_code: 'DE' } } }]));
    write('tokens.yaml', JSON.stringify({ tokens }));
    write('dns.token', `token-of-dns-${region}`);
    write('proxy.token', `token-of-proxy-${region}`);
    write('meridian.yaml', JSON.stringify(nodeConfig(region)));
    write('proxy.yaml', JSON.stringify(proxyConfig(region)));
    write('zones/regions.yaml', zone());
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function nodeConfig(region: Region): object {
  const others = REGIONS.filter((other) => other !== region);
  return {
    node: { name: `dns-${region}`, region },
    dns: { listen: [`${nodeAddress(region)}:53`], workers: 1 },
    geo: { database: './tiny.mmdb' },
    api: { listen: `${nodeAddress(region)}:8300`, tokens: './tokens.yaml', insecure: true },
    report_to: others.map((other) => ({
      url: `http://${nodeAddress(other)}:8300`,
      token_file: './dns.token',
      node: `dns-${other}`,
    })),
  };
}

function proxyConfig(region: Region): object {
  const n = numberOf(region);
  const { intervalMs, timeoutMs, fall, rise } = PROBE;
  const times = { interval: `${intervalMs}ms`, timeout: `${timeoutMs}ms`, fall, rise };
  return {
    node: { name: `proxy-${region}`, region },
    report_to: REGIONS.map((to) => ({ url: `http://${nodeAddress(to)}:8300`, token_file: './proxy.token' })),
    listeners: [{ listen: `${proxyAddress(region)}:80`, protocol: 'http', pool: 'web' }],
    pools: {
      web: {
        // So that what waits for a slow endpoint does not draw others there.
        balance: 'least_connections',
        endpoints: [11, 12].map((host) => ({ address: `10.77.${n}.${host}:9000` })),
        health: { type: 'http', path: '/', ...times },
      },
    },
  };
}

/** `web-eu` is the proxy of eu, else that of the next region; `raw-eu` the first endpoint of eu, else its second. */
function zone(): string {
  const { intervalMs, timeoutMs, fall, rise } = PROBE;
  const judged = `interval: ${intervalMs}ms, timeout: ${timeoutMs}ms, fall: ${fall}, rise: ${rise}, min_observers: 2`;
  const fromHere = (region: Region) =>
    REGIONS.map((_, i) => REGIONS[(REGIONS.indexOf(region) + i) % REGIONS.length]);
  const pools = REGIONS.flatMap((region) => [
    `  web-${region}: { monitor: web, endpoints: [{ A: ${proxyAddress(region)}, proxy: proxy-${region}, service: web }] }`,
    ...[1, 2].map(
      (i) => `  raw-${region}-${i}: { monitor: raw, endpoints: [{ A: 10.77.${numberOf(region)}.1${i} }] }`,
    ),
  ]);
  const records = REGIONS.flatMap((region) => {
    const web = fromHere(region).map((next) => `web-${next}`);
    const raw = fromHere(region).flatMap((next) => [`raw-${next}-1`, `raw-${next}-2`]);
    return [
      `  web-${region}: { type: A, ttl: 1, dynamic: { steering: failover, pools: [${web}] } }`,
      `  raw-${region}: { type: A, ttl: 1, dynamic: { steering: failover, pools: [${raw}] } }`,
    ];
  });
  return `zone: ${ZONE}
nameservers: { ns1: { A: 192.0.2.53 } }
monitors:
  web: { type: http, port: 80, path: /, ${judged}, hold_down: 0s }
  raw: { type: http, port: 9000, path: /, ${judged}, hold_down: 0s }
pools:
${pools.join('\n')}
records:
${records.join('\n')}
`;
}
