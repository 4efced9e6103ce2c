import type { Command } from 'commander';
import { type ApiOptions, askJson, getJson, withApiOptions } from './api-client.js';
import { given, type OrderDone, shellWord, TARGET, tell } from './order.js';
import { formatTable } from './table.js';
import { timeFromNow } from './time-text.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

/** A window as the API shows it. */
export interface MaintenanceWindow {
  readonly id: string;
  readonly target: string;
  readonly action: string;
  readonly open: boolean;
  readonly opens?: string;
  readonly closes?: string;
  readonly by: string;
  readonly reason?: string;
}

interface WindowOptions extends ApiOptions {
  readonly start?: string;
  readonly end?: string;
  readonly duration?: string;
  readonly days?: string;
  readonly time?: string;
  readonly timezone?: string;
  readonly until?: string;
  readonly action?: string;
  readonly reason?: string;
  readonly name?: string;
}

/** `meridian maintenance add`, `list` and `remove`. */
export function addMaintenance(program: Command): void {
  const group = program.command('maintenance').description('windows in which something is drained');
  const add = group
    .command('add')
    .description('add a window: once, or with --days and --time every week')
    .argument('<target>', TARGET)
    .option('--start <time>', 'such as 2026-05-01T03:00:00Z; now without it')
    .option('--end <time>', 'in place of --duration')
    .option('--duration <duration>', 'such as 90m')
    .option('--days <days>', 'every week: such as mon,wed')
    .option('--time <time>', 'every week: the time of day it opens, such as 03:30')
    .option('--timezone <name>', 'every week: such as Europe/Berlin; UTC without it')
    .option('--until <time>', 'every week: when it ends for good')
    .option('--action <action>', 'drain or down', 'drain')
    .option('--name <name>', 'how to call it; m1, m2 … without it')
    .option('-m, --reason <text>', 'why; shown wherever it has an effect');
  withApiOptions(add).action(async (target: string, options: WindowOptions) => {
    const { start, end, duration, days, time, timezone, until, action, reason, name } = options;
    const body = given({
      start,
      end,
      duration,
      time,
      timezone,
      until,
      action,
      reason,
      days: days?.split(','),
    });
    const order = { target, ...body };
    const done =
      name === undefined
        ? await askJson('POST', '/v1/steering/maintenance', order, options)
        : await askJson('PUT', `/v1/steering/maintenance/${encodeURIComponent(name)}`, order, options);
    const made = done as OrderDone;
    tell(made, options, `is a window of ${target}`, `meridian maintenance remove ${shellWord(made.id)}`);
  });
  const list = group.command('list').description('list the windows, and whether they are open');
  withApiOptions(withWatch(list)).action(async (options: ApiOptions & WatchOptions) => {
    const read = async () => {
      const { maintenance } = (await getJson('/v1/steering', options)) as {
        readonly maintenance: readonly MaintenanceWindow[];
      };
      return { maintenance };
    };
    await watch(read, options, ({ maintenance }) => {
      return maintenance.length === 0 ? 'no windows' : maintenanceTable(maintenance);
    });
  });
  const remove = group.command('remove').description('take a window back').argument('<name>');
  withApiOptions(remove).action(async (name: string, options: ApiOptions) => {
    const path = `/v1/steering/maintenance/${encodeURIComponent(name)}`;
    tell((await askJson('DELETE', path, undefined, options)) as OrderDone, options, 'is gone');
  });
}

/** Windows in a table. */
export function maintenanceTable(maintenance: readonly MaintenanceWindow[]): string {
  const rows = maintenance.map((one) => [
    ...[one.id, one.target, one.action, windowState(one)],
    ...[one.by, one.reason ?? ''],
  ]);
  return formatTable(['WINDOW', 'TARGET', 'ACTION', 'STATE', 'BY', 'REASON'], rows);
}

function windowState({ open, opens, closes }: MaintenanceWindow): string {
  if (open) return closes === undefined ? 'open' : `open until ${timeFromNow(closes, Date.now())}`;
  return opens === undefined ? 'never opens again' : `opens ${timeFromNow(opens, Date.now())}`;
}
