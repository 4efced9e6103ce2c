// npm run bench:dns [-- --workloads static,geo,mixed --names 1000,100000 --only meridian,gdnsd --seconds 1 --rounds 15]
//
// CPU time per query and peak rate of Meridian (both tiers) and its peers. All servers are up on core 0 and one of them
// is asked, by dnsperf on core 1; they take short turns, forwards and backwards, so that drift of the machine hits all of
// them alike. CPU time is the process's own, user + system, from /proc. What is asked: see dns-world.mjs. Peers that are
// not installed are skipped (Debian: gdnsd, knot with knot-module-geoip, pdns-server with pdns-backend-geoip).
//
// `--network veth` (needs root): each server has a network card of its own, a virtual one in a network namespace, and
// Meridian and Knot run a second time with their datagrams taken by XDP. Without it all is loopback.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ADDRESSES, CONFIGURE, generator, queryFile, writeGeo, ZONE } from './dns-world.mjs';
import { cardOf, makeCards } from './network-cards.mjs';
import { cpuSeconds, installed, startPinned } from './process-cpu.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '15' },
    names: { type: 'string', default: '1000' },
    workloads: { type: 'string', default: 'geo' },
    prefixes: { type: 'string', default: '20000' },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    network: { type: 'string', default: 'loopback' },
  },
});
const PORT = 5390;
// Long enough for caches and compilers to settle: a server runs for weeks.
const WARM_UP_SECONDS = 5;
/** A tenth of a second each, or more: 200,000 records of YAML take their time. */
const START_TRIES = 600;
// Of the mixed workload; of the queries by UDP, so many more come by TCP.
const TCP_SHARE = 0.05;
const SERVERS = [
  { label: 'meridian (batched)', kind: 'meridian', io: 'batched', program: 'node' },
  { label: 'meridian (xdp)', kind: 'meridian', io: 'batched', program: 'node', xdp: true },
  { label: 'meridian (portable)', kind: 'meridian', io: 'portable', program: 'node' },
  { label: 'gdnsd', kind: 'gdnsd', program: 'gdnsd' },
  { label: 'knot', kind: 'knot', program: 'knotd' },
  { label: 'knot (xdp)', kind: 'knot', program: 'knotd', xdp: true },
  { label: 'powerdns', kind: 'powerdns', program: 'pdns_server' },
]
  .filter(({ xdp }) => !xdp || options.network === 'veth')
  .filter(({ label }) => !options.only || options.only.split(',').some((only) => label.includes(only)))
  .map((server, i) => ({
    ...server,
    ...(options.network === 'veth' ? cardOf(i) : { host: '127.0.0.1' }),
    port: PORT + i,
  }));

if (!installed('dnsperf')) {
  console.error('bench:dns needs dnsperf (Debian: apt-get install dnsperf)');
  process.exit(1);
}
const cards = options.network === 'veth' ? makeCards(SERVERS.length) : undefined;
const folder = mkdtempSync(join(tmpdir(), 'meridian-bench-'));
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true });
  cards?.close();
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const random = generator(Number(options.seed));
const mmdb = await writeGeo(join(folder, 'geo.mmdb'), Number(options.prefixes), random);
for (const names of options.names.split(',').map(Number)) {
  for (const workload of options.workloads.split(',')) await compare({ workload, names });
}

/** All servers on one workload. */
async function compare(world) {
  const { workload, names } = world;
  const queries = join(folder, 'queries');
  queryFile(queries, { ...world, count: 200_000, random });
  console.log(`\n${workload}: ${names} names, ${options.prefixes} prefixes, seed ${options.seed}`);
  const results = new Map(SERVERS.map(({ label }) => [label, []]));
  const running = [];
  try {
    for (const server of SERVERS) {
      const started = installed(server.program) ? await start(server, world) : { skipped: 'not installed' };
      if (started.skipped) results.set(server.label, [started]);
      else running.push({ ...server, ...started });
    }
    for (let round = 1; round <= Number(options.rounds); round++) {
      for (const server of round % 2 ? running : running.toReversed()) {
        const result = await measure(server, workload);
        results.get(server.label).push(result);
        console.log(`round ${round}  ${server.label.padEnd(20)} ${describe(result)}`);
      }
    }
  } finally {
    for (const server of running) await server.process.stop();
  }
  report(results);
}

