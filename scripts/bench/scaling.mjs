// npm run bench:scaling [-- --seconds 3 --rounds 3 --names 1000]
//
// First, the peak with one and with two workers on two cores: queries are blasted at the server by processes of the lowest
// priority, and what the server answered is counted by the kernel. Then latency at half of that peak, as a client sees it that
// asks 500 times a second beside dnsperf. Meridian and gdnsd, static and geo names.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CONFIGURE, generator, queryFile, writeGeo, ZONE } from './dns-world.mjs';
import { installed, startPinned } from './process-cpu.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    names: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
  },
});
const PORT = 5380;
const ASK_EVERY_MS = 2;
const folder = mkdtempSync(join(tmpdir(), 'meridian-scaling-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const random = generator(Number(options.seed));
const world = { workload: 'geo', names: Number(options.names) };
const mmdb = await writeGeo(join(folder, 'geo.mmdb'), 20_000, random);
const queries = join(folder, 'queries');
queryFile(queries, { ...world, count: 20_000, random });

const servers = ['meridian', 'gdnsd'].filter((kind) => kind === 'meridian' || installed(kind));
const peaks = new Map();
for (const workers of [1, 2]) {
  for (const kind of servers) {
    await withServer(kind, workers, async () => {
      const rates = [];
      for (let round = 0; round < Number(options.rounds); round++) rates.push(await peak());
      const best = median(rates);
      peaks.set(`${kind} ${workers}`, best);
      console.log(`peak     ${kind.padEnd(9)} ${workers} worker(s)  ${best.toFixed(0)} answers/s`);
    });
  }
}
for (const kind of servers) {
  await withServer(kind, 2, async () => {
    const rate = Math.round(peaks.get(`${kind} 2`) / 2 / 1000) * 1000;
    const times = [];
    for (let round = 0; round < Number(options.rounds); round++) times.push(...(await latencies(rate)));
    times.sort((a, b) => a - b);
    const at = (share) => `${(times[Math.floor(share * (times.length - 1))] * 1000).toFixed(0)} µs`;
    console.log(
      `latency  ${kind.padEnd(9)} at ${rate} queries/s: p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, p99.9 ${at(0.999)} of ${times.length}`,
    );
  });
}

async function withServer(kind, workers, work) {
  const home = join(folder, `${kind}-${workers}-${Math.floor(random() * 1e9)}`);
  mkdirSync(home, { recursive: true });
  const [command, args] = CONFIGURE[kind](home, { ...world, port: PORT, mmdb, io: 'batched', workers });
  const server = startPinned('0,1', command, args);
  try {
    await up();
    await dnsperf(100_000, 3);
    await work();
  } finally {
    await server.stop();
  }
}

async function up() {
  for (let i = 0; i < 200; i++) {
    const dig = spawnSync('dig', ['+short', '+tries=1', '+time=1', '@127.0.0.1', '-p', PORT, `www1.${ZONE}`]);
    if (dig.stdout.toString().trim() !== '') return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('the server does not answer');
}

/** Answers a second while queries come faster than they can be answered. */
async function peak() {
  const seconds = Number(options.seconds);
  const before = datagramsSent();
  const blasts = [0, 1].map(() =>
    output('nice', ['-n', '19', process.execPath, 'scripts/bench/blast.mjs', PORT, seconds, queries]),
  );
  const sent = (await Promise.all(blasts)).reduce((sum, text) => sum + Number(text), 0);
  return (datagramsSent() - before - sent) / seconds;
}

/** UDP datagrams that this machine has sent, from /proc. */
function datagramsSent() {
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf('OutDatagrams')]);
}

/** Milliseconds of each query of a steady client while dnsperf asks `rate` times a second. */
async function latencies(rate) {
  const seconds = Number(options.seconds);
  const load = dnsperf(rate, seconds + 1);
  const [message] = readQueries();
  const socket = createSocket('udp4');
  const sent = new Map();
  const times = [];
  socket.on('message', (answer) => {
    const start = sent.get(answer.readUInt16BE(0));
    if (start !== undefined) times.push(performance.now() - start);
    sent.delete(answer.readUInt16BE(0));
  });
  await new Promise((done) => socket.bind(0, '127.0.0.1', done));
  await new Promise((done) => setTimeout(done, 500));
  let id = 0;
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    const query = Buffer.from(message);
    query.writeUInt16BE(++id);
    sent.set(id, performance.now());
    socket.send(query, PORT, '127.0.0.1');
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
  }
  await load;
  socket.close();
  // What was lost waited for ever.
  return [...times, ...Array(sent.size).fill(Number.POSITIVE_INFINITY)];
}

function* readQueries() {
  const bytes = readFileSync(queries);
  for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at)) {
    yield bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at));
  }
}

function dnsperf(rate, seconds) {
  const args = ['-s', '127.0.0.1', '-p', PORT, '-B', '-d', queries, '-l', seconds, '-c', '8', '-q', '200'];
  return output('dnsperf', [...args, '-Q', rate]);
}

function output(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
    });
    child.on('error', reject);
    child.on('close', () => resolve(text));
  });
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
