import { FaultMaker } from './faults.js';
import { Broken, type Checks, Invariants } from './invariants.js';
import { type SimNode, World } from './world.js';

export interface SimulationOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly hours: number;
}

export interface SimulationResult extends Checks {
  readonly transitions: number;
  readonly faults: number;
  /** The last things that happened, readable. */
  readonly trace: readonly string[];
}

const STEP_MS = 500;
const SHARES_EVERY_MS = 15_000;
const TRACE_MAX = 60;

/** Runs one world; throws with the seed and a trace when an invariant breaks. The same options run the same way. */
export async function simulate({ seed, nodes, hours }: SimulationOptions): Promise<SimulationResult> {
  const trace: string[] = [];
  let faults = 0;
  let transitions = 0;
  const tell = (text: string) => {
    trace.push(`${stamp(world.time.clock())} ${text}`);
    if (trace.length > TRACE_MAX) trace.shift();
  };
  const world = new World({
    seed,
    nodes,
    onTransition: (node: SimNode, { target, state, basis }) => {
      transitions++;
      tell(`  ${node.name}: ${target.host} is ${state} (${basis})`);
    },
  });
  const maker = new FaultMaker(world, (text) => {
    faults++;
    tell(text);
  });
  const invariants = new Invariants(world, maker.faults);
  maker.start();
  try {
    for (let ms = STEP_MS; ms <= hours * 3_600_000; ms += STEP_MS) {
      await world.time.runUntil(ms);
      invariants.check();
      if (ms % SHARES_EVERY_MS === 0) invariants.checkShares();
    }
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    const again = `npm run sim -- --seed ${seed} --nodes ${nodes} --hours ${hours}`;
    throw new Error(
      `${stamp(world.time.clock())} ${error.message}\n\n${trace.join('\n')}\n\nagain with: ${again}`,
    );
  } finally {
    world.close();
  }
  return { ...invariants.counts, transitions, faults, trace };
}

function stamp(ms: number): string {
  const part = (value: number, digits: number) => String(Math.floor(value)).padStart(digits, '0');
  return `${part(ms / 3_600_000, 2)}:${part((ms / 60_000) % 60, 2)}:${part((ms / 1000) % 60, 2)}.${part(ms % 1000, 3)}`;
}
