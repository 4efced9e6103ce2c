import { randomBytes, randomUUID } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { AcmeBook } from '../control/acme-book.js';
import { Delivery } from '../report/delivery.js';
import { readOptionalFile, writePrivateFile } from '../sources/private-file.js';
import type { ServerConfig } from '../sources/server-config.js';
import type { StartProblem } from './dns-node.js';
import type { Log } from './log.js';

/** In the state folder. */
const FILE = 'acme.json';

/** The accounts of ACME clients as they were stored; undefined where the configuration has none. */
export async function openAcmeBook(
  { acme, state }: Pick<ServerConfig, 'acme' | 'state'>,
  log: Log,
): Promise<AcmeBook | StartProblem | undefined> {
  if (!acme) return undefined;
  const path = join(state, FILE);
  const book = new AcmeBook(
    { accountsMax: acme.maxAccounts, lifetimeMs: acme.lifetimeMs },
    {
      now: Date.now,
      random: randomBytes,
      newId: randomUUID,
      save: (text) => writePrivateFile(path, text),
      log,
    },
  );
  try {
    const text = await readOptionalFile(path);
    if (text !== undefined && !book.load(text)) {
      const aside = `${path}.damaged`;
      await rename(path, aside);
      log.error({ file: path, aside }, 'the ACME accounts are damaged: put aside, and none are known');
    }
    return book;
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return { code, message: `cannot read the ACME accounts in ${path}: ${code}`, setting: 'state' };
  }
}

/** Of one message, as the route takes them. */
const ENTRIES_MAX = 200;
const INTERVAL_MS = 5_000;
const TIMEOUT_MS = 2_000;

export interface AcmeSync {
  close(): void;
}

/** Tells the other DNS nodes what changes here: all of it once, and then each change at once. */
export function startAcmeSync(
  node: string,
  reportTo: ServerConfig['reportTo'],
  book: AcmeBook,
  log: Log,
): AcmeSync {
  const deliveries = reportTo.map((receiver) => deliveryTo(node, receiver, book, log));
  book.onChange(() => {
    for (const delivery of deliveries) delivery.send();
  });
  for (const delivery of deliveries) delivery.send();
  return {
    close() {
      for (const delivery of deliveries) delivery.close();
    },
  };
}

function deliveryTo(
  node: string,
  { url, tokenFile }: ServerConfig['reportTo'][number],
  book: AcmeBook,
  log: Log,
): Delivery {
  /** What the receiver has, what is on its way, and since when it runs. */
  let known = 0;
  let sent = 0;
  let epoch: unknown;
  const delivery: Delivery = new Delivery(
    { url, readToken: tokenFile === undefined ? null : () => readFile(tokenFile, 'utf8') },
    {
      timers: {
        set: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
        clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
      },
      random: Math.random,
      fetch,
      log,
    },
    {
      intervalMs: INTERVAL_MS,
      timeoutMs: TIMEOUT_MS,
      path: '/v1/acme/sync',
      what: 'ACME accounts',
      build() {
        const { entries, last } = book.changesAfter(known, ENTRIES_MAX);
        sent = last;
        return { node, accounts: entries };
      },
      onAnswer(text) {
        const now = epochOf(text);
        // One that began anew may have lost what it had.
        const isOther = epoch !== undefined && epoch !== now;
        epoch = now;
        known = isOther ? 0 : sent;
        if (book.changesAfter(known, 1).entries.length > 0) delivery.send();
      },
    },
  );
  return delivery;
}

function epochOf(text: string): unknown {
  try {
    return (JSON.parse(text) as { epoch?: unknown } | null)?.epoch;
  } catch {
    return undefined;
  }
}
