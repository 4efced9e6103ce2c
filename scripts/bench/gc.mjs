// npm run bench:gc [-- --seconds 20 --names 1000]
//
// Garbage collections of all threads while dnsperf asks: V8 says each on stdout (--trace-gc). A path that allocates nothing
// for a query has none that grow with the queries; what is left is the idle server's own.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CONFIGURE, generator, queryFile, writeGeo, ZONE } from './dns-world.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    names: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
  },
});
const PORT = 5370;
const folder = mkdtempSync(join(tmpdir(), 'meridian-gc-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const random = generator(Number(options.seed));
const mmdb = await writeGeo(join(folder, 'geo.mmdb'), 20_000, random);
const world = { workload: 'mixed', names: Number(options.names) };
const queries = join(folder, 'queries');
queryFile(queries, { ...world, count: 200_000, random });

const [command, args] = CONFIGURE.meridian(folder, { ...world, port: PORT, mmdb, io: 'batched' });
const server = spawn(command, ['--trace-gc', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
let collections = 0;
server.stdout.on('data', (data) => {
  collections += data
    .toString()
    .split('\n')
    .filter((line) => /Scavenge|Mark-Compact/.test(line)).length;
});
try {
  await up();
  await ask(5);
  const idle = await counted(() => new Promise((done) => setTimeout(done, 1000 * Number(options.seconds))));
  let completed = 0;
  const busy = await counted(async () => {
    completed = await ask(Number(options.seconds));
  });
  console.log(`idle for ${options.seconds} s: ${idle} collections`);
  console.log(
    `asked for ${options.seconds} s: ${busy} collections, ${completed} queries, ${((busy / completed) * 1e6).toFixed(2)} for a million`,
  );
} finally {
  server.kill('SIGTERM');
}

async function counted(work) {
  const before = collections;
  await work();
  return collections - before;
}

async function up() {
  for (let i = 0; i < 200; i++) {
    const dig = spawnSync('dig', ['+short', '+tries=1', '+time=1', '@127.0.0.1', '-p', PORT, `www0.${ZONE}`]);
    if (dig.stdout.toString().trim() !== '') return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('the server does not answer');
}

function ask(seconds) {
  const flags = ['-s', '127.0.0.1', '-p', PORT, '-B', '-d', queries, '-l', seconds, '-c', '8', '-q', '200'];
  return new Promise((resolve, reject) => {
    const child = spawn('dnsperf', flags.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
    });
    child.on('error', reject);
    child.on('close', () => resolve(Number(/Queries completed:\s+(\d+)/.exec(text)?.[1] ?? Number.NaN)));
  });
}
