import { defineConfig } from 'vitest/config';

// "fast" needs no sockets outside loopback, no built program and no outside tools: it is what `npm run check` runs.
// "slow" starts the built program (dist/) and real peers.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/{unit,rfc,golden,property,contract,sim}/**/*.test.ts'],
          setupFiles: ['test/support/seed.ts'],
          testTimeout: 20_000,
          // No test changes what others import, and modules are loaded once instead of once a file.
          pool: 'threads',
          isolate: false,
        },
      },
      {
        test: {
          name: 'slow',
          include: ['test/{integration,interop}/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
