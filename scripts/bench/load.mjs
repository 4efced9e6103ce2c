// Loading and reloading a large zone: time, memory, and what clients notice of it; beside Knot DNS and NSD.
//
//     npm run bench:load -- --records 1000000 --rate 2000 --only meridian
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    rate: { type: 'string', default: '2000' },
    reloads: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
  },
});
const RECORDS = bounded(values.records, 10, 3_000_000);
const RATE = bounded(values.rate, 10, 20_000);
const RELOADS = bounded(values.reloads, 0, 10);
const LOAD_MS_MAX = 180_000;
const PORT = 5390;
const ORIGIN = 'bench.test.';
const HEAD = 3;

const folder = mkdtempSync(join(tmpdir(), 'bench-load-'));
async function main() {
  const wireBytes = writeZone(join(folder, 'v1.zone'), 1);
  console.log(`${RECORDS} records, wire size ${(wireBytes / RECORDS).toFixed(1)} bytes a record`);
  const rows = [];
  if (wanted('meridian')) rows.push(await measureMeridian(wireBytes));
  for (const server of ['knotd', 'nsd']) {
    if (wanted(server) && installed(server)) rows.push(await measurePeer(server, wireBytes));
  }
  console.table(rows);
  if (wanted('meridian')) console.table([await measureGeo()]);
}

function wanted(name) {
  return values.only === '' || values.only === name;
}

function bounded(text, min, max) {
  const number = Number(text);
  if (!(Number.isInteger(number) && number >= min && number <= max)) {
    throw new Error(`${text} is not a whole number from ${min} to ${max}`);
  }
  return number;
}

/** `host0` … with one address each. Returns the bytes of all records in wire form, uncompressed. */
function writeZone(path, serial) {
  const file = openSync(path, 'w');
  let text = `$ORIGIN ${ORIGIN}\n$TTL 300\n@ SOA ns1 hostmaster ${serial} 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\n`;
  let bytes = 0;
  for (let i = 0; i < RECORDS - HEAD; i++) {
    text += `host${i} A 10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}\n`;
    // Labels with their lengths, the root; type, class, TTL, rdlength; the address.
    bytes += 1 + `host${i}`.length + ORIGIN.length + 1 + 10 + 4;
    if (text.length > 1 << 20) {
      writeSync(file, text);
      text = '';
    }
  }
  writeSync(file, text);
  closeSync(file);
  return bytes;
}

async function measureMeridian(wireBytes) {
  const zones = join(folder, 'zones');
  mkdirSync(zones);
  // The small zone makes the node ready, and is what an empty server is compared by.
  writeFileSync(join(zones, 'small.yaml'), 'zone: small.test\nnameservers: { ns1: { A: 192.0.2.53 } }\n');
  const config = `node: { name: bench }\ndns: { listen: [ "127.0.0.1:${PORT}" ], workers: 1 }\nzones: ./zones\nstate: ./state\napi: { listen: off }\nlog: { level: warn }\n`;
  writeFileSync(join(folder, 'meridian.yaml'), config);
  const delayFile = join(folder, 'delay');
  const server = start(
    process.execPath,
    [
      '--import',
      resolve('scripts/bench/loop-delay.mjs'),
      'dist/main.js',
      'serve',
      '--config',
      join(folder, 'meridian.yaml'),
    ],
    { LOOP_DELAY_FILE: delayFile },
  );
  try {
    await untilSerial('small.test.', () => true);
    await pause(3000);
    const emptyKb = rssKb(server.pid);
    await resetDelay(delayFile);
    const startMs = performance.now();
    renameSync(join(folder, 'v1.zone'), join(zones, 'bench.test.zone'));
    await untilSerial(ORIGIN, (serial) => serial === 1);
    const loadSeconds = (performance.now() - startMs) / 1000;
    // Until the memory that reading took is given back.
    await pause(20_000);
    const loadedKb = rssKb(server.pid);
    const loadStallMs = maxDelay(delayFile);
    const row = {
      server: 'meridian',
      'load s': round(loadSeconds),
      'RSS MB': round(loadedKb / 1024),
      'RSS/record above empty': round(((loadedKb - emptyKb) * 1024) / RECORDS),
      'above wire size': round(((loadedKb - emptyKb) * 1024 - wireBytes) / RECORDS),
      'main stall ms': round(loadStallMs),
    };
    for (let i = 0; i < RELOADS; i++) console.table([await reload(server, zones, delayFile, i + 2)]);
    return { ...row, 'RSS MB after reloads': round(rssKb(server.pid) / 1024) };
  } catch (error) {
    console.error(server.output());
    throw error;
  } finally {
    await server.stop();
  }
}

