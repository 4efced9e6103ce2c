import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, askJson, getJson, withApiOptions } from './api-client.js';
import { CommandError } from './exit.js';
import { addMaintenance, type MaintenanceWindow, maintenanceTable } from './maintenance.js';
import { given, type OrderDone, type Reach, reachText, resume, TARGET, tell } from './order.js';
import { printSteeringPlan } from './steering-plan.js';
import { formatTable } from './table.js';
import { timeFromNow, timeText, withTimes } from './time-text.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

interface OrderOptions extends ApiOptions {
  readonly for?: string;
  readonly until?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
}

interface Cause {
  readonly text: string;
}

interface Note {
  readonly by: string;
  readonly at: string;
  readonly reason?: string;
  readonly until?: string;
  readonly holds: boolean;
  readonly reaches: Reach;
}

interface View {
  readonly revision: number;
  readonly next_change?: string;
  readonly forces: readonly (Note & { readonly target: string; readonly state: string })[];
  readonly dials: readonly (Note & {
    readonly target: string;
    readonly percent: number;
    readonly now: number;
  })[];
  readonly maintenance: readonly MaintenanceWindow[];
  readonly rollouts: Readonly<
    Record<
      string,
      {
        readonly zone: string;
        readonly from: string;
        readonly to: string;
        readonly state: string;
        readonly by: string;
        readonly reason?: string;
      }
    >
  >;
  readonly endpoints: readonly {
    readonly zone: string;
    readonly pool: string;
    readonly endpoint: string;
    readonly state: string;
    readonly real: string;
    readonly steering: readonly Cause[];
  }[];
}

/** `meridian force`, `drain`, `resume`, `dial`, `maintenance` and `steering`: what operators do at a running server. */
export function addSteering(program: Command): void {
  addForce(program);
  addDrain(program);
  addResume(program);
  addDial(program);
  addMaintenance(program);
  addShow(program);
}

function addForce(program: Command): void {
  const command = program
    .command('force')
    .description('force an endpoint, a pool or a region up or down, whatever probes say')
    .argument('<state>', 'up, down, or auto: what health says', parseState)
    .argument('<target>', TARGET);
  withApiOptions(withOrderOptions(command)).action(
    async (state: string, target: string, options: OrderOptions) => {
      if (options.dryRun) {
        await showImpact('forces', target, state === 'auto' ? null : { state }, options);
        return;
      }
      if (state === 'auto') {
        await takeBack('forces', target, options);
        return;
      }
      tell(await put('forces', target, { state }, options), options, `is forced ${state}`, resume(target));
    },
  );
}

function addDrain(program: Command): void {
  const command = program
    .command('drain')
    .description('give an endpoint, a pool or a region no new answers')
    .argument('<target>', TARGET);
  withApiOptions(withOrderOptions(command)).action(async (target: string, options: OrderOptions) => {
    if (options.dryRun) await showImpact('forces', target, { state: 'drain' }, options);
    else
      tell(await put('forces', target, { state: 'drain' }, options), options, 'is drained', resume(target));
  });
}

function addResume(program: Command): void {
  const command = program
    .command('resume')
    .description('take back what was forced, drained or dialled')
    .argument('<target>', TARGET);
  withApiOptions(command).action(async (target: string, options: ApiOptions) => {
    const forces = await tryTakeBack('forces', target, options);
    const dials = await tryTakeBack('dials', target, options);
    const done = [forces, dials].filter((one) => one !== undefined);
    if (done.length === 0) {
      throw new CommandError(
        `${target} is neither forced nor dialled (a maintenance window is ended by \`meridian maintenance remove\`); see \`meridian steering\``,
      );
    }
    tell(done.at(-1)!, options, 'is steered no more');
  });
}

function addDial(program: Command): void {
  const command = program
    .command('dial')
    .description('leave a pool, or each pool of a region, part of its answers')
    .argument('<target>', 'ZONE/POOL, region:NAME or ZONE/region:NAME')
    .argument('<percent>', '0 to 100; 100 takes it back', parsePercent)
    .option('--over <duration>', 'go there in a straight line, in 10m for instance; at once without it');
  withApiOptions(withOrderOptions(command)).action(
    async (target: string, percent: number, options: OrderOptions & { readonly over?: string }) => {
      const over = options.over !== undefined && { over: options.over };
      if (options.dryRun) {
        await showImpact('dials', target, { percent, ...over }, options);
        return;
      }
      const text = options.over === undefined ? `keeps ${percent} %` : `goes to ${percent} %`;
      const done = await put('dials', target, { percent, ...over }, options);
      tell(done, options, `${text} of its answers`, percent === 100 ? undefined : resume(target));
    },
  );
}

function addShow(program: Command): void {
  const command = program
    .command('steering')
    .description('show all that is steered: what, by whom, why, and until when');
  withApiOptions(withWatch(command)).action(async (options: ApiOptions & WatchOptions) => {
    await watch(() => readView(options), options, format);
  });
}

