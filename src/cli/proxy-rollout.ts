import type { Command } from 'commander';
import { type ApiOptions, getJson, postJson, withApiOptions } from './api-client.js';
import { print } from './output.js';
import { PROXY_API } from './proxy-api.js';
import { type PlanOptions, planOf, ROLLOUT_COMMANDS, watchRollout, withPlanOptions } from './rollout-plan.js';
import { formatRollout, formatRollouts, type RolloutFacts } from './rollout-text.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

type Options = ApiOptions & WatchOptions;

/** What the proxy says of a rollout. */
interface ProxyRollout extends Omit<RolloutFacts, 'id' | 'zone' | 'evidence'> {
  readonly route: string;
  readonly seen?: RolloutFacts['evidence'];
}

const PATH = '/v1/rollouts';

/** `meridian proxy rollout`: canary and blue-green between the two pools of a route. */
export function addProxyRollout(proxy: Command): void {
  const group = proxy
    .command('rollout')
    .description('canary and blue-green between the two pools of a route');
  addStart(group);
  addList(group);
  addShow(group);
  for (const [name, description] of ROLLOUT_COMMANDS) {
    const command = onRoute(group, name, description).option(
      '-m, --reason <text>',
      'why; kept in its history',
    );
    withApiOptions(command, PROXY_API).action(
      async (route: string, options: Options & { readonly reason?: string }) => {
        const body = options.reason === undefined ? undefined : { why: options.reason };
        await order(route, name, body, options);
      },
    );
  }
  const remove = onRoute(
    group,
    'remove',
    'forget a rollout that has ended: the weights of the file count again',
  );
  withApiOptions(remove, PROXY_API).action(async (route: string, options: Options) => {
    const done = await postJson(pathOf(route, 'remove'), undefined, options);
    print(done, options, () => `the rollout of ${route} is forgotten; the weights of the file count again`);
  });
}

function onRoute(group: Command, name: string, description: string): Command {
  return group.command(name).description(description).argument('<route>', 'its `name` in the configuration');
}

function addStart(group: Command): void {
  const command = onRoute(group, 'start', 'let the second pool of a route take over by steps');
  const start = withPlanOptions(command).option('-w, --watch', 'print it until it has ended');
  withApiOptions(start, PROXY_API).action(async (route: string, options: Options & PlanOptions) => {
    const plan = planOf(options);
    if (!options.watch) return order(route, 'start', plan, options);
    await postJson(pathOf(route, 'start'), plan, options);
    await watchRollout(() => read(route, options), options);
  });
}

function addList(group: Command): void {
  const list = group.command('list').description('list the rollouts of a proxy');
  withApiOptions(withWatch(list), PROXY_API).action(async (options: Options) => {
    const get = async () => {
      const { rollouts } = (await getJson(PATH, options)) as { readonly rollouts: readonly ProxyRollout[] };
      return { rollouts: rollouts.map(factsOf) };
    };
    await watch(get, options, ({ rollouts }) => formatRollouts(rollouts));
  });
}

function addShow(group: Command): void {
  const show = onRoute(group, 'show', 'show a rollout: its steps, and the figures it was decided on').option(
    '-w, --watch',
    'print it until it has ended; the exit code is 1 where it was not promoted',
  );
  withApiOptions(show, PROXY_API).action(async (route: string, options: Options) => {
    if (options.watch) await watchRollout(() => read(route, options), options);
    else print(await read(route, options), options, formatRollout);
  });
}

async function order(
  route: string,
  action: string,
  body: object | undefined,
  options: Options,
): Promise<void> {
  const done = factsOf((await postJson(pathOf(route, action), body, options)) as ProxyRollout);
  print(done, options, ({ state, percent, to }) => {
    const isPromoted = state === 'promoted';
    const next = isPromoted ? `\nwrite ${to} as the pool of route ${route}, and take its canary away` : '';
    const back = percent > 0 ? `; back: meridian proxy rollout abort ${route}` : '';
    return `${route} is ${state.replaceAll('_', ' ')} at ${percent} %${back}${next}`;
  });
}

async function read(route: string, options: Options): Promise<RolloutFacts> {
  return factsOf((await getJson(pathOf(route), options)) as ProxyRollout);
}

function pathOf(route: string, action?: string): string {
  const path = `${PATH}/${encodeURIComponent(route)}`;
  return action === undefined ? path : `${path}/${action}`;
}

function factsOf({ route, seen, ...rest }: ProxyRollout): RolloutFacts {
  return { id: route, ...rest, ...(seen && { evidence: seen }) };
}
