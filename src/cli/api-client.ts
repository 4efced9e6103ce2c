import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CommandError, EXIT } from './exit.js';

export interface ApiOptions {
  readonly api: string;
  readonly tokenFile?: string;
}

export const DEFAULT_API = 'http://127.0.0.1:8300';
const TIMEOUT_MS = 5000;

/** Adds the options that every command of a running server shares. */
export function withApiOptions(command: Command): Command {
  return command
    .option(
      '--api <url>',
      'admin API of the server (or MERIDIAN_API)',
      process.env['MERIDIAN_API'] ?? DEFAULT_API,
    )
    .option(
      '--token-file <file>',
      'file with the API token (or MERIDIAN_TOKEN_FILE; MERIDIAN_TOKEN holds the token itself; default: state/admin.token)',
    )
    .option('--json', 'print JSON');
}

/** GETs a JSON resource. Throws CommandError with what the server said. */
export async function getJson(path: string, options: ApiOptions): Promise<unknown> {
  if (!/^https?:\/\//.test(options.api) || !URL.canParse(options.api)) {
    throw new CommandError(`--api: ${options.api} is not a URL such as ${DEFAULT_API}`, EXIT.USAGE);
  }
  const url = new URL(path, options.api);
  const token = await readToken(options);
  let response: Response;
  try {
    response = await fetch(url, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new CommandError(
      `cannot reach ${url.origin}: ${cause}; is the server running? (--api)`,
      EXIT.UNREACHABLE,
    );
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body;
  const detail = isProblem(body) ? body.detail : response.statusText;
  const hint = response.status === 401 && token === undefined ? ' (no token found: --token-file)' : '';
  const code = response.status === 401 || response.status === 403 ? EXIT.UNREACHABLE : EXIT.FAILED;
  throw new CommandError(`${response.status} ${detail}${hint}`, code);
}

async function readToken(options: ApiOptions): Promise<string | undefined> {
  const given = process.env['MERIDIAN_TOKEN'];
  if (given !== undefined && given !== '') return given;
  const named = options.tokenFile ?? process.env['MERIDIAN_TOKEN_FILE'];
  const { OWN_TOKENS } = await import('../sources/node-tokens.js');
  try {
    return (await readFile(named ?? join('state', OWN_TOKENS.admin), 'utf8')).trim();
  } catch (error) {
    if (named === undefined) return undefined;
    throw new CommandError(
      `cannot read the token file ${named}: ${(error as NodeJS.ErrnoException).code}`,
      EXIT.USAGE,
    );
  }
}

function isProblem(body: unknown): body is { detail: string } {
  return typeof body === 'object' && body !== null && 'detail' in body && typeof body.detail === 'string';
}
