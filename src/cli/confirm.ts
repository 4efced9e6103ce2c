import { createInterface } from 'node:readline/promises';
import { CommandError, EXIT } from './exit.js';

/** Asks before something is done, on stderr; only `yes` does it. Throws CommandError where it was not said, or nobody can be asked. */
export async function confirm(question: string, otherwise = 'add --yes'): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new CommandError(
      `nobody can be asked without a terminal: ${otherwise}; nothing was changed`,
      EXIT.USAGE,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} Only "yes" does it: `);
    if (answer.trim() !== 'yes') throw new CommandError('nothing was changed');
  } finally {
    terminal.close();
  }
}
