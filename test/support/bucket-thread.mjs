// One of several threads that use the same table of buckets as fast as they can.
import { parentPort, workerData } from 'node:worker_threads';

const { table: url, memory, start, keys, requests } = workerData;
const { BucketTable } = await import(url);
const table = new BucketTable(memory, true);
const passed = new Array(keys).fill(0);
// All begin at the same moment.
Atomics.add(start, 0, 1);
while (Atomics.load(start, 1) === 0);
for (let i = 0; i < requests; i++) {
  const key = i % keys;
  if (table.take(key, key + 10, 0, 1_000) >= 0) passed[key]++;
}
parentPort.postMessage(passed);
