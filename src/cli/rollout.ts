import type { Command } from 'commander';
import { type ApiOptions, askJson, getJson, withApiOptions } from './api-client.js';
import { given } from './order.js';
import { print } from './output.js';
import { type PlanOptions, planOf, ROLLOUT_COMMANDS, watchRollout, withPlanOptions } from './rollout-plan.js';
import { formatRollout, formatRollouts, type RolloutFacts } from './rollout-text.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

type Options = ApiOptions & WatchOptions;

interface StartOptions extends Options, PlanOptions {
  readonly name?: string;
  readonly reason?: string;
}

interface Done {
  readonly revision: number;
  readonly id: string;
  readonly rollout?: RolloutFacts;
}

const PATH = '/v1/steering/rollouts';

/** `meridian rollout`: canary and blue-green between two pools of a zone. */
export function addRollout(program: Command): void {
  const group = program.command('rollout').description('canary and blue-green between two pools of a zone');
  addStart(group);
  addList(group);
  addShow(group);
  for (const [name, description] of ROLLOUT_COMMANDS) {
    const command = group
      .command(name)
      .description(description)
      .argument('<id>', 'as `meridian rollout list` shows it')
      .option('-m, --reason <text>', 'why; kept in its history');
    withApiOptions(command).action(async (id: string, options: Options & { readonly reason?: string }) => {
      const query = options.reason === undefined ? '' : `?reason=${encodeURIComponent(options.reason)}`;
      const path = `${PATH}/${encodeURIComponent(id)}/${name}${query}`;
      printDone((await askJson('POST', path, undefined, options)) as Done, options);
    });
  }
  const remove = group.command('remove').description('forget a rollout that has ended').argument('<id>');
  withApiOptions(remove).action(async (id: string, options: Options) => {
    const path = `${PATH}/${encodeURIComponent(id)}`;
    const done = (await askJson('DELETE', path, undefined, options)) as Done;
    print(done, options, ({ revision }) => `${id} is gone; revision ${revision}`);
  });
}

function addStart(group: Command): void {
  const command = group
    .command('start')
    .description('let the clients of a pool go over to another one by steps')
    .argument('<zone>')
    .argument('<from>', 'the pool that answers now')
    .argument('<to>', 'the pool that is to take its place');
  const start = withPlanOptions(command, 'rollback')
    .option('--name <name>', 'how to call it; r1, r2 … without it')
    .option('-m, --reason <text>', 'why; shown wherever it has an effect')
    .option('-w, --watch', 'print it until it has ended');
  withApiOptions(start).action(async (zone: string, from: string, to: string, options: StartOptions) => {
    const done = (await askJson('POST', PATH, orderOf(zone, from, to, options), options)) as Done;
    if (options.watch) await watchRollout(() => read(done.id, options), options);
    else printDone(done, options);
  });
}

function addList(group: Command): void {
  const list = group.command('list').description('list the rollouts, those that run first');
  withApiOptions(withWatch(list)).action(async (options: Options) => {
    const get = async () => {
      const { rollouts } = (await getJson(PATH, options)) as { readonly rollouts: readonly RolloutFacts[] };
      return { rollouts };
    };
    await watch(get, options, ({ rollouts }) => formatRollouts(rollouts));
  });
}

function addShow(group: Command): void {
  const show = group
    .command('show')
    .description('show a rollout: its steps, the figures it was decided on, what to do')
    .argument('<id>')
    .option('-w, --watch', 'print it until it has ended; the exit code is 1 where it was not promoted');
  withApiOptions(show).action(async (id: string, options: Options) => {
    if (options.watch) await watchRollout(() => read(id, options), options);
    else print(await read(id, options), options, formatRollout);
  });
}

async function read(id: string, options: Options): Promise<RolloutFacts> {
  return (await getJson(`${PATH}/${encodeURIComponent(id)}`, options)) as RolloutFacts;
}

function printDone(done: Done, options: Options): void {
  print(done, options, ({ id, revision, rollout }) => {
    const { state = 'gone', percent = 0, next } = rollout ?? {};
    const more = next === undefined ? '' : `\n${next}`;
    const back = percent > 0 ? `; back: meridian rollout abort ${id}` : '';
    return `${id} is ${state.replaceAll('_', ' ')} at ${percent} %; revision ${revision}${back}${more}`;
  });
}

function orderOf(zone: string, from: string, to: string, options: StartOptions): object {
  const { name, reason } = options;
  return given({ zone, from, to, ...planOf(options), id: name, reason });
}
