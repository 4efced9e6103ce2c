import type { NumberIndex, SnapshotIndex } from '../core/answer/build.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import type {
  ClientsAnswer,
  SimulationProblem,
  SimulationQuestion,
  WorldAnswer,
} from '../core/census/simulate.js';
import type { LocationTrie } from '../core/geo/location.js';
import { type PlannedZones, SimulationRunner } from './planned-simulation.js';

/** The tables that a simulation runs on. */
export interface SimulationBase {
  readonly snapshot: Snapshot;
  readonly index: () => SnapshotIndex & NumberIndex;
  /** The database that the snapshot was compiled with. */
  readonly geo: LocationTrie;
  readonly health: Int32Array;
  /** Zones that are taken in the place of those that are served. */
  readonly planned?: PlannedZones;
}

export type SimulationReply = ClientsAnswer | WorldAnswer | SimulationProblem;

/** Simulations that wait for one another; more are refused. */
export const SIMULATIONS_MAX = 8;

/** Why there is no reply: too many wait already, or one took too long or failed. */
export interface SimulatorBusy {
  readonly code: 'busy' | 'failed';
  readonly message: string;
}

export interface Simulator {
  run(base: SimulationBase, question: SimulationQuestion): Promise<SimulationReply | SimulatorBusy>;
  close(): Promise<void>;
}

/** In the thread that calls: for tests, and where no thread can be had. */
export class InlineSimulator implements Simulator {
  readonly #runner = new SimulationRunner();

  async run(base: SimulationBase, question: SimulationQuestion): Promise<SimulationReply | SimulatorBusy> {
    const { snapshot, geo, planned } = base;
    const source = { snapshot, geo, health: Int32Array.from(base.health), index: base.index() };
    try {
      return this.#runner.run(source, question, planned);
    } catch (error) {
      return { code: 'failed', message: String(error) };
    }
  }

  async close(): Promise<void> {}
}
