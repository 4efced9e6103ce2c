// npm run bench:change -- --zones 10000 --records 100 --changes 40 --rate 500 --load 0.5 --cores 0
//
// Of ten zones one is a YAML file, and the others are master files, which are read faster. The node has core 0 alone, for all
// of its threads. dnsperf on core 1 finds out how many queries a second it answers at most, and then asks half as many while
// one record of one of many zones changes, on disk and through the API: how long until the first answer has it; how long
// lists, single zones and explain take; and how long other clients wait for answers.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    zones: { type: 'string', default: '10000' },
    records: { type: 'string', default: '100' },
    changes: { type: 'string', default: '40' },
    rate: { type: 'string', default: '500' },
    workers: { type: 'string', default: '1' },
    asks: { type: 'string', default: '200' },
    // Part of the measured peak that dnsperf asks meanwhile; 0 for none.
    load: { type: 'string', default: '0.5' },
    // Of the node.
    cores: { type: 'string', default: '0' },
  },
});
const [ZONES, RECORDS, CHANGES, RATE, WORKERS, ASKS] = [
  values.zones,
  values.records,
  values.changes,
  values.rate,
  values.workers,
  values.asks,
].map(Number);
const PORT = 5691;
const API = 5692;
const START_MS_MAX = 300_000;
/** Of one question while an answer is awaited. */
const POLL_MS = 2;

for (const program of ['dnsperf', 'taskset']) {
  if (spawnSync('which', [program]).status === 0) continue;
  console.error(`bench:change needs ${program} (Debian: apt-get install dnsperf util-linux)`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), 'bench-change-'));
const zones = join(folder, 'zones');
const originOf = (zone) => `z${zone}.bench.test`;
const isYaml = (zone) => zone % 10 === 0;
const fileOf = (zone) => join(zones, `${originOf(zone)}.${isYaml(zone) ? 'yaml' : 'zone'}`);

/** A tenth of the names are steered, among two pools that nothing watches. */
function textOf(zone, last) {
  if (!isYaml(zone)) return masterOf(zone, last);
  const lines = Array.from({ length: RECORDS - 2 }, (_, i) => {
    const address = `10.${zone & 255}.${i >> 8}.${i & 255}`;
    if (i === 0) return `  h0: { type: A, value: 192.0.2.${last} }`;
    return i % 10 === 9
      ? `  h${i}: { type: A, dynamic: { rules: [{ geos: [EU], pool: eu }, { pool: us }] } }`
      : `  h${i}: { type: A, value: ${address} }`;
  });
  return `zone: ${originOf(zone)}
nameservers: { ns1: { A: 192.0.2.53 } }
pools:
  eu: { endpoints: [{ A: 192.0.2.${1 + (zone % 200)} }] }
  us: { endpoints: [{ A: 198.51.100.${1 + (zone % 200)} }] }
records:
${lines.join('\n')}
`;
}

function masterOf(zone, last) {
  const lines = Array.from({ length: RECORDS - 2 }, (_, i) => {
    return `h${i} A ${i === 0 ? `192.0.2.${last}` : `10.${zone & 255}.${i >> 8}.${i & 255}`}`;
  });
  return `$TTL 300\n@ SOA ns1 hostmaster ${last} 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\n${lines.join('\n')}\n`;
}

