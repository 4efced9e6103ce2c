// npm run bench:proxy [-- --case keepalive-64,latency --only meridian,haproxy --seconds 2 --rounds 5 --key ecdsa|rsa
//                        --io batched|portable --json FILE]
//
// The proxy beside HAProxy and nginx, with equal features (proxy-servers.mjs), case by case (proxy-loads.mjs). All servers
// are up on core 0 and one of them is asked, by a client on core 1, where the endpoint runs too; they take short turns,
// forwards and backwards, so that drift of the machine hits all of them alike. CPU time is the process's own, user +
// system, from /proc. Peers that are not installed are skipped (Debian: haproxy nginx-light wrk nghttp2-client).
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuSeconds, installed, startPinned } from './process-cpu.mjs';
import { CASES, IDLE_CONNECTIONS, wrk } from './proxy-loads.mjs';
import { backendCommand, CONFIGURE, makeCertificate } from './proxy-servers.mjs';

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: Object.keys(CASES).join(',') },
    only: { type: 'string', default: 'meridian,haproxy,nginx' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    key: { type: 'string', default: 'ecdsa' },
    io: { type: 'string' },
    json: { type: 'string' },
  },
});
/** Long enough for the compiler to settle: a server runs for weeks. */
const WARM_UP_SECONDS = 4;
const START_MS_MAX = 10_000;
const PEERS = ['haproxy', 'nginx', 'plain'];
const PROGRAMS = { meridian: 'node', plain: 'node', haproxy: 'haproxy', nginx: 'nginx' };

/** The figure by which servers are compared. */
const FIGURE = { cpu: (turn) => turn.cpu, latency: (turn) => turn.p99Us, memory: (turn) => turn.bytesEach };
const TITLE = { cpu: 'CPU µs', latency: 'p99 µs', memory: 'bytes' };

const names = options.case.split(',');
const wrong = names.find((name) => CASES[name] === undefined);
if (wrong !== undefined) fail(`--case ${wrong}: one of ${Object.keys(CASES).join(', ')}`);
for (const program of ['wrk', 'nginx']) {
  if (!installed(program)) fail(`bench:proxy needs ${program} (Debian: apt-get install wrk nginx-light)`);
}

const folder = mkdtempSync(join(tmpdir(), 'meridian-bench-'));
const running = new Set();
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const backend = await freePort();
const results = [];
try {
  const endpoint = startPinned(1, ...backendCommand(folder, backend));
  running.add(endpoint);
  if (!(await accepts(backend))) fail(`the endpoint does not start: ${endpoint.output()}`);
  for (const name of names) results.push(await compare(name, CASES[name]));
} finally {
  for (const server of running) await server.stop();
}
for (const result of results) print(result);
if (options.json) {
  const file = {
    node: process.version,
    seconds: Number(options.seconds),
    rounds: Number(options.rounds),
    cases: results,
  };
  writeFileSync(options.json, `${JSON.stringify(file, null, 2)}\n`);
}

/** All servers on one case: `{ name, unit, measure, servers: { label: { skipped } | { without, turns } } }`. */
async function compare(name, { kind, unit, measure = 'cpu', load, servers: wanted }) {
  const servers = {};
  const up = [];
  console.log(`\n${name}`);
  if (measure === 'latency' && !installed('h2load'))
    return { name, unit, measure, servers: { all: { skipped: 'h2load is not installed' } } };
  for (const label of wanted ?? options.only.split(',')) {
    const started = await start(label, name, kind);
    servers[label] = started.skipped ? started : { without: started.without, turns: [] };
    if (!started.skipped) up.push({ label, ...started });
  }
  try {
    let rate = Number.POSITIVE_INFINITY;
    for (const server of up) rate = Math.min(rate, await warmUp(server, measure, load));
    const rounds = measure === 'memory' ? 1 : Number(options.rounds);
    for (let round = 1; round <= rounds; round++) {
      for (const server of round % 2 ? up : up.toReversed()) {
        const turn = await take(server, { measure, unit, load, rate: rate / 2 });
        servers[server.label].turns.push(turn);
        console.log(`  round ${round}  ${server.label.padEnd(10)} ${describe(turn, unit)}`);
      }
    }
  } finally {
    for (const { process: server } of up) {
      await server.stop();
      running.delete(server);
    }
  }
  return { name, unit, measure, servers };
}

