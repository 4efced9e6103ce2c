import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { type ApiOptions, askServer, getJson, getList, getText, withApiOptions } from './api-client.js';
import { confirm } from './confirm.js';
import { CommandError, EXIT } from './exit.js';
import { fileError } from './file-error.js';
import { print } from './output.js';
import { formatTable } from './table.js';
import { type WatchOptions, watch, withWatch } from './watch.js';
import { type ChangeOptions, sendChange, withChangeOptions } from './zone-change.js';

interface ZoneSummary {
  readonly zone: string;
  readonly state: string;
  readonly serial: number;
  readonly records: number;
  readonly pools: number;
  readonly file: string;
}

/** `meridian zone list`, `show`, `put` and `delete`. */
export function addZone(program: Command): void {
  const zone = program.command('zone').description('zones of a running server: list, show, put, delete');
  const list = zone.command('list').description('list the zones that are served');
  withApiOptions(withWatch(list)).action(async (options: ApiOptions & WatchOptions) => {
    const read = async () => ({
      zones: (await getList('/v1/zones', 'zones', options)) as readonly ZoneSummary[],
    });
    await watch(read, options, ({ zones }) => tableOf(zones));
  });
  withApiOptions(
    zone
      .command('show')
      .description('print the file of a zone; with --json the same as data')
      .argument('<zone>'),
  ).action(async (name: string, options: ApiOptions) => {
    if (options.json) print(await getJson(`${pathOf(name)}?format=json`, options), options, String);
    else process.stdout.write(await getText(`${pathOf(name)}?format=yaml`, options));
  });
  const put = zone
    .command('put')
    .description('make a zone, or replace it, with a zone file')
    .argument('<file>', 'YAML, with the name of the zone in it')
    .option('-z, --zone <name>', 'the zone, for a file that does not name it');
  withChangeOptions(put).action(putZone);
  const remove = zone
    .command('delete')
    .description('delete a zone and its file')
    .argument('<zone>')
    .option('-y, --yes', 'do not ask');
  withChangeOptions(remove).action(
    async (name: string, options: ChangeOptions & { readonly yes?: boolean }) => {
      if (!options.yes && !options.dryRun) {
        await sendChange('DELETE', pathOf(name), undefined, { ...options, dryRun: true });
        await confirm(`Delete the zone ${name}?`);
      }
      await sendChange('DELETE', pathOf(name), undefined, options);
    },
  );
}

async function putZone(file: string, options: ChangeOptions & { readonly zone?: string }): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw fileError(file, error);
  });
  const name = options.zone ?? (await nameOf(file, text));
  const headers = { 'content-type': 'application/yaml', ...(await preconditionOf(name, options)) };
  await sendChange('PUT', pathOf(name), text, options, headers);
}

/** What is there now, so that two who put at once do not overwrite each other unseen. */
async function preconditionOf(name: string, options: ApiOptions): Promise<Record<string, string>> {
  const { status, headers } = await askServer('GET', pathOf(name), undefined, options);
  if (status === 404) return { 'if-none-match': '*' };
  return { 'if-match': typeof headers.etag === 'string' ? headers.etag : '*' };
}

async function nameOf(file: string, text: string): Promise<string> {
  const { parseYaml, formatProblem } = await import('../sources/yaml-document.js');
  const document = parseYaml(file, text);
  if ('problems' in document) throw new CommandError(document.problems.map(formatProblem).join('\n'));
  const { value } = document;
  if (typeof value === 'object' && value !== null && 'zone' in value && typeof value.zone === 'string') {
    return value.zone;
  }
  throw new CommandError(`${file} does not name its zone: say which with --zone`, EXIT.USAGE);
}

function tableOf(zones: readonly ZoneSummary[]): string {
  return formatTable(
    ['ZONE', 'STATE', 'SERIAL', 'RRSETS', 'POOLS', 'FILE'],
    zones.map(({ zone, state, serial, records, pools, file }) => [
      ...[zone, state, String(serial), String(records), String(pools), file],
    ]),
  );
}

function pathOf(name: string): string {
  return `/v1/zones/${encodeURIComponent(name)}`;
}
