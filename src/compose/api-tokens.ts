import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { EventBus } from '../control/event-bus.js';
import { TokenBook } from '../control/token-book.js';
import { readTokenStore, tokenStoreAt } from '../control/token-store.js';
import { ownTokens } from '../sources/node-tokens.js';
import type { ServerConfig } from '../sources/server-config.js';
import { readTokenFile, type Token } from '../sources/token-file.js';
import { formatProblem } from '../sources/yaml-document.js';
import type { StartProblem } from './dns-node.js';
import type { Log } from './log.js';

/** All tokens of a node, and what follows their file. */
export interface ApiTokens {
  readonly book: TokenBook;
  close(): Promise<void>;
}

const STORE = 'tokens.json';
const TOKEN_BYTES = 32;
const POLL_MS = 2000;
/** When tokens were used last is written so often. */
const FLUSH_MS = 600_000;

/** Opens the token file (or the node's own tokens) and those that were made through the API. The file is watched. */
export async function openTokens(
  { api, state }: ServerConfig,
  events: EventBus,
  log: Log,
): Promise<ApiTokens | StartProblem> {
  const path = join(state, STORE);
  const kept = await readTokenStore(path);
  if ('problem' in kept) return { code: 'tokens', message: kept.problem };
  const file = api?.tokens;
  const given = file === undefined ? await nodeTokens(state) : await fileTokens(file);
  if ('code' in given) return given;
  const book = new TokenBook(
    {
      store: tokenStoreAt(path),
      events,
      now: Date.now,
      // The prefix lets scanners of source code find one that was left there.
      newSecret: () => `mrd_${randomBytes(TOKEN_BYTES).toString('base64url')}`,
      log,
    },
    kept.stored,
  );
  book.give(given.list, file === undefined ? 'node' : 'file');
  const stop = file === undefined ? () => {} : watchTokens(file, book, events, log);
  const timer = setInterval(() => void book.flush(), FLUSH_MS);
  timer.unref();
  return {
    book,
    async close() {
      stop();
      clearInterval(timer);
      await book.flush();
    },
  };
}

async function nodeTokens(state: string): Promise<{ readonly list: readonly Token[] } | StartProblem> {
  try {
    return { list: await ownTokens(state) };
  } catch (error) {
    return { code: 'tokens', message: error instanceof Error ? error.message : String(error) };
  }
}

async function fileTokens(file: string): Promise<{ readonly list: readonly Token[] } | StartProblem> {
  const result = await readTokenFile(file);
  if ('tokens' in result) return { list: result.tokens };
  return { code: 'tokens', message: result.problems.map(formatProblem).join('\n') };
}

/** Polled: a file that is renamed into place, or mounted anew, is seen too. */
function watchTokens(file: string, book: TokenBook, events: EventBus, log: Log): () => void {
  let known = versionOf(file);
  let closed = false;
  const look = async () => {
    const result = await readTokenFile(file);
    if (closed) return;
    if ('problems' in result) {
      const problems = result.problems.map(formatProblem);
      log.error({ problems }, 'token file refused; the tokens before stay in use');
      events.publish({ type: 'tokens.refused', data: { problems: problems.slice(0, 20) } });
      return;
    }
    book.give(result.tokens, 'file');
    log.info({ tokens: result.tokens.length }, 'token file read again');
    events.publish({ type: 'tokens.loaded', data: { tokens: result.tokens.length } });
  };
  const timer = setInterval(() => {
    const version = versionOf(file);
    if (version === known) return;
    known = version;
    void look();
  }, POLL_MS);
  timer.unref();
  return () => {
    closed = true;
    clearInterval(timer);
  };
}

/** Another text for every other state of the file. */
function versionOf(file: string): string {
  try {
    const { ino, mtimeMs, ctimeMs, size } = statSync(file);
    return `${ino} ${mtimeMs} ${ctimeMs} ${size}`;
  } catch {
    return 'missing';
  }
}
