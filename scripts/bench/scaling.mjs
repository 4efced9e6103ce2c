// npm run bench:scaling [-- --seconds 3 --rounds 3 --names 1000]
//
// First, the peak with one and with two workers on two cores: queries are blasted at the server, and what it answered is
// counted by the kernel. Each worker gets a share of a core only, by a cgroup, so that two cores carry the workers and
// what asks them. Then, without that limit, latency at half of that peak, as a client sees it that
// asks 500 times a second beside dnsperf: medians of the rounds, and their range. Meridian and gdnsd, geo names.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
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
// Before dnsperf, which shares its core: what is measured is the server.
spawnSync('taskset', ['-cp', '1', process.pid]);
spawnSync('renice', ['-n', '-10', '-p', process.pid]);
const PORT = 5380;
const ASK_EVERY_MS = 2;
/** The last compilation, of the loop around all of it, comes after 7 to 12 s. */
const WARM_UP_SECONDS = 12;
/** Of a core, for each worker, and how fast the blasts are together: more than two such workers can answer. */
const SHARE = 0.3;
const BLAST_RATE = 600_000;
const CGROUPS = '/sys/fs/cgroup/cpu';
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
    await withServer(kind, workers, async (server) => {
      const limits = await limitWorkers(server, workers);
      const rates = [];
      for (let round = 0; round < Number(options.rounds); round++) rates.push(await peak());
      for (const remove of limits) remove();
      const best = median(rates);
      peaks.set(`${kind} ${workers}`, best);
      console.log(
        `peak     ${kind.padEnd(9)} ${workers} worker(s) of ${SHARE} core  ${best.toFixed(0)} answers/s`,
      );
    });
  }
}
const rate = Math.round(Math.min(...servers.map((kind) => peaks.get(`${kind} 1`))) / SHARE / 2 / 1000) * 1000;
const times = new Map(servers.map((kind) => [kind, []]));
for (let round = 0; round < 2 * Number(options.rounds); round++) {
  for (const kind of round % 2 ? servers : servers.toReversed()) {
    const ask = async () => {
      // Compilers and caches settle first: a server runs for weeks.
      await dnsperf(rate, WARM_UP_SECONDS);
      times.get(kind).push((await latencies(rate)).toSorted((a, b) => a - b));
    };
    await withServer(kind, 1, ask, '0');
  }
}
for (const [kind, rounds] of times) {
  const at = (share) => {
    const each = rounds
      .map((all) => all[Math.floor(share * (all.length - 1))] * 1000)
      .toSorted((a, b) => a - b);
    return `${median(each).toFixed(0)} (${each[0].toFixed(0)} to ${each.at(-1).toFixed(0)})`;
  };
  console.log(
    `latency  ${kind.padEnd(9)} at ${rate} queries/s, µs: p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}`,
  );
}

async function withServer(kind, workers, work, cores = '0,1') {
  const home = join(folder, `${kind}-${workers}-${Math.floor(random() * 1e9)}`);
  mkdirSync(home, { recursive: true });
  const [command, args] = CONFIGURE[kind](home, { ...world, port: PORT, mmdb, io: 'batched', workers });
  const server = startPinned(cores, 'nice', ['-n', '10', command, ...args]);
  try {
    await up();
    await dnsperf(100_000, 3);
    await work(server);
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
    output('nice', [
      '-n',
      '10',
      process.execPath,
      'scripts/bench/blast.mjs',
      PORT,
      seconds,
      queries,
      BLAST_RATE / 2,
    ]),
  );
  const sent = (await Promise.all(blasts)).reduce((sum, text) => sum + Number(text), 0);
  return (datagramsSent() - before - sent) / seconds;
}

/** Puts the threads that answer, by what they did meanwhile, into a cgroup each; returns how to undo it. */
async function limitWorkers(server, workers) {
  const before = ticksOf(server);
  await dnsperf(100_000, 2);
  const busiest = [...ticksOf(server)]
    .map(([tid, ticks]) => ({ tid, ticks: ticks - (before.get(tid) ?? 0) }))
    .toSorted((a, b) => b.ticks - a.ticks)
    .slice(0, workers);
  return busiest.map(({ tid }) => {
    const group = join(CGROUPS, `meridian-bench-${tid}`);
    mkdirSync(group);
    writeFileSync(join(group, 'cpu.cfs_period_us'), '10000');
    writeFileSync(join(group, 'cpu.cfs_quota_us'), String(10_000 * SHARE));
    writeFileSync(join(group, 'tasks'), tid);
    return () => {
      writeFileSync(join(CGROUPS, 'tasks'), tid);
      rmdirSync(group);
    };
  });
}

/** CPU time of each thread so far. */
function ticksOf(server) {
  const tasks = `/proc/${server.pid}/task`;
  return new Map(
    readdirSync(tasks).map((tid) => {
      const stat = readFileSync(`${tasks}/${tid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [tid, Number(fields[11]) + Number(fields[12])];
    }),
  );
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
  return output('nice', ['-n', '20', 'taskset', '-c', '1', 'dnsperf', ...args, '-Q', rate]);
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
