/**
 * A DNS node that reads its network card by XDP, in a network namespace, and a client in another:
 *
 *     client cli0 ──── srv0 server (the node)       10.78.0.1 and .2, fd78::1 and ::2
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AF, loadLinux, SOCK } from '../../src/io/batched/linux.js';
import { temporaryFolder } from './folder.js';
import { writeMmdb } from './mmdb-writer.js';
import { Namespaces, namespacesRefused } from './namespaces.js';
import { MERIDIAN, type Program, run, startProgram } from './process.js';
import { zoneText } from './query-rig.js';
import { until } from './until.js';

export const INTERFACE = 'srv0';
export const SERVER = '10.78.0.2';
export const SERVER_V6 = 'fd78::2';

/** Why it can't be had here; undefined where it can. */
export function xdpRefused(): string | undefined {
  const refused = namespacesRefused();
  if (refused !== undefined) return refused;
  const linux = loadLinux();
  if ('unavailable' in linux) return linux.unavailable;
  const fd = linux.socket(AF.XDP, SOCK.RAW | SOCK.CLOEXEC, 0);
  if (fd < 0) return 'the kernel has no AF_XDP';
  linux.close(fd);
  return undefined;
}

export interface XdpStatus {
  readonly interface: string;
  readonly queues: number;
  readonly problem?: string;
}

interface NodeSpec {
  readonly listen?: readonly string[];
  readonly workers?: number;
  readonly interfaces?: readonly string[];
  readonly mode?: string;
  /** Port of the API, on loopback. */
  readonly api?: number;
  /** What the node's command begins with. */
  readonly prefix?: readonly string[];
}

/** A DNS node in the namespace of the server. */
export interface XdpNode {
  readonly program: Program;
  metric(series: string): Promise<number>;
  /** Queries over UDP that its workers answered, by XDP or not. */
  asked(): Promise<number>;
  /** What `meridian status` prints. */
  glance(): Promise<string>;
  xdp(): Promise<readonly XdpStatus[]>;
}

export class XdpNetwork {
  readonly #namespaces = new Namespaces();

  constructor(queues = 1) {
    const namespaces = this.#namespaces;
    namespaces.add('client');
    namespaces.add('server');
    namespaces.link(
      { namespace: 'client', device: 'cli0', address: '10.78.0.1/24', queues },
      { namespace: 'server', device: INTERFACE, address: `${SERVER}/24`, queues },
    );
    namespaces.ip('client', 'addr add fd78::1/64 dev cli0 nodad');
    namespaces.ip('server', `addr add ${SERVER_V6}/64 dev ${INTERFACE} nodad`);
  }

  /** Ends everything, and leaves nothing behind. */
  close(): void {
    this.#namespaces.close();
  }

