/** The table of buckets while several threads use it at the same time. */
import { once } from 'node:events';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { bucketRate } from '../../src/core/limit/bucket-rate.js';
import { BucketTable, bucketTableBytes, type Used } from '../../src/core/limit/bucket-table.js';
import { waitFor } from './proxy-rig.js';

const THREADS = 4;
const KEYS = 5;
const REQUESTS = 200_000;
const BURST = 20_000;

it('lets no more than a burst pass, whichever threads the requests come to', async () => {
  const memory = new SharedArrayBuffer(bucketTableBytes(1_024));
  const table = new BucketTable(memory, true);
  table.setRate(0, bucketRate({ requests: BURST, periodMs: 60_000, burst: BURST }));
  const start = new Int32Array(new SharedArrayBuffer(8));
  const url = pathToFileURL(resolve(import.meta.dirname, '../../dist/core/limit/bucket-table.js')).href;
  const workers = Array.from({ length: THREADS }, () => {
    const workerData = { table: url, memory, start, keys: KEYS, requests: REQUESTS };
    return new Worker(new URL('../support/bucket-thread.mjs', import.meta.url), { workerData });
  });
  const results = workers.map(async (worker) => (await once(worker, 'message'))[0] as readonly number[]);
  await waitFor(() => Atomics.load(start, 0) === THREADS, 'all threads');
  Atomics.store(start, 1, 1);
  const passed = await Promise.all(results);
  for (let key = 0; key < KEYS; key++) {
    const total = passed.reduce((sum, of) => sum + of[key]!, 0);
    expect(total).toBeGreaterThanOrEqual(BURST);
    // Where all change one word at the same moment, one of them may take a token by force.
    expect(total).toBeLessThanOrEqual(BURST * 1.001);
  }
  const told = new Array<number>(KEYS).fill(0);
  const used: Used = { first: 0, second: 0, slot: 0, count: 0 };
  while (table.nextUsed(used)) told[used.first] = told[used.first]! + used.count;
  expect(told).toEqual(
    Array.from({ length: KEYS }, (_, key) => passed.reduce((sum, of) => sum + of[key]!, 0)),
  );
  expect(table.held).toBe(KEYS);
}, 20_000);
