// Fuzzes the parsers of the proxy: `npm run fuzz:proxy -- --seconds N --seed S [--from INDEX] [--only http|header]`.
// Streams of HTTP with mistakes go through the codec; what would be forwarded is read by two other parsers, which must
// find the same messages. PROXY headers with mistakes are read whole and cut. The first failure ends it, with its input.
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
if (values.only !== undefined && !['http', 'header'].includes(values.only))
  fail(`--only ${values.only}: http or header`);

const compiled = spawnSync(
  process.execPath,
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.fuzz.json'],
  { stdio: 'inherit' },
);
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
const { HttpFuzz } = await import('../dist/fuzz/test/support/fuzz-http-run.js');
const { ProxyHeaderFuzz } = await import('../dist/fuzz/test/support/fuzz-proxy-header.js');

console.log(`seed ${seed}`);
try {
  if (values.only !== 'header') {
    const http = new HttpFuzz(seed);
    const count = runFor(http, values.only === 'http' ? seconds : seconds * 0.8, 500);
    const refusals = [...http.refusals]
      .sort((a, b) => b[1] - a[1])
      .map(([code, times]) => `${code} ${times}`);
    console.log(
      `HTTP: ${count} streams, ${http.forwarded} messages forwarded; refused: ${refusals.join(', ')}`,
    );
  }
  if (values.only !== 'http') {
    const header = new ProxyHeaderFuzz(seed);
    const count = runFor(header, values.only === 'header' ? seconds : seconds * 0.2, 500);
    console.log(
      `PROXY: ${count} headers, ${header.accepted} taken, ${header.refused} refused, ${header.incomplete} incomplete`,
    );
  }
} catch (error) {
  fail(`${error.message}\nagain with --seed ${seed}`);
}

function runFor(fuzz, forSeconds, round) {
  const endMs = performance.now() + forSeconds * 1000;
  let at = from;
  while (performance.now() < endMs) {
    fuzz.run(at, at + round);
    at += round;
  }
  return (at - from).toLocaleString('en');
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
