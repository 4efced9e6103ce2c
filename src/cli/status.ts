import type { Command } from 'commander';
import { type ApiOptions, getJson, withApiOptions } from './api-client.js';
import { CommandError, EXIT } from './exit.js';
import { formatTable } from './table.js';

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

interface Zones {
  readonly zones: readonly { zone: string; state: string; records: number; file: string }[];
}

/** `meridian status`: a running server at a glance. `--quiet` is the health check of the container image. */
export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .description('show what a running server serves and sees')
    .option('-q, --quiet', 'print nothing; exit 0 if the server is ready to answer')
    .option('-w, --watch', 'print it again every two seconds, until Ctrl-C');
  withApiOptions(command).action(async (options: StatusOptions) => {
    if (options.quiet) {
      process.exitCode = await quietly(() => getJson('/readyz', options));
      return;
    }
    do {
      const text = options.watch ? await whatever(() => readStatus(options)) : await readStatus(options);
      // On a terminal the old one gives way to the new one, and what was longer is cleared.
      const home = options.watch && process.stdout.isTTY ? '\u001b[H\u001b[J' : '';
      process.stdout.write(`${home}${text}\n`);
      if (options.watch) await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    } while (options.watch);
  });
}

interface StatusOptions extends ApiOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly watch?: boolean;
}

const WATCH_MS = 2000;

async function readStatus(options: StatusOptions): Promise<string> {
  const [status, { zones }] = (await Promise.all([
    getJson('/v1/status', options),
    getJson('/v1/zones', options),
  ])) as [Status, Zones];
  if (!status.node) throw new CommandError('the server is not a Meridian DNS node', EXIT.UNREACHABLE);
  return options.json ? JSON.stringify({ ...status, zones }, null, 2) : format(status, zones);
}

/** While watching a server that restarts is no reason to end. */
async function whatever(read: () => Promise<string>): Promise<string> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CommandError && error.exitCode !== EXIT.USAGE) return error.message;
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

function format(status: Status, zones: Zones['zones']): string {
  const { node, version, listen, io, workers, geo } = status;
  const parts = [
    `${node}: Meridian ${version}, up ${status.uptime_seconds} s, ${workers} worker(s), ${io} io, DNS on ${listen.join(' ')}`,
    ...geo.sources.map(({ path, built, age_days }) => {
      return `geo database ${path}: built ${built.slice(0, 10)}, ${Math.round(age_days)} days old`;
    }),
    '',
    formatTable(
      ['ZONE', 'STATE', 'RRSETS', 'FILE'],
      zones.map(({ zone, state, records, file }) => [zone, state, String(records), file]),
    ),
  ];
  if (status.health.length > 0) {
    const rows = status.health.map(({ target, state, basis, observers }) => [
      target,
      basis === 'observers' ? state : `${state} (${basis})`,
      observers.map(({ observer, view, detail }) => `${observer}=${view} (${detail})`).join(', '),
    ]);
    parts.push('', formatTable(['TARGET', 'STATE', 'OBSERVERS'], rows));
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

function reporterRow({ node, region, state, fresh }: Reporter): string[] {
  return [node, region ?? '', fresh ? (state ?? '') : 'unknown (no fresh report)'];
}