  async start(spec: NodeSpec = {}): Promise<XdpNode> {
    const api = spec.api ?? 8300;
    const folder = temporaryFolder();
    writeNode(folder, api, spec);
    const [command = '', ...inside] = this.#namespaces.inside('server');
    const args = [
      ...(spec.prefix ?? []),
      process.execPath,
      '--require',
      join(folder, 'killer.cjs'),
      MERIDIAN,
      'serve',
    ];
    const program = await startProgram(command, [...inside, ...args], /"msg":"serving"/, { cwd: folder });
    const token = readFileSync(join(folder, 'state', 'admin.token'), 'utf8').trim();
    const get = async (path: string) => {
      const { stdout, stderr } = await this.inside(
        'server',
        process.execPath,
        '-e',
        GET,
        `${api}`,
        path,
        token,
      );
      if (stdout === '') throw new Error(stderr);
      return stdout;
    };
    const series = async (found: (name: string) => boolean) => {
      const rows = (await get('/metrics')).split('\n').map((row) => row.split(' '));
      return rows.reduce((sum, [name = '', value]) => (found(name) ? sum + Number(value) : sum), 0);
    };
    return {
      program,
      metric: (name) => series((one) => one === name),
      asked: () => series((name) => /^meridian_dns_requests_total\{.*"udp"/.test(name)),
      glance: async () => {
        const status = [process.execPath, MERIDIAN, 'status', '--api', `http://127.0.0.1:${api}`];
        const file = join(folder, 'state', 'admin.token');
        return (await this.inside('server', 'env', `MERIDIAN_TOKEN_FILE=${file}`, ...status)).stdout;
      },
      xdp: async () => (JSON.parse(await get('/v1/status')) as { readonly xdp: readonly XdpStatus[] }).xdp,
    };
  }

  /** Commands of `ip` in the namespace of the client or the server. */
  ip(namespace: 'client' | 'server', ...commands: readonly string[]): void {
    this.#namespaces.ip(namespace, ...commands);
  }

  /** Runs a program in a namespace to its end. */
  inside(namespace: 'client' | 'server', ...args: readonly string[]) {
    const [command = '', ...rest] = [...this.#namespaces.inside(namespace), ...args];
    return run(command, rest);
  }

  /** What dig says at the client, without retries. */
  async dig(host: string, ...args: readonly string[]): Promise<string> {
    const options = ['+tries=1', '+time=3', '+norec'];
    return (await this.inside('client', 'dig', `@${host}`, ...options, ...args)).stdout;
  }

  /** Sends datagrams from the client, each from a port of its own; the replies within `waitMs`, in no order. */
  async send(host: string, payloads: readonly Uint8Array[], waitMs = 500): Promise<readonly Uint8Array[]> {
    const texts = payloads.map((payload) => Buffer.from(payload).toString('hex'));
    const { stdout } = await this.inside('client', process.execPath, '-e', SEND, host, `${waitMs}`, ...texts);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Buffer.from(line, 'hex'));
  }

  /** Datagrams that the sockets of the server have got, over IPv4 and IPv6. */
  async socketDatagrams(): Promise<number> {
    const { stdout } = await this.inside('server', 'cat', '/proc/net/snmp', '/proc/net/snmp6');
    const v4 = /^Udp: (\d+)/m.exec(stdout)?.[1];
    const v6 = /^Udp6InDatagrams\s+(\d+)/m.exec(stdout)?.[1];
    return Number(v4) + Number(v6);
  }

  /** Whether a program is attached to the interface. */
  async hasProgram(): Promise<boolean> {
    return (await this.inside('server', 'ip', '-d', 'link', 'show', INTERFACE)).stdout.includes('prog/xdp');
  }

  /** A UDP server beside the node, which sends back what it gets. */
  async echo(host: string): Promise<Program> {
    const [command = '', ...inside] = this.#namespaces.inside('server');
    return startProgram(command, [...inside, process.execPath, '-e', ECHO, host], /listening/);
  }

  /** Resolves when queries to a host reach the node without its sockets. */
  async byXdp(host: string): Promise<void> {
    await until(`queries to ${host} come by XDP`, async () => {
      const before = await this.socketDatagrams();
      const text = await this.dig(host, 'www.example.com');
      return text.includes('192.0.2.1') && (await this.socketDatagrams()) === before;
    });
  }
}

function writeNode(folder: string, api: number, spec: NodeSpec): void {
  const config = {
    node: { name: `dns-${api}` },
    dns: {
      listen: spec.listen ?? [`${SERVER}:53`, `[${SERVER_V6}]:53`],
      workers: spec.workers ?? 1,
      xdp: { interfaces: spec.interfaces ?? [INTERFACE], mode: spec.mode ?? 'auto' },
    },
    api: { listen: `127.0.0.1:${api}` },
    geo: { database: './tiny.mmdb' },
  };
  const words = Array.from({ length: 40 }, (_, i) => `"${'x'.repeat(50)}${i}"`).join(', ');
  const records = `records: { www: { type: A, value: 192.0.2.1 }, big: { type: TXT, values: [${words}] } }`;
  mkdirSync(join(folder, 'zones'));
  writeFileSync(join(folder, 'meridian.yaml'), JSON.stringify(config));
  writeFileSync(join(folder, 'zones', 'example.com.yaml'), zoneText('example.com', records));
  writeFileSync(join(folder, 'tiny.mmdb'), writeMmdb([{ prefix: '192.0.2.0/24', data: {} }]));
  writeFileSync(join(folder, 'killer.cjs'), KILLER);
}

/** Makes a node end its first DNS worker on SIGUSR2. */
const KILLER = `
const threads = require('node:worker_threads');
let first;
threads.Worker = class extends threads.Worker {
  constructor(file, options) {
    super(file, options);
    if (options?.name === 'dns-0') first = this;
  }
};
require('node:module').syncBuiltinESMExports();
if (threads.isMainThread) process.on('SIGUSR2', () => first.terminate());
`;

const GET = `
const [, port, path, token] = process.argv;
const headers = { authorization: 'Bearer ' + token };
require('node:http').get({ host: '127.0.0.1', port, path, headers }, (response) => response.pipe(process.stdout));
`;

const SEND = `
const [, host, wait, ...payloads] = process.argv;
const { createSocket } = require('node:dgram');
for (const payload of payloads) {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (bytes) => console.log(bytes.toString('hex')));
  socket.send(Buffer.from(payload, 'hex'), 53, host);
}
setTimeout(() => process.exit(), Number(wait));
`;

const ECHO = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (bytes, { address, port }) => socket.send(bytes, port, address));
socket.bind(53, process.argv[1], () => console.log('listening'));
`;