async function main() {
  mkdirSync(zones);
  for (let zone = 0; zone < ZONES; zone++) writeFileSync(fileOf(zone), textOf(zone, 1));
  writeFileSync(
    join(folder, 'meridian.yaml'),
    `node: { name: bench }
dns: { listen: [ "127.0.0.1:${PORT}" ], workers: ${WORKERS} }
zones: ./zones
state: ./state
api: { listen: "127.0.0.1:${API}" }
log: { level: warn }
`,
  );
  const startMs = performance.now();
  const config = join(folder, 'meridian.yaml');
  const command = [process.execPath, 'dist/main.js', 'serve', '--config', config];
  const server = spawn('taskset', ['-c', values.cores, ...command]);
  let output = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (data) => {
      output = (output + data).slice(-8192);
    });
  }
  const ended = new Promise((_, fail) =>
    server.once('exit', (code) => fail(new Error(`ended with ${code}`))),
  );
  try {
    await Promise.race([until(ZONES - 1, 1, START_MS_MAX), ended]);
    console.log(
      `${ZONES} zones of ${RECORDS} records served after ${round((performance.now() - startMs) / 1000)} s`,
    );
    await pause(5000);
    console.log(`resident memory: ${round(rssKb(server.pid) / 1024)} MB`);
    writeFileSync(join(folder, 'queries'), queries());
    await dnsperf(3).done;
    const peak = await dnsperf(5).done;
    const rate = Math.round(peak.rate * Number(values.load));
    console.log(`at most ${Math.round(peak.rate)} queries a second; ${rate} from now`);
    const load = rate > 0 ? dnsperf(3600, rate) : { stop() {}, done: { rate: 0, lost: 0 } };
    const background = new Background();
    await pause(2000);
    background.reset();
    console.table([await changes('file', changeFile), await changes('API', changeByApi)]);
    console.table(await api());
    const waits = background.stop();
    load.stop();
    const half = await load.done;
    console.table([
      {
        'answers to others': waits.length,
        lost: background.lost,
        'p50 ms': at(waits, 0.5),
        'p99 ms': at(waits, 0.99),
        'p99.9 ms': at(waits, 0.999),
        'max ms': at(waits, 1),
        'load, a second': Math.round(half.rate),
        'lost of it': half.lost,
      },
    ]);
    console.log(`resident memory at the end: ${round(rssKb(server.pid) / 1024)} MB`);
  } catch (error) {
    console.error(output);
    throw error;
  } finally {
    ended.catch(() => {});
    const gone = new Promise((done) => server.once('exit', done));
    if (server.exitCode === null && server.kill('SIGTERM')) await gone;
  }
}

/** Names that dnsperf asks for. */
function queries() {
  const lines = Array.from({ length: 20_000 }, (_, i) => {
    const zone = (i * 7919) % ZONES;
    return `h${1 + (i % (RECORDS - 3))}.${originOf(zone)} A`;
  });
  return `${lines.join('\n')}\n`;
}

/** Asks for so many seconds, as fast as it gets answers or so often a second. */
function dnsperf(seconds, rate) {
  const where = ['-s', '127.0.0.1', '-p', PORT, '-d', join(folder, 'queries'), '-c', '4', '-q', '200'];
  const often = rate === undefined ? [] : ['-Q', rate];
  const child = spawn('taskset', ['-c', '1', 'dnsperf', ...where, ...often, '-l', seconds].map(String));
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  const done = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () =>
      resolve({
        rate: Number(/Queries per second:\s+([\d.]+)/.exec(text)?.[1]),
        lost: Number(/Queries lost:\s+(\d+)/.exec(text)?.[1]),
      }),
    );
  });
  return { done, stop: () => child.kill('SIGINT') };
}

/** Changes a record every half second, in one zone after another. */
async function changes(by, change) {
  const delays = [];
  for (let i = 0; i < CHANGES; i++) {
    const last = 2 + ((i + (by === 'API' ? CHANGES : 0)) % 250);
    delays.push(await change(i, last));
    await pause(500);
  }
  return {
    'changed by': by,
    changes: delays.length,
    'live p50 ms': at(delays, 0.5),
    'p99 ms': at(delays, 0.99),
    'max ms': at(delays, 1),
  };
}

async function changeFile(i, last) {
  const zone = (i * 7919) % ZONES;
  const draft = join(zones, '.draft');
  writeFileSync(draft, textOf(zone, last));
  const startMs = performance.now();
  renameSync(draft, fileOf(zone));
  await until(zone, last, 30_000);
  return performance.now() - startMs;
}

/** From the request on. */
async function changeByApi(i, last) {
  const zone = 10 * ((i * 7919 + 1) % (ZONES / 10));
  const path = `/v1/zones/${originOf(zone)}/records/h0/A`;
  const { headers } = await request(path);
  const startMs = performance.now();
  const live = until(zone, last, 30_000).then(() => performance.now() - startMs);
  const put = request(path, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', 'if-match': headers.get('etag') },
    body: JSON.stringify({ type: 'A', value: `192.0.2.${last}` }),
  });
  const [delay] = await Promise.all([live, put]);
  return delay;
}