/** Replaces the zone while dnsperf asks. */
async function reload(server, zones, delayFile, serial) {
  const next = join(folder, 'next.zone');
  writeZone(next, serial);
  const queries = join(folder, 'queries');
  const step = Math.max(1, Math.floor(RECORDS / 10_000));
  const names = [];
  for (let i = 0; i < RECORDS - HEAD; i += step) names.push(`host${i}.${ORIGIN} A`);
  shuffle(names);
  writeFileSync(queries, `${names.join('\n')}\n`);
  await resetDelay(delayFile);
  const log = openSync(join(folder, 'dnsperf.log'), 'w');
  const asker = spawn(
    'dnsperf',
    `-s 127.0.0.1 -p ${PORT} -d ${queries} -Q ${RATE} -l 600 -t 2 -v`.split(' '),
    { stdio: ['ignore', log, log] },
  );
  const ended = new Promise((done) => asker.once('exit', done));
  await pause(2000);
  const startMs = performance.now();
  renameSync(next, join(zones, 'bench.test.zone'));
  try {
    await untilSerial(ORIGIN, (found) => found === serial);
    await pause(3000);
  } finally {
    // dnsperf prints its statistics then.
    asker.kill('SIGINT');
    await ended;
    closeSync(log);
  }
  const took = (performance.now() - startMs - 3000) / 1000;
  return {
    reload: serial,
    s: round(took),
    ...latencies(readFileSync(join(folder, 'dnsperf.log'), 'utf8')),
    'main stall ms': round(maxDelay(delayFile)),
    'RSS MB': round(rssKb(server.pid) / 1024),
  };
}

/** `> NOERROR host1.bench.test. A 0.000123` for each query; then the statistics. */
function latencies(text) {
  const list = [...text.matchAll(/^> \S+ \S+ \S+ (\d+\.\d+)$/gm)].map(([, s]) => Number(s) * 1000);
  list.sort((a, b) => a - b);
  const at = (share) => round(list[Math.min(list.length - 1, Math.floor(list.length * share))]);
  const lost = Number(/Queries lost:\s+(\d+)/.exec(text)?.[1] ?? Number.NaN);
  return { queries: list.length, lost, 'p50 ms': at(0.5), 'p99.9 ms': at(0.999), 'max ms': at(1) };
}

async function measurePeer(name, wireBytes) {
  const home = join(folder, name);
  mkdirSync(home);
  const [program, args] = PEERS[name](home);
  const run = async (zoneRecords) => {
    const server = start(program, args);
    const startMs = performance.now();
    try {
      await untilSerial(ORIGIN, (serial) => serial === zoneRecords);
      const seconds = (performance.now() - startMs) / 1000;
      await pause(2000);
      return { seconds, kb: rssOfFamily(server.pid) };
    } catch (error) {
      console.error(server.output());
      throw error;
    } finally {
      await server.stop();
    }
  };
  const zone = join(home, 'bench.zone');
  writeFileSync(
    zone,
    `$ORIGIN ${ORIGIN}\n$TTL 300\n@ SOA ns1 hostmaster 7 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\n`,
  );
  const empty = await run(7);
  writeZone(zone, 9);
  const full = await run(9);
  return {
    server: name,
    'load s': round(full.seconds),
    'RSS MB': round(full.kb / 1024),
    'RSS/record above empty': round(((full.kb - empty.kb) * 1024) / RECORDS),
    'above wire size': round(((full.kb - empty.kb) * 1024 - wireBytes) / RECORDS),
  };
}

