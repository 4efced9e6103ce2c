import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { networkUnavailable } from '../support/network-rig.js';
import { startNode } from '../support/node.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, type Program, startMeridian } from '../support/process.js';

const HEAD = 'GET / HTTP/1.1\r\nHost: www.example.com\r\n';
const RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const ZONE = `zone: many.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.many.test }
records: { www: { type: A, value: 192.0.2.1 } }
`;
/** For `www.many.test`, A, with its length in front (RFC 1035 §4.2.2). */
const QUERY = Buffer.from(
  '\0\x1f\0\x01\0\0\0\x01\0\0\0\0\0\0\x03www\x04many\x04test\0\0\x01\0\x01',
  'latin1',
);
const CLIENTS = 32;
const CONNECTIONS_MAX = 60_000;
/** Collections of young objects by one thread: the first ones are about the start. */
const COLLECTIONS = 8;
/** Small, so that there are many of them. */
const FLAGS = ['--trace-gc', '--semi-space-growth-factor=1'];

interface Service {
  readonly program: Program;
  readonly port: number;
  /** What a client says when it stays, and when it goes after the answer. */
  readonly staying: Uint8Array;
  readonly leaving: Uint8Array;
  isWhole(answer: Buffer): boolean;
}

let endpoint: Server;

beforeAll(async () => {
  endpoint = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(RESPONSE));
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
});
afterEach(endPrograms);
afterAll(() => {
  endpoint.close();
  removeFolders();
});

/** Asks so many times over one connection; how many answers came. */
function converse({ port, staying, leaving, isWhole }: Service, times: number): Promise<number> {
  return new Promise((resolve) => {
    let answers = 0;
    let answer = Buffer.alloc(0);
    const ask = (): boolean => socket.write(answers < times - 1 ? staying : leaving);
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, ask);
    socket.on('data', (part) => {
      answer = Buffer.concat([answer, part]);
      if (!isWhole(answer)) return;
      answer = Buffer.alloc(0);
      if (++answers < times) ask();
      else socket.end();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answers));
  });
}

/**
 * Of what a thread allocated since its collection before, the part that each of its collections freed; of the thread
 * that collects most. Those that collect old objects too are left out.
 */
function freed(output: string): number[] {
  const byThread = new Map<string, { parts: number[]; afterMb: number }>();
  for (const [, thread = '', kind, before, after] of output.matchAll(
    /\[\d+:(0x[0-9a-f]+)\].*? (Scavenge|Mark-Compact)[^\d]*([\d.]+) \([\d.]+\) -> ([\d.]+) /g,
  )) {
    const known = byThread.get(thread) ?? { parts: [], afterMb: Number.NaN };
    const allocatedMb = Number(before) - known.afterMb;
    if (kind === 'Scavenge' && allocatedMb > 0.5) {
      known.parts.push((Number(before) - Number(after)) / allocatedMb);
    }
    known.afterMb = Number(after);
    byThread.set(thread, known);
  }
  const most = [...byThread.values()].sort((a, b) => b.parts.length - a.parts.length)[0];
  return most?.parts ?? [];
}

async function startProxy(protocol: 'http' | 'tcp'): Promise<Service> {
  const [port] = await freePorts(1);
  const file = join(temporaryFolder(), 'proxy.yaml');
  const address = `127.0.0.1:${(endpoint.address() as AddressInfo).port}`;
  writeFileSync(
    file,
    `node: { name: p, region: r }\nworkers: 1\nio: batched\n` +
      `listeners: [ { listen: "127.0.0.1:${port}", protocol: ${protocol}, pool: web } ]\n` +
      `pools: { web: { endpoints: [ { address: "${address}" } ] } }\n`,
  );
  return {
    program: await startMeridian(['proxy', '-c', file], /proxying/, { flags: FLAGS }),
    port: port!,
    staying: Buffer.from(`${HEAD}\r\n`),
    leaving: Buffer.from(`${HEAD}Connection: close\r\n\r\n`),
    isWhole: (answer) => answer.toString('latin1').endsWith('ok'),
  };
}

async function startDns(): Promise<Service> {
  const { program, port } = await startNode({
    zones: { 'many.test.yaml': ZONE },
    config: { dns: { io: 'batched' } },
    flags: FLAGS,
  });
  const isWhole = (answer: Buffer): boolean =>
    answer.length > 2 && answer.length === 2 + answer.readUInt16BE();
  return { program, port, staying: QUERY, leaving: QUERY, isWhole };
}

const SERVICES: readonly (readonly [name: string, start: () => Promise<Service>])[] = [
  ['an HTTP listener', () => startProxy('http')],
  ['a TCP listener', () => startProxy('tcp')],
  ['DNS over TCP', startDns],
];

it.skipIf(networkUnavailable !== undefined).each(SERVICES)(
  'nothing of closed connections to %s is carried along (skipped without the batched tier)',
  async (_, start) => {
    const service = await start();
    // What is known of connections that stay gets old: the trouble that this is about began there.
    const kept = await Promise.all(Array.from({ length: CLIENTS }, () => converse(service, 500)));
    expect(new Set(kept)).toEqual(new Set([500]));
    let asked = 0;
    let failed = 0;
    let enough = false;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (!enough && asked < CONNECTIONS_MAX) {
        if (++asked % 500 === 0) enough = freed(service.program.output).length >= 3 * COLLECTIONS;
        if ((await converse(service, 1)) !== 1) failed++;
      }
    });
    await Promise.all(clients);
    const parts = freed(service.program.output);
    process.stdout.write(`measured: ${parts.map((part) => part.toFixed(2)).join(' ')}\n`);
    expect(failed).toBe(0);
    expect(parts.length).toBeGreaterThanOrEqual(COLLECTIONS);
    const last = parts.slice(-COLLECTIONS).sort((a, b) => a - b);
    expect(last[COLLECTIONS / 2]).toBeGreaterThan(0.9);
  },
);
