import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, openStream, withApiOptions } from './api-client.js';
import { EventReader, type ServerEvent } from './event-text.js';
import { CommandError, EXIT } from './exit.js';
import { harmless } from './output.js';

interface Options extends ApiOptions {
  readonly json?: boolean;
  readonly type?: readonly string[];
  readonly since?: string;
  readonly limit?: number;
}

/** The server writes something every ten seconds. */
const SILENT_MS_MAX = 35_000;
const RETRY_MS = 2000;

/** `meridian events`: what happens on a server, as it happens. */
export function addEvents(program: Command): void {
  const events = program
    .command('events')
    .description('show what happens on a server as it happens: health, zones, steering, until Ctrl-C')
    .option('-t, --type <type...>', 'only such: health, zones, steering, or health.transition for instance')
    .option('--since <id>', 'begin behind the event of this number, as far as they are kept', parseId)
    .option('-l, --limit <count>', 'end after so many', parseCount);
  withApiOptions(events).action(follow);
}

/** Comes back where a connection ends, with the number of the last event, so that none is missed. */
async function follow({ type, since, limit = Number.POSITIVE_INFINITY, ...options }: Options): Promise<void> {
  const path = type ? `/v1/events?${new URLSearchParams({ types: type.join(',') })}` : '/v1/events';
  // Whoever read this has seen enough: `meridian events | head`.
  process.stdout.once('error', () => process.exit(EXIT.OK));
  let lastId = since;
  let left = limit;
  let retryMs = RETRY_MS;
  let isFirst = true;
  for (;;) {
    const headers = { ...(lastId !== undefined && { 'last-event-id': lastId }) };
    const stream = await open(path, options, headers, isFirst);
    isFirst = false;
    if (stream) {
      const reader = new EventReader();
      for await (const event of eventsOf(stream, reader)) {
        lastId = event.id ?? lastId;
        await print(event, options.json ?? false);
        if (event.type !== 'missed' && --left <= 0) {
          stream.destroy();
          return;
        }
      }
      retryMs = reader.retryMs ?? retryMs;
      process.stderr.write('meridian: the connection ended; coming back\n');
    }
    await wait(retryMs);
  }
}

/** Undefined where the server is away for now: it may come back. What it refuses ends this, and so does a wrong start. */
async function open(
  path: string,
  options: ApiOptions,
  headers: Readonly<Record<string, string>>,
  isFirst: boolean,
): Promise<IncomingMessage | undefined> {
  try {
    return await openStream(path, options, headers);
  } catch (error) {
    const isAway = error instanceof CommandError && isPassing(error);
    if (isFirst || !isAway) throw error;
    return undefined;
  }
}

/** The server is away, or asks to wait. */
function isPassing({ message }: CommandError): boolean {
  return /^(?:cannot reach|5\d\d |429 )/.test(message);
}

async function* eventsOf(stream: IncomingMessage, reader: EventReader): AsyncGenerator<ServerEvent> {
  stream.setEncoding('utf8');
  stream.setTimeout(SILENT_MS_MAX, () => stream.destroy());
  try {
    for await (const piece of stream) {
      const events = reader.read(String(piece));
      if (!events) throw new CommandError('the server sends something that is no stream of events');
      yield* events;
    }
  } catch (error) {
    // A connection that breaks off, or was silent for too long, is opened again.
    if (error instanceof CommandError) throw error;
  }
}

async function print(event: ServerEvent, asJson: boolean): Promise<void> {
  const line = asJson ? jsonLine(event) : formatEvent(event);
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
}

/** One JSON document on one line: `{"id":…,"type":…,"at":…,"data":…}`. */
function jsonLine({ id, type, data }: ServerEvent): string {
  const value = parse(data);
  return JSON.stringify({
    ...(id !== undefined && { id: Number(id) }),
    type,
    ...(isObject(value) ? value : { data }),
  });
}

/** `12:03:04 steering.changed  by=alice message="drain example.com/eu"`. */
export function formatEvent({ type, data }: ServerEvent): string {
  const value = parse(data);
  if (type === 'missed')
    return '… some events are kept no more; see `meridian status` and `meridian history`';
  if (!isObject(value)) return plain(`${type}  ${data}`);
  const { at, data: facts } = value;
  const time = typeof at === 'string' ? `${at.slice(11, 19)} ` : '';
  const words = isObject(facts)
    ? Object.entries(facts).map(([name, fact]) => `${name}=${word(fact)}`)
    : [JSON.stringify(facts)];
  return plain(`${time}${type}  ${words.join(' ')}`);
}

function plain(text: string): string {
  return harmless({ text }).text;
}

function word(fact: unknown): string {
  return typeof fact === 'string' && /^[^\s"=]+$/.test(fact) ? fact : JSON.stringify(fact);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseId(text: string): string {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('want the number of an event.');
  return text;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d{1,9}$/.test(text) || count < 1) throw new InvalidArgumentError('want a number from 1.');
  return count;
}