function withOrderOptions(command: Command): Command {
  return command
    .option('--for <duration>', 'such as 1h; until somebody takes it back without it')
    .option('--until <time>', 'such as 2026-05-01T03:00:00Z, in place of --for')
    .option('-m, --reason <text>', 'why; shown wherever it has an effect')
    .option('-n, --dry-run', 'only say which clients would get another answer');
}

/** What an order would do, as `meridian plan` tells it; null takes the entry back. */
async function showImpact(
  kind: 'forces' | 'dials',
  target: string,
  order: object | null,
  options: OrderOptions,
): Promise<void> {
  const { for: lasting, until, reason } = options;
  const body = order && { ...order, ...given({ for: lasting, until, reason }) };
  await printSteeringPlan({ [kind]: { [target]: body } }, options);
}

async function put(
  kind: 'forces' | 'dials',
  target: string,
  order: object,
  options: OrderOptions,
): Promise<OrderDone> {
  const { for: lasting, until, reason } = options;
  const body = { ...order, ...given({ for: lasting, until, reason }) };
  return (await askJson('PUT', pathOf(kind, target), body, options)) as OrderDone;
}

async function takeBack(kind: 'forces' | 'dials', target: string, options: ApiOptions): Promise<void> {
  const done = (await askJson('DELETE', pathOf(kind, target), undefined, options)) as OrderDone;
  tell(done, options, 'follows its health again');
}

/** Undefined where there is nothing to take back. */
async function tryTakeBack(
  kind: 'forces' | 'dials',
  target: string,
  options: ApiOptions,
): Promise<OrderDone | undefined> {
  try {
    return (await askJson('DELETE', pathOf(kind, target), undefined, options)) as OrderDone;
  } catch (error) {
    if (error instanceof CommandError && error.status === 404) return undefined;
    throw error;
  }
}

function pathOf(kind: string, target: string): string {
  return `/v1/steering/${kind}/${encodeURIComponent(target)}`;
}

async function readView(options: ApiOptions): Promise<View> {
  return (await getJson('/v1/steering', options)) as View;
}

function format(view: View): string {
  const { forces, dials, maintenance, endpoints, revision, next_change: next } = view;
  const rollouts = Object.entries(view.rollouts);
  if (forces.length + dials.length + maintenance.length + rollouts.length === 0) return 'nothing is steered';
  const parts: string[] = [];
  if (forces.length > 0) {
    const rows = forces.map((one) => [one.target, one.state, ...noteCells(one)]);
    parts.push(formatTable(['FORCED', 'STATE', ...NOTE_HEADING], rows));
  }
  if (dials.length > 0) {
    const rows = dials.map((one) => [
      one.target,
      one.now === one.percent ? `${one.percent} %` : `${one.now} % → ${one.percent} %`,
      ...noteCells(one),
    ]);
    parts.push(formatTable(['DIALLED', 'KEEPS', ...NOTE_HEADING], rows));
  }
  if (maintenance.length > 0) parts.push(maintenanceTable(maintenance));
  if (rollouts.length > 0) {
    const rows = rollouts.map(([id, { zone, from, to, state, by, reason }]) => [
      ...[id, `${zone.replace(/\.$/, '')}/${from} → ${to}`, state.replaceAll('_', ' '), by, reason ?? ''],
    ]);
    parts.push(formatTable(['ROLLOUT', 'POOLS', 'STATE', 'BY', 'REASON'], rows));
  }
  if (endpoints.length > 0) {
    const rows = endpoints.map(({ zone, pool, endpoint, state, real, steering }) => [
      ...[`${zone.replace(/\.$/, '')}/${pool}`, endpoint, state, realText(real)],
      withTimes(steering.map(({ text }) => text).join('; ')),
    ]);
    parts.push(formatTable(['POOL', 'ENDPOINT', 'COUNTS AS', 'REALLY', 'BECAUSE'], rows));
  }
  const last = `revision ${revision}${next === undefined ? '' : `; next change by itself ${timeText(next)}`}`;
  return [...parts, last].join('\n\n');
}

/** `fixed_up` of the API: so by the zone file, or because nobody looks. */
function realText(real: string): string {
  return real.startsWith('fixed_') ? `${real.slice('fixed_'.length)} (not checked)` : real;
}

const NOTE_HEADING = ['REACHES', 'UNTIL', 'BY', 'REASON'];

function noteCells({ reaches, until, by, reason, holds }: Note): readonly string[] {
  const reach = reaches.pools === 0 ? 'nothing' : reachText(reaches);
  const end = until === undefined ? 'taken back' : timeFromNow(until, Date.now());
  return [holds ? reach : `${reach} (does not hold now)`, end, by, reason ?? ''];
}

function parseState(text: string): string {
  if (!['up', 'down', 'auto'].includes(text)) {
    throw new InvalidArgumentError('want up, down or auto; `meridian drain` drains.');
  }
  return text;
}

function parsePercent(text: string): number {
  const percent = Number(text.replace(/%$/, ''));
  if (text === '' || !(percent >= 0 && percent <= 100)) throw new InvalidArgumentError('want 0 to 100.');
  return percent;
}
