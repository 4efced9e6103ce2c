import { defineConfig } from 'vitest/config';

// "fast" needs no sockets outside loopback, no built program and no outside tools: it is what `npm run check` runs.
// "slow" starts the built program (dist/) and real peers, three files at a time; "timed" is the part of it that measures
// how long things take, or fills the machine, and runs alone.
const TIMED = [
  'crash',
  'demo',
  'encrypted-limits',
  'flood',
  'health',
  'namespaces',
  'observers',
  'proxy-restart',
  'proxy-soak',
  'reload',
].map((name) => `test/integration/${name}.test.ts`);
// A busy machine may take a minute for what takes a second.
const SLOW_MS = { testTimeout: 120_000, hookTimeout: 120_000 } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/{unit,rfc,golden,property,contract,sim}/**/*.test.ts'],
          setupFiles: ['test/support/seed.ts'],
          testTimeout: 40_000,
          // No test changes what others import, and modules are loaded once instead of once a file.
          pool: 'threads',
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'slow',
          include: ['test/{integration,interop}/**/*.test.ts'],
          exclude: TIMED,
          ...SLOW_MS,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'timed',
          include: TIMED,
          ...SLOW_MS,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