/** Asks for random names at a steady rate, and keeps how long each answer took. */
class Background {
  #socket = createSocket('udp4');
  #sent = new Map();
  #latencies = [];
  #id = 0;
  #timer;
  lost = 0;

  constructor() {
    this.#socket.on('message', (message) => {
      const id = message.readUInt16BE(0);
      const sent = this.#sent.get(id);
      if (sent === undefined) return;
      this.#latencies.push(performance.now() - sent);
      this.#sent.delete(id);
    });
    const start = performance.now();
    let count = 0;
    this.#timer = setInterval(() => {
      for (const due = ((performance.now() - start) * RATE) / 1000; count < due; count++) this.#ask();
    }, 1);
  }

  #ask() {
    this.#id = (this.#id + 1) & 0xffff;
    if (this.#sent.delete(this.#id)) this.lost++;
    this.#sent.set(this.#id, performance.now());
    const zone = Math.floor(Math.random() * ZONES);
    const name = `h${1 + Math.floor(Math.random() * (RECORDS - 3))}.${originOf(zone)}`;
    this.#socket.send(query(name, this.#id), PORT, '127.0.0.1');
  }

  reset() {
    this.#latencies = [];
    this.lost = 0;
  }

  stop() {
    clearInterval(this.#timer);
    this.#socket.close();
    return this.#latencies;
  }
}

async function request(path, options = {}) {
  const token = readFileSync(join(folder, 'state', 'admin.token'), 'utf8').trim();
  const response = await fetch(`http://127.0.0.1:${API}${path}`, {
    ...options,
    headers: { ...options.headers, authorization: `Bearer ${token}` },
  });
  const body = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${body.slice(0, 300)}`);
  return response;
}

/** How long reading takes through the API; the first of each kind is not counted. */
async function api() {
  const yaml = (i) => originOf(10 * ((i * 7919) % (ZONES / 10)));
  const kinds = {
    'list zones': (i) => `/v1/zones?limit=100${i % 2 === 0 ? '' : '&zone=z99'}`,
    'show a zone': (i) => `/v1/zones/${originOf((i * 7919) % ZONES)}`,
    'list records': (i) => `/v1/zones/${yaml(i)}/records?limit=100`,
    'show a record': (i) => `/v1/zones/${yaml(i)}/records/h9/A`,
    explain: (i) => `/v1/explain?name=h${9 + 10 * (i % 5)}.${yaml(i)}&type=A&subnet=192.0.2.0/24`,
  };
  const rows = [];
  for (const [kind, pathOf] of Object.entries(kinds)) {
    await request(pathOf(0));
    const found = [];
    for (let i = 1; i <= ASKS; i++) {
      const startMs = performance.now();
      await request(pathOf(i));
      found.push(performance.now() - startMs);
      await pause(5);
    }
    const [p50, p99, max] = [0.5, 0.99, 1].map((part) => at(found, part));
    rows.push({ request: kind, times: ASKS, 'p50 ms': p50, 'p99 ms': p99, 'max ms': max });
  }
  return rows;
}

/** Asks for the changing name of a zone until it ends in `last`. */
async function until(zone, last, limitMs) {
  const socket = createSocket('udp4');
  const deadline = performance.now() + limitMs;
  try {
    for (let id = 1; performance.now() < deadline; id++) {
      const answer = new Promise((done) => {
        socket.once('message', done);
        socket.once('error', () => done(undefined));
        setTimeout(() => done(undefined), 200).unref();
      });
      socket.send(query(`h0.${originOf(zone)}`, id & 0xffff), PORT, '127.0.0.1');
      const message = await answer;
      socket.removeAllListeners();
      if (message && message[7] >= 1 && message[message.length - 1] === last) return;
      await pause(POLL_MS);
    }
  } finally {
    socket.close();
  }
  throw new Error(`${originOf(zone)} did not change in ${limitMs} ms`);
}

/** No EDNS, so that the address is the end of the answer. */
function query(name, id) {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Buffer.from([id >> 8, id & 255, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

function at(list, part) {
  const sorted = [...list].sort((a, b) => a - b);
  return round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0);
}

function rssKb(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function round(value) {
  return Math.round(value * 100) / 100;
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
