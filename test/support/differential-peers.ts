import { createSocket } from 'node:dgram';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { decodeMessage, type Message } from '../../src/core/dns/message.js';
import { DIFFERENTIAL_ZONE, masterZone } from './differential-zone.js';
import { temporaryFolder } from './folder.js';
import { freePorts } from './ports.js';
import { Program } from './process.js';

/** What gdnsd's zone files have words for; the rest is written as RFC 3597 has it. */
const GDNSD_TYPES = new Set([
  'A',
  'AAAA',
  'CNAME',
  'MX',
  'NAPTR',
  'NS',
  'PTR',
  'SRV',
  'TXT',
  'CAA',
  'TYPE65280',
]);

/** Starts knotd with the shared zone; returns its port. */
export async function startKnot(): Promise<number> {
  const folder = temporaryFolder();
  const [port] = (await freePorts(1)) as [number];
  writeFileSync(join(folder, 'zone'), masterZone());
  writeFileSync(
    join(folder, 'knot.conf'),
    `server:
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  edns-client-subnet: on
  rundir: ${folder}
database:
  storage: ${folder}
log:
  - target: stderr
    any: warning
zone:
  - domain: ${DIFFERENTIAL_ZONE}
    file: ${join(folder, 'zone')}
    semantic-checks: off
`,
  );
  return ready(new Program('knotd', ['-c', join(folder, 'knot.conf')], {}), port);
}

/** Starts gdnsd with the shared zone; returns its port. */
export async function startGdnsd(): Promise<number> {
  const folder = temporaryFolder();
  const [port] = (await freePorts(1)) as [number];
  mkdirSync(join(folder, 'zones'));
  writeFileSync(join(folder, 'zones', DIFFERENTIAL_ZONE), masterZone(GDNSD_TYPES));
  writeFileSync(
    join(folder, 'config'),
    `options => { listen => [ 127.0.0.1:${port} ], udp_threads => 1, tcp_threads => 1, zones_default_ttl => 300,
  run_dir => ${folder}, state_dir => ${folder}, edns_client_subnet => true, zones_strict_data => false }
`,
  );
  return ready(new Program('gdnsd', ['-c', folder, 'start'], {}), port);
}

const READY_MS = 10_000;

async function ready(program: Program, port: number): Promise<number> {
  const question = Uint8Array.from([
    ...[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    ...[...DIFFERENTIAL_ZONE.split('.'), ''].flatMap((label) => [label.length, ...Buffer.from(label)]),
    ...[0, 6, 0, 1],
  ]);
  const endMs = performance.now() + READY_MS;
  while (performance.now() < endMs && !program.hasEnded) {
    const reply = await askUdp(port, question, 200);
    if (reply && decodeMessage(reply)?.answers.length === 1) return port;
  }
  throw new Error(`not ready: ${program.output}`);
}

/** The reply to one datagram, or undefined where none comes in time. */
export async function askUdp(
  port: number,
  bytes: Uint8Array,
  waitMs: number,
): Promise<Uint8Array | undefined> {
  const socket = createSocket('udp4');
  try {
    return await new Promise((done) => {
      const timer = setTimeout(() => done(undefined), waitMs);
      const finish = (reply: Uint8Array | undefined) => {
        clearTimeout(timer);
        done(reply);
      };
      socket.on('message', finish);
      // A port that nobody listens on yet; the time limit answers.
      socket.on('error', () => {});
      socket.connect(port, '127.0.0.1', () => socket.send(bytes));
    });
  } finally {
    socket.close();
  }
}

/** The reply to one message on a connection of its own, or undefined. */
export async function askTcp(
  port: number,
  bytes: Uint8Array,
  waitMs: number,
): Promise<Uint8Array | undefined> {
  const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
  const chunks: Buffer[] = [];
  try {
    return await new Promise((done) => {
      const timer = setTimeout(() => done(undefined), waitMs);
      const finish = (reply: Uint8Array | undefined) => {
        clearTimeout(timer);
        done(reply);
      };
      socket.on('data', (chunk) => {
        chunks.push(chunk);
        const all = Buffer.concat(chunks);
        if (all.length >= 2 && all.length >= 2 + all.readUInt16BE(0)) finish(all.subarray(2));
      });
      socket.on('error', () => finish(undefined)).on('close', () => finish(undefined));
      socket.write(Buffer.concat([Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes]));
    });
  } finally {
    socket.destroy();
  }
}

/** What is compared of a reply: sections as sets, names in lower case, the SOA's serial left out. */
export interface Comparable {
  readonly rcode: number | string;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly answer: string;
  readonly authority: string;
  readonly additional: string;
  /** Flags of the second header byte, and OPT: version, flags, codes of options. */
  readonly flags: string;
}

/** Brings a reply into the form that is compared. */
export function comparable(reply: Uint8Array | undefined): Comparable {
  const nothing = { aa: false, tc: false, answer: '', authority: '', additional: '', flags: '' };
  if (!reply) return { rcode: 'none', ...nothing };
  const message = decodeMessage(reply);
  if (!message) return { rcode: 'unreadable', ...nothing };
  const { edns } = message;
  const options = edns?.options
    .map(({ code }) => code)
    .sort()
    .join(',');
  return {
    rcode: message.rcode,
    aa: message.authoritative,
    tc: message.truncated,
    answer: section(message.answers),
    authority: section(message.authorities),
    additional: section(message.additionals),
    flags: `${reply[3]! & 0xf0} rd ${reply[2]! & 1} ${edns ? `opt v${edns.version} [${options}]` : ''}`,
  };
}

function section(records: Message['answers']): string {
  return records
    .map(({ name, ttl, type, rdata }) => `${name} ${ttl} ${type} ${rdata}`.toLowerCase())
    .map((line) => line.replace(/( 6 \S+ \S+) \d+/, '$1 serial'))
    .sort()
    .join('\n');
}
