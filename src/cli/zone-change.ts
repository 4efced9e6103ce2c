/** What commands that change zones share: their options, and how they print what a change did. */
import type { Command } from 'commander';
import { type ApiOptions, askJson, withApiOptions } from './api-client.js';
import { terminalPaint } from './difference-text.js';
import { plural, print } from './output.js';
import { type PlannedZone, zoneLines } from './plan-text.js';

export interface ChangeOptions extends ApiOptions {
  readonly message?: string;
  readonly dryRun?: boolean;
  readonly ifMatch?: string;
}

interface Written {
  readonly zone: string;
  readonly file: string;
  readonly revision?: number;
  readonly published: boolean;
  readonly dry_run?: boolean;
  readonly changes: PlannedZone['changes'];
  readonly changes_total: number;
}

export function withChangeOptions(command: Command): Command {
  command
    .option('-m, --message <text>', 'why, for the history')
    .option('-n, --dry-run', 'check it and say what would change, but change nothing')
    .option('--if-match <etag>', 'change the zone only if its ETag is this');
  return withApiOptions(command);
}

/** Sends a change and prints what it did. `otherwise`: the precondition where --if-match is not given. */
export async function sendChange(
  method: string,
  path: string,
  body: object | string | undefined,
  options: ChangeOptions,
  headers: Readonly<Record<string, string>> = { 'if-match': '*' },
): Promise<void> {
  const query = new URLSearchParams();
  if (options.message !== undefined) query.set('message', options.message);
  if (options.dryRun) query.set('dry_run', 'true');
  const precondition = options.ifMatch === undefined ? {} : { 'if-match': quoted(options.ifMatch) };
  const url = query.size > 0 ? `${path}?${query}` : path;
  const done = (await askJson(method, url, body, options, { ...headers, ...precondition })) as Written;
  print(done, options, formatWritten);
}

/** A shell takes the quotes of an ETag away. */
function quoted(etag: string): string {
  return etag === '*' || etag.includes('"') ? etag : `"${etag}"`;
}

function formatWritten(done: Written): string {
  const { zone, file, changes, changes_total: total } = done;
  if (total === 0) return outcomeOf(done);
  const paint = terminalPaint();
  const lines = zoneLines({ zone, file, kind: 'changed', changes, changes_total: total }, paint);
  return [...lines, outcomeOf(done)].join('\n');
}

function outcomeOf({
  zone,
  file,
  revision,
  published,
  dry_run: dryRun,
  changes_total: total,
}: Written): string {
  if (dryRun) return `${zone}: ${plural(total, 'change')}; nothing is changed yet`;
  if (revision === undefined) return `${zone}: nothing to change in ${file}`;
  const live = published ? 'it is answered now' : 'it is on disk, and is being loaded: see meridian status';
  return `${zone}: revision ${revision}, ${file}; ${live}`;
}
