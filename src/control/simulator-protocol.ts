/** All that passes between the main thread and the simulator thread. */
import type { Snapshot } from '../core/answer/snapshot.js';
import type { SimulationQuestion } from '../core/census/simulate.js';
import type { LocationTrie } from '../core/geo/location.js';
import type { PlannedZones } from './planned-simulation.js';
import type { SimulationReply } from './simulator.js';

export interface ToSimulator {
  readonly number: number;
  /** Present where it is another database than the last time. */
  readonly geo?: LocationTrie;
  /** Present where they are other tables than the last time; `index` is a serialized SnapshotIndex. */
  readonly tables?: { readonly snapshot: Snapshot; readonly index: Uint8Array };
  /** A copy. */
  readonly health: Int32Array;
  readonly question: SimulationQuestion;
  readonly planned?: PlannedZones;
}

export type FromSimulator =
  | { readonly number: number; readonly reply: SimulationReply }
  | { readonly number: number; readonly error: string };