async function start(server, world) {
  if (server.kind === 'powerdns' && world.workload !== 'geo') return { skipped: 'only for the geo workload' };
  const home = join(folder, `${server.label.replaceAll(/[^a-z]/g, '-')}-${world.workload}-${world.names}`);
  mkdirSync(home, { recursive: true });
  const { host, port, io, card } = server;
  const xdp = server.xdp ? card : undefined;
  const [command, args] = CONFIGURE[server.kind](home, { ...world, host, port, xdp, mmdb, io });
  const process_ = startPinned(0, command, args, cards ? { inside: cards.namespace } : {});
  if (!(await answers(server, process_))) {
    await process_.stop();
    return { skipped: `does not answer: ${process_.output().trim().split('\n').slice(-3).join(' | ')}` };
  }
  const { rate } = await load(server, WARM_UP_SECONDS, []);
  const ready = { process: process_, rate };
  // The first connections have to be compiled for too.
  if (world.workload === 'mixed') await measure({ ...server, ...ready }, world.workload, WARM_UP_SECONDS);
  return ready;
}

async function measure(server, workload, seconds = Number(options.seconds)) {
  const before = cpuSeconds(server.process.pid);
  const loads = [load(server, seconds, [])];
  if (workload === 'mixed') {
    const rate = Math.round(server.rate * TCP_SHARE);
    loads.push(load(server, seconds, ['-m', 'tcp', '-Q', rate]));
  }
  const done = await Promise.all(loads);
  const after = cpuSeconds(server.process.pid);
  const sum = (pick) => done.reduce((total, part) => total + pick(part), 0);
  const completed = sum((part) => part.completed);
  return {
    user: ((after.user - before.user) / completed) * 1e6,
    system: ((after.system - before.system) / completed) * 1e6,
    rate: sum((part) => part.rate),
    lost: sum((part) => part.lost),
    tcp: (done[1]?.completed ?? 0) / completed,
  };
}

/** Up and right: a query for a name gives one of the addresses. */
async function answers({ host, port }, process_) {
  for (let i = 0; i < START_TRIES && !process_.ended(); i++) {
    const dig = spawnSync('dig', [
      '+short',
      '+tries=1',
      '+time=1',
      `@${host}`,
      '-p',
      port,
      `www1.${ZONE}`,
      '+subnet=9.9.9.0/24',
    ]);
    if (Object.values(ADDRESSES).some((address) => dig.stdout.toString().includes(address))) return true;
    await new Promise((done) => setTimeout(done, 100));
  }
  return false;
}

async function load({ host, port }, seconds, more) {
  const args = ['-c', '1', 'dnsperf', '-s', host, '-p', port, '-B', '-d', join(folder, 'queries')];
  const text = await outputOf('taskset', [...args, '-l', seconds, '-c', '8', '-q', '200', ...more]);
  const number = (pattern) => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  return {
    completed: number(/Queries completed:\s+(\d+)/),
    lost: number(/Queries lost:\s+(\d+)/),
    rate: number(/Queries per second:\s+([\d.]+)/),
  };
}

function outputOf(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args.map(String), { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
    });
    child.on('error', reject);
    child.on('close', () => resolve(text));
  });
}

function report(results) {
  const rows = [...results].map(([label, runs]) => {
    const good = runs.filter((run) => !run.skipped);
    if (good.length === 0) return { label, skipped: runs[0].skipped };
    const median = (pick) => good.map(pick).toSorted((a, b) => a - b)[Math.floor(good.length / 2)];
    const cpu = median((run) => run.user + run.system);
    return {
      label,
      cpu,
      user: median((r) => r.user),
      system: median((r) => r.system),
      rate: median((r) => r.rate),
    };
  });
  console.log(
    '\nmedian of the rounds            CPU µs/query   (user + system)   queries/s   CPU against gdnsd, knot',
  );
  for (const { label, skipped, cpu, user, system, rate } of rows) {
    if (skipped) console.log(`${label.padEnd(30)} skipped: ${skipped}`);
    else {
      const ratio = ['gdnsd', 'knot'].map((peer) => ratioTo(results, peer, label)).join('  ');
      console.log(
        `${label.padEnd(30)} ${cpu.toFixed(2).padStart(12)}   ${`${user.toFixed(2)} + ${system.toFixed(2)}`.padStart(15)}   ${rate.toFixed(0).padStart(9)}   ${ratio}`,
      );
    }
  }
}

/** Median over the rounds of the ratio within a round: what slows the machine in a round slows both. */
function ratioTo(results, peer, label) {
  const base = results.get(peer) ?? [];
  const ratios = results
    .get(label)
    .flatMap((run, i) =>
      run.skipped || !base[i] || base[i].skipped
        ? []
        : [(run.user + run.system) / (base[i].user + base[i].system)],
    )
    .toSorted((a, b) => a - b);
  return ratios.length > 0 ? `× ${ratios[Math.floor(ratios.length / 2)].toFixed(2)}` : '';
}

function describe(result) {
  if (result.skipped) return `skipped: ${result.skipped}`;
  return `${(result.user + result.system).toFixed(2)} µs/query, ${result.rate.toFixed(0)} queries/s, lost ${result.lost}${result.tcp > 0 ? `, ${(100 * result.tcp).toFixed(1)} % by TCP` : ''}`;
}
