import type { Command } from 'commander';
import { type ApiOptions, getJson, getList, withApiOptions } from './api-client.js';
import { CommandError, EXIT } from './exit.js';
import { plural } from './output.js';
import { formatTable } from './table.js';
import { lengthText } from './time-text.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

interface Status {
  readonly node: string;
  readonly version: string;
  readonly uptime_seconds: number;
  readonly listen: readonly string[];
  readonly io: string;
  readonly workers: number;
  readonly problems: readonly string[];
  readonly geo: {
    readonly sources: readonly { path: string; built: string; age_days: number }[];
    readonly problems: readonly string[];
  };
  /** Not told by older nodes. */
  readonly xdp?: readonly { interface: string; queues: number; problem?: string }[];
  readonly health: readonly {
    target: string;
    state: string;
    basis: string;
    since: string;
    observers: readonly { observer: string; view: string; detail: string }[];
  }[];
  readonly proxies: readonly Reporter[];
  readonly nodes: readonly Reporter[];
}

interface Reporter {
  readonly node: string;
  readonly region?: string;
  readonly state?: string;
  readonly fresh: boolean;
}

interface Zone {
  readonly zone: string;
  readonly state: string;
  readonly records: number;
  readonly file: string;
}

/** What is steered; only how much of it is told here. */
interface Steering {
  readonly forces: readonly unknown[];
  readonly dials: readonly unknown[];
  readonly maintenance: readonly { readonly open: boolean }[];
}

interface Glance extends Status {
  readonly zones: readonly Zone[];
  readonly steering?: Steering;
}

/** `meridian status`: a running server at a glance. `--quiet` is the health check of the container image. */
export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .description('show what a running server serves and sees')
    .option('-q, --quiet', 'print nothing; exit 0 if the server is ready to answer');
  withApiOptions(withWatch(command)).action(async (options: StatusOptions) => {
    if (options.quiet) {
      process.exitCode = await quietly(() => getJson('/readyz', options));
      return;
    }
    await watch(() => readStatus(options), options, format);
  });
}

interface StatusOptions extends ApiOptions, WatchOptions {
  readonly quiet?: boolean;
}

async function readStatus(options: StatusOptions): Promise<Glance> {
  const [status, zones, steering] = await Promise.all([
    getJson('/v1/status', options) as Promise<Status>,
    getList('/v1/zones', 'zones', options) as Promise<readonly Zone[]>,
    readSteering(options),
  ]);
  if (!status.node) throw new CommandError('the server is not a Meridian DNS node', EXIT.UNREACHABLE);
  return { ...status, zones, ...(steering && { steering }) };
}

/** Undefined for a server that keeps none. */
async function readSteering(options: StatusOptions): Promise<Steering | undefined> {
  try {
    return (await getJson('/v1/steering', options)) as Steering;
  } catch (error) {
    if (error instanceof CommandError && error.status === 404) return undefined;
    throw error;
  }
}

/** The exit code of a request, with nothing printed. */
async function quietly(ask: () => Promise<unknown>): Promise<number> {
  try {
    await ask();
    return EXIT.OK;
  } catch (error) {
    if (error instanceof CommandError) return error.exitCode;
    throw error;
  }
}

/** Rows of a table: of more, only those that are not as they should be, up to this many. */
const ROWS_MAX = 20;

function format({ steering, zones, ...status }: Glance): string {
  const { node, version, listen, io, workers, geo } = status;
  const parts = [
    `${node}: Meridian ${version}, up ${lengthText(status.uptime_seconds)}, ${plural(workers, 'worker')}, ${io} io, DNS on ${listen.join(' ')}`,
    ...geo.sources.map(({ path, built, age_days }) => {
      return `geo database ${path}: built ${built.slice(0, 10)}, ${Math.round(age_days)} days old`;
    }),
    ...(status.xdp ?? []).map(({ interface: name, queues, problem }) =>
      problem === undefined ? `XDP on ${name}: ${plural(queues, 'queue')}` : `no XDP on ${name}: ${problem}`,
    ),
    ...(steering ? steeringLine(steering) : []),
  ];
  const rows = zones.map(({ zone, state, records, file }) => [zone, state, String(records), file]);
  const zonesText = shortTable(['ZONE', 'STATE', 'RRSETS', 'FILE'], rows, 'current');
  parts.push('', `${zonesText.join('\n')}${zonesText.length > 1 ? '; all: meridian zone list' : ''}`);
  if (status.health.length > 0) {
    const targets = status.health.map(({ target, state, basis, observers }) => [
      target,
      basis === 'observers' ? state : `${state} (${basis})`,
      observers.map(({ observer, view, detail }) => `${observer}=${view} (${detail})`).join(', '),
    ]);
    parts.push('', ...shortTable(['TARGET', 'STATE', 'OBSERVERS'], targets, 'up'));
  }
  for (const [title, reporters] of [
    ['DNS NODE', status.nodes],
    ['PROXY', status.proxies],
  ] as const) {
    if (reporters.length > 0)
      parts.push('', formatTable([title, 'REGION', 'STATE'], reporters.map(reporterRow)));
  }
  const mistakes = [...status.problems, ...geo.problems];
  if (mistakes.length > 0) parts.push('', 'PROBLEMS', ...mistakes);
  return parts.join('\n');
}

/** A table; of a long one first what is not in its `usual` state (second column), and how many are not shown. */
function shortTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  usual: string,
): readonly string[] {
  if (rows.length <= ROWS_MAX) return [formatTable(heading, rows)];
  const odd = rows.filter(([, state]) => state !== usual);
  const shown = [...odd, ...rows.filter(([, state]) => state === usual)].slice(0, ROWS_MAX);
  const left = rows.length - shown.length;
  const unusual = Math.max(odd.length - shown.length, 0);
  const text = unusual === 0 ? `all ${usual}` : `${unusual} of them not ${usual}`;
  return [formatTable(heading, shown), `and ${left} more, ${text}`];
}

function steeringLine({ forces, dials, maintenance }: Steering): readonly string[] {
  const open = maintenance.filter((window) => window.open).length;
  const parts = [
    ...(forces.length > 0 ? [plural(forces.length, 'force')] : []),
    ...(dials.length > 0 ? [plural(dials.length, 'dial')] : []),
    ...(open > 0 ? [`${plural(open, 'maintenance window')} open`] : []),
  ];
  return parts.length === 0 ? [] : [`STEERED: ${parts.join(', ')}; see meridian steering`];
}

function reporterRow({ node, region, state, fresh }: Reporter): string[] {
  return [node, region ?? '', fresh ? (state ?? '') : 'unknown (no fresh report)'];
}
