import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Command } from 'commander';
import { OWN_TOKENS } from '../sources/own-tokens.js';
import { type Exchange, exchange, openAnswer, type TlsFiles } from './api-request.js';
import { CommandError, EXIT } from './exit.js';
import { fileError } from './file-error.js';
import { nextStep } from './next-step.js';
import type { OutputOptions } from './output.js';

export interface ApiOptions extends OutputOptions {
  readonly api: string;
  readonly tokenFile?: string;
  /** How long an answer may take; ten seconds where absent. */
  readonly timeoutMs?: number;
}

export const DEFAULT_API = 'http://127.0.0.1:8300';

/** Adds the options that every command of a running server shares. */
export function withApiOptions(command: Command, api: string = DEFAULT_API): Command {
  return command
    .option('--api <url>', 'admin API of the server (or MERIDIAN_API)', process.env['MERIDIAN_API'] ?? api)
    .option(
      '--token-file <file>',
      'file with the API token (or MERIDIAN_TOKEN_FILE; MERIDIAN_TOKEN holds the token itself; default: state/admin.token)',
    )
    .option('--json', 'print JSON');
}

/** GETs a JSON resource. Throws CommandError with what the server said. */
export function getJson(path: string, options: ApiOptions): Promise<unknown> {
  return askJson('GET', path, undefined, options);
}

/** POSTs a JSON body, or none, as `getJson` asks. */
export function postJson(path: string, body: object | undefined, options: ApiOptions): Promise<unknown> {
  return askJson('POST', path, body, options);
}

/** Sends a request with any method, a JSON body, a text or none, and further headers. Throws as `getJson` does. */
export async function askJson(
  method: string,
  path: string,
  body: object | string | undefined,
  options: ApiOptions,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const { status, text } = await askServer(method, path, body, options, headers);
  const answer = parseJson(text);
  if (status >= 200 && status < 300) return answer;
  throw refusal({ status, answer, path, hasToken: (await readToken(options)) !== undefined });
}

/** GETs a text. Throws as `getJson` does. */
export async function getText(path: string, options: ApiOptions): Promise<string> {
  const { status, text } = await askServer('GET', path, undefined, options);
  if (status === 200) return text;
  throw refusal({
    status,
    answer: parseJson(text),
    path,
    hasToken: (await readToken(options)) !== undefined,
  });
}

/** Every item of a list that comes in pages; `key` is where the items are. */
export async function getList(path: string, key: string, options: ApiOptions): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  const url = new URL(path, 'http://localhost');
  url.searchParams.set('limit', String(PAGE_SIZE));
  for (;;) {
    const page = (await getJson(`${url.pathname}${url.search}`, options)) as Readonly<
      Record<string, unknown>
    >;
    const found = page[key];
    if (Array.isArray(found)) items.push(...found);
    const { next } = page;
    const isEnd = (typeof next !== 'string' && typeof next !== 'number') || !Array.isArray(found);
    if (isEnd || found.length === 0) return items;
    url.searchParams.set('cursor', String(next));
  }
}

const PAGE_SIZE = 1000;

/**
 * Sends a request, with the token and what TLS needs, and gives the answer whatever its status. A text as body needs its
 * type in `headers`.
 */
export async function askServer(
  method: string,
  path: string,
  body: object | string | undefined,
  options: ApiOptions,
  headers: Readonly<Record<string, string>> = {},
): Promise<Exchange> {
  const url = urlOf(path, options);
  const token = await readToken(options);
  return exchange(
    {
      url,
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
    },
    tlsFiles(),
  );
}

/** Opens a stream, which the server ends, or the caller. Throws as `getJson` does. */
export async function openStream(
  path: string,
  options: ApiOptions,
  headers: Readonly<Record<string, string>> = {},
): Promise<IncomingMessage> {
  const url = urlOf(path, options);
  const token = await readToken(options);
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const request = { url, method: 'GET', headers: { ...authorization, ...headers } };
  const answer = await openAnswer(request, tlsFiles());
  if (answer.statusCode === 200) return answer;
  answer.setEncoding('utf8');
  let text = '';
  for await (const piece of answer) {
    if (text.length < PROBLEM_CHARS_MAX) text += String(piece);
  }
  const status = answer.statusCode ?? 0;
  throw refusal({ status, answer: parseJson(text), path, hasToken: token !== undefined });
}

const PROBLEM_CHARS_MAX = 64 * 1024;

function urlOf(path: string, { api }: ApiOptions): URL {
  if (!/^https?:\/\//.test(api) || !URL.canParse(api)) {
    throw new CommandError(`--api: ${api} is not a URL such as ${DEFAULT_API}`, EXIT.USAGE);
  }
  return new URL(path, api);
}

/** Options of the program; its variables count where they are not given. */
export const TLS_VARIABLES = { ca: 'MERIDIAN_CA', cert: 'MERIDIAN_CERT', key: 'MERIDIAN_KEY' } as const;

function tlsFiles(): TlsFiles {
  const found = Object.entries(TLS_VARIABLES).flatMap(([option, variable]) => {
    const file = process.env[variable];
    return file ? [[option, file] as const] : [];
  });
  return Object.fromEntries(found);
}

interface Refusal {
  readonly status: number;
  readonly answer: unknown;
  /** What was asked for. */
  readonly path: string;
  /** Whether a token was sent. */
  readonly hasToken: boolean;
}

/** What the server said, and what to do next. */
function refusal({ status, answer, path, hasToken }: Refusal): CommandError {
  const problem: Partial<ProblemAnswer> = isProblem(answer) ? answer : {};
  const { detail = 'no problem was named', problems = [], request_id: id } = problem;
  const step = status === 401 ? tokenStep(hasToken) : nextStep(problem.code, path);
  const others = problems.slice(1).map(({ path, message }) => `\n  ${path}: ${message}`);
  const trace = status >= 500 && id !== undefined ? ` (request ${id} in the server's log)` : '';
  const next = step === undefined ? '' : `\n  next: ${step}`;
  const code = status === 401 || status === 403 ? EXIT.UNREACHABLE : EXIT.FAILED;
  return new CommandError(`${status} ${detail}${trace}${others.join('')}${next}`, code, status);
}

function tokenStep(hasToken: boolean): string {
  return hasToken
    ? 'name the file of another token with --token-file'
    : 'no token was found: name its file with --token-file, or run this in the folder of the server';
}

async function readToken(options: ApiOptions): Promise<string | undefined> {
  const given = process.env['MERIDIAN_TOKEN'];
  if (given !== undefined && given !== '') return given;
  const named = options.tokenFile ?? process.env['MERIDIAN_TOKEN_FILE'];
  try {
    return (await readFile(named ?? join('state', OWN_TOKENS.admin), 'utf8')).trim();
  } catch (error) {
    if (named === undefined) return undefined;
    throw fileError(`the token file ${named}`, error, EXIT.USAGE);
  }
}

interface ProblemAnswer {
  readonly code?: string;
  readonly detail: string;
  readonly request_id?: string;
  readonly problems?: readonly { readonly path: string; readonly message: string }[];
}

function isProblem(body: unknown): body is ProblemAnswer {
  return typeof body === 'object' && body !== null && 'detail' in body && typeof body.detail === 'string';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
