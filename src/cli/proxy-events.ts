import { setTimeout as wait } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, getJson, withApiOptions } from './api-client.js';
import { formatEvent } from './events.js';
import { CommandError, EXIT } from './exit.js';
import { PROXY_API } from './proxy-api.js';

interface Options extends ApiOptions {
  readonly follow?: boolean;
  readonly since?: number;
}

interface Page {
  readonly last: number;
  readonly events: readonly {
    readonly sequence: number;
    readonly at: string;
    readonly type: string;
    readonly data: object;
  }[];
}

const FOLLOW_MS = 2_000;

/** `meridian proxy events`: what happened at a proxy. */
export function addProxyEvents(proxy: Command): void {
  const events = proxy
    .command('events')
    .description('show what happened at a proxy: the last 1,000 steps of rollouts, and orders of operators')
    .option('-f, --follow', 'go on with what happens, until Ctrl-C')
    .option('--since <number>', 'only those behind the event of this number', parseSequence);
  withApiOptions(events, PROXY_API).action(showEvents);
}

async function showEvents(options: Options): Promise<void> {
  // Whoever read this has seen enough: `meridian proxy events | head`.
  process.stdout.once('error', () => process.exit(EXIT.OK));
  let after = options.since ?? 0;
  let isFirst = true;
  do {
    const page = await read(after, options, isFirst);
    isFirst = false;
    // A proxy that started anew counts from 1 again.
    if (page && page.last < after) after = 0;
    else if (page) {
      for (const event of page.events) process.stdout.write(`${lineOf(event, options)}\n`);
      after = page.last;
    }
    if (options.follow) await wait(FOLLOW_MS);
  } while (options.follow);
}

/** Null where the proxy is away for now. */
async function read(after: number, options: Options, isFirst: boolean): Promise<Page | null> {
  try {
    return (await getJson(`/v1/events?after=${after}`, options)) as Page;
  } catch (error) {
    const isAway = error instanceof CommandError && error.exitCode === EXIT.UNREACHABLE;
    if (isFirst || !isAway) throw error;
    return null;
  }
}

function lineOf(event: Page['events'][number], { json }: Options): string {
  const { type, at, data } = event;
  return json ? JSON.stringify(event) : formatEvent({ type, data: JSON.stringify({ at, data }) });
}

function parseSequence(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('want the number of an event.');
  return Number(text);
}
