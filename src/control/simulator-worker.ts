import { setPriority } from 'node:os';
import { deserialize } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import type { SnapshotIndex } from '../core/answer/build.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import { EMPTY_LOCATIONS, type LocationTrie } from '../core/geo/location.js';
import type { ZoneFileOptions } from '../sources/zone-file.js';
import { SimulationRunner } from './planned-simulation.js';
import type { FromSimulator, ToSimulator } from './simulator-protocol.js';

/** Of the thread: it may use what those that answer leave. */
const NICE = 10;

/** The simulator thread: keeps tables and database from one question to the next. */
function main(options: ZoneFileOptions): void {
  // On Linux a priority belongs to a thread (setpriority(2), "C library/kernel differences").
  if (process.platform === 'linux') setPriority(0, NICE);
  const port = parentPort!;
  const runner = new SimulationRunner(options);
  let geo: LocationTrie = EMPTY_LOCATIONS;
  let tables: { readonly snapshot: Snapshot; readonly index: SnapshotIndex } | undefined;
  port.on('message', (message: ToSimulator) => {
    const { number, health, question, planned } = message;
    let reply: FromSimulator;
    try {
      geo = message.geo ?? geo;
      if (message.tables) {
        const { snapshot, index } = message.tables;
        tables = { snapshot, index: deserialize(index) as SnapshotIndex };
      }
      if (!tables) throw new Error('no tables yet');
      reply = { number, reply: runner.run({ ...tables, geo, health }, question, planned) };
    } catch (error) {
      reply = { number, error: String(error) };
    }
    port.postMessage(reply);
  });
}

main(workerData as ZoneFileOptions);
