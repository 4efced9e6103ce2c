import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, askJson, postJson, withApiOptions } from './api-client.js';
import { confirm } from './confirm.js';
import { type Difference, formatDifference, terminalPaint } from './difference-text.js';
import { parseRevision } from './history.js';
import { harmless, print } from './output.js';

interface RolledBack extends Difference {
  readonly revisions: readonly number[];
  readonly published?: boolean;
}

interface RollbackOptions extends ApiOptions {
  readonly what: string;
  readonly message?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** `meridian rollback`: shows what would change, asks, and does it. */
export function addRollback(program: Command): void {
  const command = program
    .command('rollback')
    .description('go back to how things were after a revision, by a new revision')
    .argument('<id>', 'the revision', parseRevision)
    .option('--what <what>', 'zones, steering or all', parseWhat, 'zones')
    .option('-m, --message <text>', 'why, for the history')
    .option('-n, --dry-run', 'only show what would change')
    .option('-y, --yes', 'do not ask');
  withApiOptions(command).action(rollBack);
}

async function rollBack(id: number, options: RollbackOptions): Promise<void> {
  const { what, message = '' } = options;
  const path = `/v1/revisions/${id}/rollback`;
  const query = new URLSearchParams({ what });
  const planned = (await postJson(`${path}?${query}&dry_run=true`, undefined, options)) as RolledBack;
  const isSame = planned.total + planned.steering.length + planned.unread.length + planned.zones.length === 0;
  const shown = formatDifference(harmless(planned), terminalPaint());
  if (options.dryRun || isSame) {
    print(planned, options, () => (isSame ? `${what}: everything is as it was after ${id}` : shown));
    return;
  }
  if (!options.yes) {
    process.stderr.write(`${shown}\n\n`);
    await confirm(`Roll back ${what} to revision ${id}?`);
  }
  if (message !== '') query.set('message', message);
  // What was shown is what is done: anything that came in between is refused.
  const headers = { 'if-match': `"r${planned.from}"` };
  const done = (await askJson('POST', `${path}?${query}`, undefined, options, headers)) as RolledBack;
  print(done, options, ({ revisions }) => `rolled back to ${id}: revision ${revisions.join(' and ')}`);
  if (done.published === false) {
    process.stderr.write(
      'meridian: the zones are on the disk, but not answered from yet: see meridian status\n',
    );
  }
}

function parseWhat(text: string): string {
  if (!['zones', 'steering', 'all'].includes(text)) {
    throw new InvalidArgumentError('want zones, steering or all.');
  }
  return text;
}
