// Runs the simulations of traffic (circuit breakers, budget of retries, limits of a region, canaries, autoscaling, load shedding)
// with many seeds: `npm run sim:traffic -- --seeds COUNT --seed FIRST`. A broken promise names its seed.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } },
});
for (const [name, text] of Object.entries(values)) {
  if (/^\d{1,6}$/.test(text) && Number(text) > 0) continue;
  console.error(`--${name} ${text}: a whole number from 1 to 999999`);
  process.exit(1);
}
const FILES = ['brown-out', 'canary', 'region-limits', 'scaling', 'shedding'].map(
  (name) => `test/sim/${name}.test.ts`,
);
const TEST_MS_MAX = 600_000;
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    ...['run', '--project', 'fast', '--reporter', 'dot', '--testTimeout', String(TEST_MS_MAX)],
    ...FILES,
  ],
  {
    stdio: 'inherit',
    env: { ...process.env, MERIDIAN_SIM_SEEDS: values.seeds, MERIDIAN_SIM_SEED: values.seed },
  },
);
process.exit(status ?? 1);
