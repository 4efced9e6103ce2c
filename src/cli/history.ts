import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, getJson, getText, withApiOptions } from './api-client.js';
import { type Difference, formatDifference, terminalPaint } from './difference-text.js';
import { print } from './output.js';
import { formatTable } from './table.js';
import { timeText } from './time-text.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

export interface RevisionRow {
  readonly id: number;
  readonly parent: number;
  readonly at: string;
  readonly author: string;
  readonly message: string;
  readonly kind: string;
  readonly source: string;
  readonly files: readonly { readonly path: string; readonly zone?: string; readonly change: string }[];
  readonly files_total: number;
}

interface RevisionPage {
  readonly head: number;
  readonly oldest: number;
  readonly revisions: readonly RevisionRow[];
  readonly total: number;
  readonly next?: string;
}

interface HistoryOptions extends ApiOptions, WatchOptions {
  readonly limit: number;
  readonly before?: number;
  readonly kind?: string;
  readonly author?: string;
  readonly zone?: string;
}

interface ShowOptions extends ApiOptions {
  readonly json?: boolean;
  readonly file?: string;
  readonly impact?: boolean;
}

const IMPACT_HELP = 'also say which clients get another answer, with health as it is now';
/** Comparing may wait for plans, and take a while. */
const IMPACT_MS_MAX = 60_000;

/** `meridian history`, `show` and `diff`: what was changed, by whom, and why. */
export function addHistory(program: Command): void {
  const history = program
    .command('history')
    .description('list the changes of zones and steering, newest first')
    .option('-l, --limit <count>', 'how many at most', parseLimit, 20)
    .option('--before <id>', 'only older ones than this revision', parseRevision)
    .option('--kind <kind>', 'zones or steering', parseKind)
    .option('--author <name>', 'only changes of one author')
    .option('-z, --zone <name>', 'only changes of one zone');
  withApiOptions(withWatch(history)).action(async (options: HistoryOptions) => {
    const query = new URLSearchParams({ limit: String(options.limit) });
    for (const key of ['before', 'kind', 'author', 'zone'] as const) {
      const value = options[key];
      if (value !== undefined) query.set(key, String(value));
    }
    const read = async () => (await getJson(`/v1/revisions?${query}`, options)) as RevisionPage;
    await watch(read, options, formatPage);
  });

  const show = program
    .command('show')
    .description('show one change: who, when, why, and what it changed')
    .argument('<id>', 'the revision', parseRevision)
    .option('--file <path>', 'print the text that a zone file had then')
    .option('--impact', IMPACT_HELP);
  withApiOptions(show).action(async (id: number, options: ShowOptions) => {
    if (options.file !== undefined) {
      const text = await getText(
        `/v1/revisions/${id}/file?${new URLSearchParams({ path: options.file })}`,
        options,
      );
      process.stdout.write(text);
      return;
    }
    const [revision, difference] = (await Promise.all([
      getJson(`/v1/revisions/${id}`, options),
      getDifference(id, undefined, options),
    ])) as [RevisionRow, Difference];
    print({ ...revision, difference }, options, (shown) => {
      return `${formatRevision(shown)}\n\n${formatDifference(shown.difference, terminalPaint())}`;
    });
  });

  const diff = program
    .command('diff')
    .description('compare two revisions record by record; with one, what it changed')
    .argument('<from>', 'a revision', parseRevision)
    .argument('[to]', 'another one', parseRevision)
    .option('--impact', IMPACT_HELP);
  withApiOptions(diff).action(async (from: number, to: number | undefined, options: ShowOptions) => {
    const difference = await getDifference(from, to, options);
    print(difference, options, (shown) => formatDifference(shown, terminalPaint()));
  });
}

async function getDifference(
  from: number,
  to: number | undefined,
  options: ShowOptions,
): Promise<Difference> {
  const { impact = false } = options;
  const query = new URLSearchParams({
    ...(to !== undefined && { to: String(to) }),
    ...(impact && { impact: 'true' }),
  });
  const path = `/v1/revisions/${from}/diff${query.size > 0 ? `?${query}` : ''}`;
  return (await getJson(path, impact ? { ...options, timeoutMs: IMPACT_MS_MAX } : options)) as Difference;
}

function formatPage({ revisions, next, head, total }: RevisionPage): string {
  if (revisions.length === 0) return head === 0 ? 'no changes yet' : 'no change fits';
  const rows = revisions.map((revision) => [
    String(revision.id),
    timeText(revision.at),
    revision.author,
    revision.kind,
    revision.source,
    filesText(revision),
    firstLine(revision.message),
  ]);
  const table = formatTable(['ID', 'TIME', 'AUTHOR', 'KIND', 'FROM', 'FILES', 'MESSAGE'], rows);
  if (next === undefined) return table;
  return `${table}\n\n${revisions.length} of ${total}; older ones: --before ${revisions.at(-1)!.id}`;
}

function filesText({ files, files_total: total }: RevisionRow): string {
  const names = files.slice(0, 2).map(({ path }) => path);
  const more = total - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}

const MESSAGE_CHARS = 60;

function firstLine(message: string): string {
  const [line = ''] = message.split('\n');
  return line.length > MESSAGE_CHARS ? `${line.slice(0, MESSAGE_CHARS - 1)}…` : line;
}

function formatRevision({ id, at, author, kind, source, parent, message }: RevisionRow): string {
  const after = parent === 0 ? '' : `, after ${parent}`;
  const lines = [`revision ${id}: ${kind} by ${author} (${source}) at ${timeText(at)}${after}`];
  if (message !== '') lines.push('', ...message.split('\n').map((line) => `    ${line}`));
  return lines.join('\n');
}

export function parseRevision(text: string): number {
  const id = Number(text);
  if (!/^\d{1,15}$/.test(text) || id < 1) throw new InvalidArgumentError('want the number of a revision.');
  return id;
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d{1,4}$/.test(text) || limit < 1 || limit > 1000) throw new InvalidArgumentError('want 1 to 1000.');
  return limit;
}

function parseKind(text: string): string {
  if (text !== 'zones' && text !== 'steering') throw new InvalidArgumentError('want zones or steering.');
  return text;
}
