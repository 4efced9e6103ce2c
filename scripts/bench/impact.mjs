// How long it takes to say which clients a change moves: a zone of 1,000 dynamic names over the embedded database, in the
// plan thread, while the event loop of the main thread is watched.
//
//     npm run bench:impact -- --names 1000 --rounds 5
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    names: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
  },
});
const NAMES = bounded(values.names, 1, 20_000);
const ROUNDS = bounded(values.rounds, 1, 50);
const DIST = resolve(import.meta.dirname, '../../dist');
const POOLS = 20;
const GEOS = 'EU-DE EU-FR EU-GB NA-US NA-CA AS-JP AS-IN OC-AU SA-BR AF-ZA EU NA AS'.split(' ');

const { PlanThread } = await import(join(DIST, 'control/plan-thread.js'));
const { EMBEDDED, loadGeoDatabase } = await import(join(DIST, 'sources/geo-database.js'));
const folder = mkdtempSync(join(tmpdir(), 'bench-impact-'));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const [{ model }] = cpus();
  console.log(`node ${process.version}, ${cpus().length} x ${model}, load ${loadavg()[0].toFixed(1)}`);
  const database = await loadGeoDatabase([EMBEDDED], { nowMs: Date.now });
  console.log(`${NAMES} dynamic names, embedded database: ${database.trie.nodes.length / 2} nodes`);
  const rows = [];
  for (const isAlike of [true, false]) rows.push(...(await measure(database.trie, isAlike)));
  console.table(rows);
}

/** `isAlike`: the names share 13 sets of rules; else each has rules, and a subnet, of its own. */
async function measure(geo, isAlike) {
  const zones = join(folder, String(isAlike));
  mkdirSync(zones);
  const file = join(zones, 'bench.test.yaml');
  writeFileSync(file, zoneText(0, isAlike));
  const healthOf = (keys) => ({
    words: new Int32Array(keys.length).fill(0xfffff),
    known: new Uint8Array(keys.length).fill(1),
  });
  const thread = new PlanThread({ zones, state: zones }, { geo: () => geo, healthOf });
  const job = {
    served: [{ origin: 'bench.test.', file }],
    proposal: { kind: 'files', complete: false, files: new Map([['bench.test.yaml', zoneText(1, isAlike)]]) },
  };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const took = [];
  delay.enable();
  for (let i = 0; i < ROUNDS; i++) {
    const startMs = performance.now();
    const before = process.cpuUsage();
    const found = await thread.plan(job);
    if ('code' in found || !found.impact) throw new Error(JSON.stringify(found).slice(0, 500));
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1000;
    took.push({ ms: performance.now() - startMs, cpuMs, impact: found.impact });
  }
  delay.disable();
  await thread.close();
  const [first, ...later] = took.map(({ ms }) => Math.round(ms));
  const [firstCpu, ...laterCpu] = took.map(({ cpuMs }) => Math.round(cpuMs));
  const { changed, groupsTotal, mean } = took[0].impact;
  return [
    {
      rules: isAlike ? '13 sets, shared' : 'each name its own',
      'names changed': changed,
      'ways to change': groupsTotal,
      'IPv4 moved': `${(mean.v4 * 100).toFixed(1)} %`,
      'first plan, ms': first,
      'its CPU, ms': firstCpu,
      'of which impact, ms': took[0].impact.tookMs,
      'later plans, ms': median(later),
      'their CPU, ms': median(laterCpu),
      'their impact, ms': median(took.slice(1).map(({ impact }) => impact.tookMs)),
      'event loop p99, ms': Math.round(delay.percentile(99) / 1e5) / 10,
      'event loop max, ms': Math.round(delay.max / 1e5) / 10,
    },
  ];
}

function median(list) {
  return list.toSorted((a, b) => a - b)[list.length >> 1] ?? null;
}

function zoneText(version, isAlike) {
  const lines = ['zone: bench.test', 'nameservers: { ns1: { A: 192.0.2.53 } }', 'pools:'];
  for (let i = 0; i < POOLS; i++) {
    lines.push(
      `  p${i}: { endpoints: [{ A: 10.0.${i}.1, weight: 3 }, { A: 10.0.${i}.2, weight: ${1 + version} }] }`,
    );
  }
  lines.push('records:');
  for (let i = 0; i < NAMES; i++) {
    const set = isAlike ? i % GEOS.length : i;
    const geo = GEOS[(set + version) % GEOS.length];
    const own = isAlike
      ? ''
      : `{ subnets: [${20 + (i % 100)}.${(i >> 7) % 256}.0.0/16], pool: p${(i + 7) % POOLS} }, `;
    const rules = `{ geos: [${geo}], pool: p${set % POOLS} }, ${own}{ pool: p${(set + 3) % POOLS} }`;
    lines.push(`  w${i}: { type: A, dynamic: { rules: [${rules}] } }`);
  }
  return `${lines.join('\n')}\n`;
}

function bounded(text, min, max) {
  const number = Number(text);
  if (!(Number.isInteger(number) && number >= min && number <= max)) {
    throw new Error(`${text} is not a whole number from ${min} to ${max}`);
  }
  return number;
}
