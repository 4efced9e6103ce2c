/** What the rollouts of zones and those of a proxy's routes have in common at the terminal. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CommandError, EXIT } from './exit.js';
import { given } from './order.js';
import { type OutputOptions, print } from './output.js';
import { formatRollout, type RolloutFacts } from './rollout-text.js';

export interface PlanOptions {
  readonly steps?: readonly Step[];
  readonly blueGreen?: boolean;
  readonly hold?: string;
  readonly minRequests?: number;
  readonly window?: number;
  readonly errorIncrease?: number;
  readonly latencyRatio?: number;
  readonly minHealthy?: number;
  readonly onFailure?: string;
}

interface Step {
  readonly percent: number;
  readonly hold: string;
}

/** Commands for one that has begun, and what they do. */
export const ROLLOUT_COMMANDS = [
  ['promote', 'give the new pool everything now'],
  ['pause', 'stay where it is, and judge nothing'],
  ['resume', 'go on; the step begins anew'],
  ['abort', 'give the old pool everything again, also after it was promoted'],
] as const;

const WATCH_MS = 2_000;
const HOLD_DEFAULT = '10m';

/** Adds the options that say how one goes on. `onFailure`: what holds without the option; absent: the server's own. */
export function withPlanOptions(start: Command, onFailure?: 'rollback'): Command {
  const failure = new Option('--on-failure <what>', 'what happens when the new pool is worse');
  failure.choices(['rollback', 'pause']);
  if (onFailure !== undefined) failure.default(onFailure);
  return start
    .option(
      '--steps <steps>',
      'percentages and how long each is held: such as 5:10m,25:10m,50:10m,100:30m, which is the default but for the last time',
      parseSteps,
    )
    .addOption(new Option('--blue-green', 'a single step of 100 %').conflicts('steps'))
    .option('--hold <duration>', `how long steps without a time are held; ${HOLD_DEFAULT} without it`)
    .option(
      '--min-requests <count>',
      'before so many nothing is concluded from requests; 0: health alone counts',
      parseNumber,
    )
    .option('--window <seconds>', 'figures are those of so many seconds; 60 without it', parseNumber)
    .option('--error-increase <part>', 'how far the error rate may rise; 0.01 without it', parseNumber)
    .option(
      '--latency-ratio <times>',
      'how much slower the 99th percentile may be; 1.5 without it',
      parseNumber,
    )
    .option('--min-healthy <part>', 'what part of the new pool has to be up; 0.75 without it', parseNumber)
    .addOption(failure);
}

/** `steps`, `analysis` and `on_failure` of an order, as far as options name them. */
export function planOf(options: PlanOptions): object {
  const { minRequests, window, errorIncrease, latencyRatio, minHealthy, onFailure } = options;
  const analysis = given({
    min_requests: minRequests,
    window_seconds: window,
    error_increase: errorIncrease,
    latency_ratio: latencyRatio,
    min_healthy: minHealthy,
  });
  return given({
    steps: stepsOf(options),
    analysis: Object.keys(analysis).length > 0 ? analysis : undefined,
    on_failure: onFailure,
  });
}

/** Prints one whenever it has changed, until it has ended; throws where it was not promoted. */
export async function watchRollout(read: () => Promise<RolloutFacts>, options: OutputOptions): Promise<void> {
  let printed = '';
  for (;;) {
    const rollout = await read();
    const { id, state, percent, why, history } = rollout;
    const key = JSON.stringify([state, percent, why, history.length]);
    if (key !== printed) print(rollout, options, formatRollout);
    printed = key;
    if (state === 'promoted') return;
    if (state === 'rolled_back' || state === 'aborted') {
      throw new CommandError(`rollout ${id} was ${state.replace('_', ' ')}`, EXIT.FAILED);
    }
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  }
}

function stepsOf({ steps, blueGreen, hold }: PlanOptions): readonly Step[] | undefined {
  const wanted = blueGreen ? parseSteps('100') : steps;
  const all = wanted ?? (hold === undefined ? undefined : parseSteps('5,25,50,100'));
  return all?.map((step) => ({ ...step, hold: step.hold === '' ? (hold ?? HOLD_DEFAULT) : step.hold }));
}

/** `5:10m,100`; a time that is missing is empty. */
function parseSteps(text: string): readonly Step[] {
  return text.split(',').map((one) => {
    const [percent = '', hold = '', ...rest] = one.split(':');
    const value = Number(percent.replace(/%$/, ''));
    if (percent === '' || !(value > 0 && value <= 100) || rest.length > 0) {
      throw new InvalidArgumentError('want percentages up to 100, and how long each is held: 5:10m,100:30m.');
    }
    return { percent: value, hold };
  });
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) throw new InvalidArgumentError('want a number of 0 or more.');
  return value;
}
