import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, getJson, withApiOptions } from './api-client.js';
import { print } from './output.js';
import { formatTable } from './table.js';

interface Entry {
  readonly id: number;
  readonly at: string;
  readonly who: string | null;
  readonly address: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly code?: string;
  readonly revision?: number;
  readonly replayed?: boolean;
  readonly omitted?: number;
}

interface Page {
  readonly entries: readonly Entry[];
  readonly next?: string;
}

interface Options extends ApiOptions {
  readonly json?: boolean;
  readonly limit: number;
  readonly cursor?: string;
  readonly who?: string;
  readonly outcome?: string;
  readonly path?: string;
}

/** `meridian audit`: who changed what, or was refused to. */
export function addAudit(program: Command): void {
  const audit = program
    .command('audit')
    .description('list requests that changed something, or were refused to, newest first')
    .option('-l, --limit <count>', 'how many at most', parseLimit, 50)
    .option('--who <token>', 'only those of one token')
    .option('--outcome <outcome>', 'done or refused', parseOutcome)
    .option('--path <prefix>', 'how the path begins, such as /v1/tokens')
    .option('--cursor <cursor>', 'the next page, as the page before names it');
  withApiOptions(audit).action(async (options: Options) => {
    const query = new URLSearchParams({ limit: String(options.limit) });
    for (const key of ['who', 'outcome', 'path', 'cursor'] as const) {
      const value = options[key];
      if (value !== undefined) query.set(key, value);
    }
    const page = (await getJson(`/v1/audit?${query}`, options)) as Page;
    print(page, options, formatAudit);
  });
}

export function formatAudit({ entries, next }: Page): string {
  if (entries.length === 0) return 'no request fits';
  const rows = entries.map(({ at, who, address, method, path, status, ...entry }) => [
    at.replace('T', ' ').slice(0, 19),
    who ?? '-',
    address,
    [status, ...(entry.code === undefined ? [] : [entry.code])].join(' '),
    entry.revision === undefined ? '' : String(entry.revision),
    `${method} ${decoded(path)}${noteOf(entry)}`,
  ]);
  const table = formatTable(['TIME (UTC)', 'WHO', 'FROM', 'RESULT', 'REVISION', 'REQUEST'], rows);
  return next === undefined ? table : `${table}\n\nolder ones: --cursor ${next}`;
}

function noteOf({ replayed, omitted }: Pick<Entry, 'replayed' | 'omitted'>): string {
  const notes = [
    ...(replayed ? ['a repetition'] : []),
    ...(omitted === undefined ? [] : [`${omitted} refusals before are left out`]),
  ];
  return notes.length === 0 ? '' : ` (${notes.join(', ')})`;
}

/** As people write it: `%2F` in a target is a slash. What would not be seen stays escaped. */
function decoded(path: string): string {
  try {
    const plain = decodeURIComponent(path);
    return /[\p{C}\p{Z}]/u.test(plain) ? path : plain;
  } catch {
    return path;
  }
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d{1,4}$/.test(text) || limit < 1 || limit > 1000) throw new InvalidArgumentError('want 1 to 1000.');
  return limit;
}

function parseOutcome(text: string): string {
  if (text !== 'done' && text !== 'refused') throw new InvalidArgumentError('want done or refused.');
  return text;
}
