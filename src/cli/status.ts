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
  readonly proxies: readonly { node: string; region?: string; state?: string; fresh: boolean }[];
}

interface Zones {
  readonly zones: readonly { zone: string; state: string; records: number; file: string }[];
}

/** `meridian status`: a running server at a glance. `--quiet` is the health check of the container image. */
export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .description('show what a running server serves and sees')
    .option('-q, --quiet', 'print nothing; exit 0 if the server is ready to answer');
  withApiOptions(command).action(async (options: ApiOptions & { json?: boolean; quiet?: boolean }) => {
    if (options.quiet) {
      process.exitCode = await quietly(() => getJson('/readyz', options));
      return;
    }
    const [status, { zones }] = (await Promise.all([
      getJson('/v1/status', options),
      getJson('/v1/zones', options),
    ])) as [Status, Zones];
    if (!status.node) throw new CommandError('the server is not a Meridian DNS node', EXIT.UNREACHABLE);
    process.stdout.write(
      options.json ? `${JSON.stringify({ ...status, zones }, null, 2)}\n` : `${format(status, zones)}\n`,
    );
  });
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
      basis === 'held' ? `${state} (held)` : state,
      observers.map(({ observer, view, detail }) => `${observer}=${view} (${detail})`).join(', '),
    ]);
    parts.push('', formatTable(['TARGET', 'STATE', 'OBSERVERS'], rows));
  }
  if (status.proxies.length > 0) {
    const rows = status.proxies.map(({ node, region, state, fresh }) => [
      node,
      region ?? '',
      fresh ? (state ?? '') : 'unknown (no fresh report)',
    ]);
    parts.push('', formatTable(['PROXY', 'REGION', 'STATE'], rows));
  }
  const mistakes = [...status.problems, ...geo.problems];
  if (mistakes.length > 0) parts.push('', 'PROBLEMS', ...mistakes);
  return parts.join('\n');
}
