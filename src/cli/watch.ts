import type { Command } from 'commander';
import { CommandError, EXIT } from './exit.js';
import { type OutputOptions, textOf } from './output.js';
import { printable } from './printable.js';

const WATCH_MS = 2000;

export interface WatchOptions extends OutputOptions {
  readonly watch?: boolean;
}

/** Adds the option of every command that shows what may change while one looks. */
export function withWatch(command: Command): Command {
  return command.option('-w, --watch', 'print it again every two seconds, until Ctrl-C');
}

/** Prints what `read` gives, once, or every two seconds until the program ends. */
export async function watchText(read: () => Promise<string>, watch: boolean): Promise<void> {
  do {
    const text = watch ? await whatever(read) : await read();
    // On a terminal the old one gives way to the new one, and what was longer is cleared.
    const home = watch && process.stdout.isTTY ? '\u001b[H\u001b[J' : '';
    process.stdout.write(`${home}${text}\n`);
    if (watch) await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  } while (watch);
}

/** The same with a value, for people or as JSON. */
export async function watch<T>(
  read: () => Promise<T>,
  options: WatchOptions,
  format: (value: T) => string,
): Promise<void> {
  await watchText(async () => textOf(await read(), options, format), options.watch ?? false);
}

/** While watching a server that restarts is no reason to end. */
async function whatever(read: () => Promise<string>): Promise<string> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CommandError && error.exitCode !== EXIT.USAGE) return printable(error.message);
    throw error;
  }
}
