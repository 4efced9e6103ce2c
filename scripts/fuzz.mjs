// Fuzzes the packet path: `npm run fuzz -- --seconds N --seed S [--from INDEX] [--only path|streams|sockets]`.
// Three parts share the time: the query path in this process, the framing of TCP in this process, and the built
// program through the sockets of both tiers. The first failure ends it with the packet in hexadecimal.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    from: { type: 'string', default: '0' },
    only: { type: 'string' },
  },
});
const seconds = wholeNumber('--seconds', values.seconds, 86_400);
const seed = wholeNumber('--seed', values.seed, 0x7fffffff);
const from = wholeNumber('--from', values.from, 0x7fffffff);
if (values.only !== undefined && !['path', 'streams', 'sockets'].includes(values.only)) {
  fail(`--only ${values.only}: path, streams or sockets`);
}

const compiled = spawnSync(
  process.execPath,
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.fuzz.json'],
  {
    stdio: 'inherit',
  },
);
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

const { QueryPathFuzz } = await import('../dist/fuzz/test/support/fuzz-run.js');
const { StreamFuzz } = await import('../dist/fuzz/test/support/fuzz-stream.js');
const { fuzzSockets } = await import('./fuzz-sockets.mjs');

const share = (part, weight) =>
  values.only === undefined ? seconds * weight : values.only === part ? seconds : 0;
console.log(`seed ${seed}`);
try {
  report('query path', runFor(new QueryPathFuzz(seed), share('path', 0.6), 20_000));
  report('TCP framing', runFor(new StreamFuzz(seed), share('streams', 0.1), 500));
  for (const io of ['batched', 'portable']) {
    report(`sockets, ${io}`, await fuzzSockets({ io, seed, seconds: share('sockets', 0.3) / 2 }));
  }
} catch (error) {
  fail(`${error.message}\nagain with --seed ${seed}`);
}

/** Runs a fuzzer in rounds until the time is over; memory is compared from the first tenth on. */
function runFor(fuzz, forSeconds, round) {
  if (forSeconds === 0) return undefined;
  const startMs = performance.now();
  const endMs = startMs + forSeconds * 1000;
  let at = from;
  let before;
  while (performance.now() < endMs) {
    fuzz.run(at, at + round);
    at += round;
    if (performance.now() > startMs + forSeconds * 100) before ??= process.memoryUsage().rss;
  }
  const growth = before === undefined ? 0 : process.memoryUsage().rss - before;
  if (growth > 256 * 1024 * 1024) throw new Error(`${megabytes(growth)} more memory`);
  return { count: at - from, seconds: (performance.now() - startMs) / 1000, growth };
}

function report(what, result) {
  if (!result) return;
  const rate = Math.round(result.count / result.seconds).toLocaleString('en');
  console.log(
    `${what}: ${result.count.toLocaleString('en')} in ${result.seconds.toFixed(1)} s, ${rate}/s, ${megabytes(result.growth)} more memory`,
  );
}

function megabytes(bytes) {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function wholeNumber(name, text, max) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > max)
    fail(`${name} ${text}: a whole number from 0 to ${max}`);
  return value;
}

function fail(text) {
  console.error(text);
  process.exit(1);
}
