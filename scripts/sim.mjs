// Runs the health of many nodes under a virtual clock and network:
// `npm run sim -- --seed S --nodes N --hours H`, or `--seeds COUNT` for that many seeds from S on (`npm run sim:long`).
// A broken promise ends it with the seed and what happened before.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    nodes: { type: 'string' },
    hours: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
  },
});
const first = number('--seed', values.seed, 0, 0x7fffffff, true);
const seeds = number('--seeds', values.seeds, 1, 1_000_000, true);
const hours = number('--hours', values.hours, 0.01, 10_000, false);
const nodes = values.nodes === undefined ? undefined : number('--nodes', values.nodes, 1, 30, true);

const compiled = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.sim.json'], {
  stdio: 'inherit',
});
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
const { simulate } = await import('../dist/sim/test/sim/simulation.js');

const startMs = performance.now();
const total = { verdicts: 0, answers: 0, shares: 0, transitions: 0, faults: 0 };
try {
  for (let seed = first; seed < first + seeds; seed++) {
    const result = await simulate({ seed, nodes: nodes ?? 3 + (seed % 4), hours });
    for (const key of Object.keys(total)) total[key] += result[key];
    if (seeds > 1 && (seed - first + 1) % 50 === 0)
      console.log(`${seed - first + 1} seeds kept every promise`);
    if (seeds === 1) console.log(result.trace.join('\n'));
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
const took = ((performance.now() - startMs) / 1000).toFixed(1);
const counts = Object.entries(total).map(([key, count]) => `${count.toLocaleString('en')} ${key}`);
console.log(`${seeds} seed(s) of ${hours} h in ${took} s: ${counts.join(', ')}`);

function number(name, text, min, max, whole) {
  const value = Number(text);
  if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
    console.error(`${name} ${text}: a ${whole ? 'whole number' : 'number'} from ${min} to ${max}`);
    process.exit(1);
  }
  return value;
}