const PEERS = {
  knotd(home) {
    const config = `server:\n    rundir: ${home}\n    listen: 127.0.0.1@${PORT}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\ndatabase:\n    storage: ${home}\ntemplate:\n  - id: default\n    storage: ${home}\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\nzone:\n  - domain: ${ORIGIN}\n    file: bench.zone\n`;
    writeFileSync(join(home, 'knot.conf'), config);
    return ['/usr/sbin/knotd', ['-c', join(home, 'knot.conf')]];
  },
  nsd(home) {
    const config = `server:\n  ip-address: 127.0.0.1@${PORT}\n  server-count: 1\n  username: ""\n  chroot: ""\n  zonesdir: ${home}\n  pidfile: ${home}/nsd.pid\n  zonelistfile: ${home}/zone.list\n  xfrdfile: ${home}/xfrd.state\n  database: ""\n  logfile: ${home}/nsd.log\nremote-control:\n  control-enable: no\nzone:\n  name: ${ORIGIN}\n  zonefile: bench.zone\n`;
    writeFileSync(join(home, 'nsd.conf'), config);
    return ['/usr/sbin/nsd', ['-d', '-c', join(home, 'nsd.conf')]];
  },
};

/** 100 rule sets over the embedded database. */
async function measureGeo() {
  const { loadGeoDatabase } = await import(resolve('dist/sources/geo-database.js'));
  const { compileRules } = await import(resolve('dist/core/policy/geo-rules.js'));
  const { trie } = await loadGeoDatabase(['embedded'], { nowMs: Date.now });
  const countries = [...new Set(trie.locations.map(({ country }) => country).filter(Boolean))];
  const geo = (n) => `EU-${countries[n % countries.length]}`;
  const startMs = performance.now();
  for (let i = 0; i < 100; i++) {
    const rules = ['EU', 'AS', 'NA', 'SA', 'AF'].map((continent, r) => ({
      subnets: [{ bytes: Uint8Array.of(10 + i, r, 0, 0), length: 16 }],
      asns: [],
      geos: [geo(i * 7 + r * 31), geo(i * 3 + r * 11), continent],
      pool: continent,
    }));
    compileRules([...rules, { subnets: [], asns: [], geos: [], pool: 'rest' }], trie);
  }
  return { 'rule sets': 100, 'geo compile s': round((performance.now() - startMs) / 1000) };
}

function start(program, args, env = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      output = (output + data).slice(-8192);
    });
  }
  return {
    pid: child.pid,
    output: () => output,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** Asks for the SOA until its serial is as wanted. */
async function untilSerial(zone, isWanted) {
  const deadline = performance.now() + LOAD_MS_MAX;
  while (performance.now() < deadline) {
    const serial = await askSerial(zone);
    if (serial !== undefined && isWanted(serial)) return;
    await pause(10);
  }
  throw new Error(`${zone} was not served in ${LOAD_MS_MAX / 1000} s`);
}

function askSerial(zone) {
  const labels = zone.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const query = Buffer.from([0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 6, 0, 1]);
  const socket = createSocket('udp4');
  return new Promise((done) => {
    const end = (serial) => {
      clearTimeout(timer);
      socket.close();
      done(serial);
    };
    const timer = setTimeout(() => end(undefined), 500);
    socket.on('error', () => end(undefined));
    socket.on('message', (answer) => end(serialIn(answer, query.length)));
    socket.send(query, PORT, '127.0.0.1');
  });
}

/** The serial is the first of five integers at the end of the first record, whose owner is a pointer. */
function serialIn(answer, recordAt) {
  if (answer.length < recordAt + 32 || answer[7] !== 1) return undefined;
  return answer.readUInt32BE(recordAt + 12 + answer.readUInt16BE(recordAt + 10) - 20);
}

async function resetDelay(file) {
  rmSync(file, { force: true });
  const deadline = performance.now() + 10_000;
  while (!existsSync(file) && performance.now() < deadline) await pause(20);
}

function maxDelay(file) {
  return Number(readFileSync(file, 'utf8').split(' ')[0]);
}

function rssKb(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** NSD is several processes that share pages: the sum of what each has by its share. */
function rssOfFamily(pid) {
  const family = new Set([pid]);
  for (let before = 0; before < family.size; ) {
    before = family.size;
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const parent = Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]);
        if (family.has(parent)) family.add(Number(name));
      } catch {
        // It has ended.
      }
    }
  }
  return [...family].reduce((sum, member) => {
    const text = readFileSync(`/proc/${member}/smaps_rollup`, 'utf8');
    return sum + Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]);
  }, 0);
}

function installed(program) {
  return spawnSync('sh', ['-c', `command -v ${program} || ls /usr/sbin/${program}`]).status === 0;
}

/** By a small deterministic generator. */
function shuffle(list) {
  let state = 1;
  for (let i = list.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const j = state % (i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
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