async function start(label, name, kind) {
  if (!installed(PROGRAMS[label] ?? 'false')) return { skipped: 'not installed' };
  const home = join(folder, `${name}-${label}`);
  mkdirSync(home, { recursive: true });
  const certificate = kind === 'tls' ? makeCertificate(home, options.key) : null;
  if (kind === 'tls' && certificate === null) return { skipped: 'no openssl' };
  const world = { kind, port: await freePort(), backend, certificate, io: options.io, folder: home };
  const { command, without, skipped } = CONFIGURE[label](home, world);
  if (skipped) return { skipped };
  const server = startPinned(0, ...command);
  running.add(server);
  if (await accepts(world.port)) return { process: server, world, without };
  await server.stop();
  running.delete(server);
  return { skipped: `does not start: ${server.output().trim().split('\n').at(-1)}` };
}

/** Runs the case until compilers and caches have settled; gives the rate that the server reached. */
async function warmUp({ world }, measure, load) {
  const { rate } = await wrk({ ...world, seconds: WARM_UP_SECONDS }, 32, '/api/small');
  if (measure === 'cpu') await load({ ...world, seconds: 2 * WARM_UP_SECONDS });
  return rate;
}

async function take({ process: server, world }, { measure, unit, load, rate }) {
  if (measure === 'memory') return takeMemory(server, world, load);
  const seconds = Number(options.seconds);
  const before = cpuSeconds(server.pid);
  const startMs = performance.now();
  const done = await load({ ...world, seconds, rate });
  const after = cpuSeconds(server.pid);
  const wallSeconds = (performance.now() - startMs) / 1000;
  const each = (part) => ((after[part] - before[part]) / Math.max(1, done.count)) * 1e6;
  return {
    ...done,
    unit,
    user: each('user'),
    system: each('system'),
    cpu: each('user') + each('system'),
    wallSeconds,
  };
}

/** Resident memory before and with the idle connections; the kernel's part (socket buffers) is not in it. */
async function takeMemory(server, world, load) {
  const before = residentBytes(server.pid);
  const { end, ...done } = await load(world);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const grown = residentBytes(server.pid) - before;
  await end();
  return { ...done, before, grown, bytesEach: grown / IDLE_CONNECTIONS };
}

function residentBytes(pid) {
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

function print({ name, unit, measure, servers }) {
  console.log(
    `\n${name}: ${TITLE[measure]} for each ${unit}, median of ${measure === 'memory' ? 1 : options.rounds}`,
  );
  for (const [label, { skipped, turns, without }] of Object.entries(servers)) {
    if (skipped) {
      console.log(`  ${label.padEnd(10)} skipped: ${skipped}`);
      continue;
    }
    const value = median(turns.map(FIGURE[measure]));
    const parts =
      measure === 'cpu'
        ? `(${median(turns.map((t) => t.user)).toFixed(1)} + ${median(turns.map((t) => t.system)).toFixed(1)})`
        : '';
    const rate =
      measure === 'memory'
        ? ''
        : `${median(turns.map((t) => t.rate ?? t.count / t.wallSeconds)).toFixed(0)}/s`;
    const ratios =
      label === 'meridian' ? PEERS.map((peer) => ratioTo(servers, peer, measure)).join('  ') : '';
    const failed = turns.reduce((sum, turn) => sum + turn.failed, 0);
    const notes = [
      failed > 0 ? `FAILED ${failed}` : '',
      without.length > 0 ? `without ${without.join(', ')}` : '',
    ];
    console.log(
      `  ${label.padEnd(10)} ${value.toFixed(1).padStart(9)} ${parts.padStart(17)} ${rate.padStart(10)}   ${ratios} ${notes.join(' ')}`,
    );
  }
}

/** Median over the rounds of the ratio within a round: what slows the machine in a round slows both. */
function ratioTo(servers, peer, measure) {
  const base = servers[peer]?.turns;
  if (!base) return '';
  const of = FIGURE[measure];
  return `× ${median(servers.meridian.turns.map((turn, i) => of(turn) / of(base[i]))).toFixed(2)} of ${peer}`;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function describe(turn, unit) {
  if (turn.bytesEach !== undefined)
    return `${(turn.grown / 1e6).toFixed(1)} MB more for ${turn.count} connections, ${turn.failed} failed`;
  const latency =
    turn.p99Us === undefined ? '' : `, p50 ${turn.p50Us} p99 ${turn.p99Us} p99.9 ${turn.p999Us} µs`;
  const resumed = turn.resumed > 0 ? `, ${turn.resumed} resumed` : '';
  return `${turn.cpu.toFixed(2)} µs/${unit}, ${turn.count} in ${turn.wallSeconds.toFixed(1)} s, ${turn.failed} failed${latency}${resumed}`;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function accepts(port) {
  const endMs = performance.now() + START_MS_MAX;
  while (performance.now() < endMs) {
    const socket = connect({ host: '127.0.0.1', port });
    const up = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (up) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

function fail(text) {
  console.error(text);
  process.exit(1);
}
