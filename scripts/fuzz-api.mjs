// Fuzzes every route of the admin API of a running node: `npm run fuzz:api -- --seconds N --seed S [--from INDEX]`. Requests are made from
// the description, with mistakes. No answer may be a failure of the server, each refusal is a problem with a known code, and
// each answer is as described. The first failure ends it, with the request.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, symlinkSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    from: { type: 'string', default: '0' },
  },
});
const seconds = wholeNumber('--seconds', values.seconds, 86_400);
const seed = wholeNumber('--seed', values.seed, 0x7fffffff);
const from = wholeNumber('--from', values.from, 0x7fffffff);

const compiled = spawnSync(
  process.execPath,
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.fuzz.json'],
  { stdio: 'inherit' },
);
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
// The compiled tests find the program where the tests would.
copyFileSync('package.json', 'dist/fuzz/package.json');
if (!existsSync('dist/fuzz/dist')) symlinkSync('..', 'dist/fuzz/dist');
const { ApiFuzz } = await import('../dist/fuzz/test/support/fuzz-api.js');
const { fuzzNode } = await import('../dist/fuzz/test/support/fuzz-api-node.js');
const { removeFolders } = await import('../dist/fuzz/test/support/folder.js');

console.log(`seed ${seed}`);
const fuzz = await ApiFuzz.on(await fuzzNode(), seed);
const endMs = performance.now() + seconds * 1000;
let at = from;
try {
  for (; performance.now() < endMs; at += 500) await fuzz.run(at, at + 500);
  for (const [operation, counts] of [...fuzz.seen].sort()) {
    const statuses = [...counts].sort((a, b) => a[0] - b[0]).map(([status, times]) => `${status}: ${times}`);
    console.log(`${operation}  ${statuses.join(', ')}`);
  }
  console.log(`${at - from} requests, codes: ${[...fuzz.codes].sort().join(', ')}`);
} catch (error) {
  console.error(`${error.message}\nagain with --seed ${seed} --from ${Math.max(from, at - 500)}`);
  process.exitCode = 1;
} finally {
  await fuzz.close();
  removeFolders();
}

function wholeNumber(name, text, max) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  console.error(`${name} ${text}: a whole number from 0 to ${max}`);
  process.exit(1);
}
