import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import type { Command } from 'commander';
import { type ApiOptions, getJson, postJson, withApiOptions } from './api-client.js';
import { confirm } from './confirm.js';
import { terminalPaint } from './difference-text.js';
import { CommandError, EXIT } from './exit.js';
import { fileError } from './file-error.js';
import { plural, print } from './output.js';
import { formatPlan, type Plan } from './plan-text.js';

/** Exit codes of `meridian plan`, as other tools have them: changes are no failure. */
const PLAN_EXIT = { NOTHING: 0, ERRORS: 1, CHANGES: 2 } as const;
/** A plan may wait for others, and take a while. */
const TIMEOUT_MS = 60_000;
const BYTES_MAX = 32 * 1024 * 1024;

interface PlanOptions extends ApiOptions {
  readonly output?: string;
  readonly message?: string;
  readonly partial?: boolean;
}

interface ApplyOptions extends PlanOptions {
  readonly yes?: boolean;
}

interface Applied {
  readonly id: string;
  readonly revision?: number;
  readonly published: boolean;
  readonly zones_changed: number;
}

/** `meridian plan` and `meridian apply`: what a change of zone files would do, and doing it. */
export function addPlan(program: Command): void {
  const plan = program
    .command('plan')
    .description('say what zone files would change on a running server, and which clients would move')
    .argument('<path>', 'a folder with all zone files, or one zone file')
    .option('-o, --output <file>', 'write the id of the plan to a file, for meridian apply')
    .option('-m, --message <text>', 'why; for the history')
    .option('--partial', 'of a folder: zones of the server that are not in it stay')
    .addHelpText('after', '\nExit codes: 0 no changes, 1 mistakes, 2 changes, 3 server not reachable.');
  withApiOptions(plan).action(async (path: string, options: PlanOptions) => {
    const made = await askPlan(path, options);
    print(made, options, shown);
    if (options.output !== undefined && made.state === 'ready')
      await writeFile(options.output, `${made.id}\n`);
    if (made.state === 'ready' && !options.json) {
      process.stdout.write(`To do it: meridian apply ${made.id}   (until ${clock(made.expires)})\n`);
    }
    process.exitCode = exitOf(made);
  });
  const apply = program
    .command('apply')
    .description('apply a plan, or plan and apply zone files in one go; asks first')
    .argument('<plan>', 'id of a plan, or a folder or file as for meridian plan')
    .option('-y, --yes', 'do not ask')
    .option('-m, --message <text>', 'why; for the history')
    .option('--partial', 'of a folder: zones of the server that are not in it stay');
  withApiOptions(apply).action(async (target: string, options: ApplyOptions) => {
    const isPath = await stat(target).then(
      () => true,
      () => false,
    );
    const made = isPath ? await askPlan(target, options) : await getPlan(target, options);
    if (!options.json) print(made, options, shown);
    if (made.state === 'invalid' || made.state === 'empty') {
      if (options.json) print(made, options, shown);
      process.exitCode = made.state === 'empty' ? EXIT.OK : EXIT.FAILED;
      return;
    }
    if (made.state === 'ready' && !options.yes)
      await confirm('Apply it?', `apply the plan ${made.id} with --yes`);
    const query =
      options.message === undefined ? '' : `?${new URLSearchParams({ message: options.message })}`;
    const path = `/v1/plans/${encodeURIComponent(made.id)}/apply${query}`;
    const done = (await postJson(path, undefined, { ...options, timeoutMs: TIMEOUT_MS })) as Applied;
    print(done, options, result);
  });
}

function exitOf({ state }: Plan): number {
  if (state === 'invalid') return PLAN_EXIT.ERRORS;
  return state === 'empty' ? PLAN_EXIT.NOTHING : PLAN_EXIT.CHANGES;
}

function shown(plan: Plan): string {
  return formatPlan(plan, terminalPaint());
}

async function askPlan(path: string, options: PlanOptions): Promise<Plan> {
  const { message } = options;
  const body = { ...(await readProposal(path, options)), ...(message !== undefined && { message }) };
  const made = (await postJson('/v1/plan', body, { ...options, timeoutMs: TIMEOUT_MS })) as Plan;
  // The server knows files by their paths in its folder; here they are found by those that were given.
  const here = (file: string | undefined) => (file === undefined || 'text' in body ? path : join(path, file));
  const placed = made.problems.map((problem) => ({ ...problem, file: here(problem.file) }));
  return { ...made, problems: placed };
}

async function getPlan(id: string, options: ApiOptions): Promise<Plan> {
  if (!/^[A-Za-z0-9]{1,64}$/.test(id)) {
    throw new CommandError(`${id} is no plan, and there is no such file or folder`, EXIT.USAGE);
  }
  return (await getJson(`/v1/plans/${id}`, options)) as Plan;
}

async function readProposal(path: string, options: PlanOptions): Promise<object> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw fileError(path, error);
  });
  if (!info.isDirectory()) return { text: await readText(path), name: basename(path) };
  const files: Record<string, string> = {};
  let bytes = 0;
  for (const file of await zoneFiles(path)) {
    const text = await readText(join(path, file));
    bytes += Buffer.byteLength(text);
    if (bytes > BYTES_MAX) {
      throw new CommandError(
        `${path} holds more than 32 MiB: plan its files one by one, or in parts with --partial`,
      );
    }
    files[file] = text;
  }
  if (Object.keys(files).length === 0) {
    throw new CommandError(`no zone files in ${path}: they end in .yaml, .yml or .zone`);
  }
  return { files, complete: !options.partial };
}

/** Those that a server would read. */
async function zoneFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && /\.(?:ya?ml|zone)$/i.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => !file.split('/').some((part) => part.startsWith('.')))
    .toSorted();
}

async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof TypeError) throw new CommandError(`cannot read ${path}: it is not UTF-8`);
    throw fileError(path, error);
  }
}

function result({ revision, published, zones_changed: zones }: Applied): string {
  const as = revision === undefined ? '' : ` as revision ${revision}`;
  const what = plural(zones, 'zone');
  const live = published
    ? 'is answered from now'
    : 'is on disk, and will be answered from soon: see meridian status';
  const back =
    revision === undefined || revision <= 1 ? '' : `\nTo undo it: meridian rollback ${revision - 1}`;
  return `Applied${as}: ${what}; it ${live}.${back}`;
}

function clock(iso: string): string {
  return new Date(iso).toTimeString().slice(0, 5);
}
