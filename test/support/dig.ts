import { spawnSync } from 'node:child_process';
import { run } from './process.js';

export function isInstalled(tool: string, ...args: readonly string[]): boolean {
  return spawnSync(tool, args.length > 0 ? args : ['-h'], { stdio: 'ignore' }).error === undefined;
}

/** What dig understood of an answer. */
export interface DigAnswer {
  readonly status: string;
  readonly flags: readonly string[];
  /** `name ttl IN type rdata`, one space between fields. */
  readonly answers: readonly string[];
  readonly authorities: readonly string[];
  readonly additionals: readonly string[];
  /** Scope prefix length of the client subnet in the answer. */
  readonly scope: number | undefined;
  readonly text: string;
}

export interface DigServer {
  readonly host?: string;
  readonly port: number;
}

/** Asks with dig, without retries: an answer that is lost is a failure. */
export async function dig(server: DigServer, ...args: readonly string[]): Promise<DigAnswer> {
  const { host = '127.0.0.1', port } = server;
  const ended = await run('dig', [`@${host}`, '-p', String(port), '+tries=1', '+time=3', '+norec', ...args]);
  const status = /status: (\w+)/.exec(ended.stdout)?.[1];
  if (status === undefined) throw new Error(`dig ${args.join(' ')}: ${ended.stdout}${ended.stderr}`);
  const scope = /CLIENT-SUBNET: \S+\/\d+\/(\d+)/.exec(ended.stdout)?.[1];
  return {
    status,
    flags: (/;; flags: ([a-z ]*);/.exec(ended.stdout)?.[1] ?? '').split(' '),
    answers: section(ended.stdout, 'ANSWER'),
    authorities: section(ended.stdout, 'AUTHORITY'),
    additionals: section(ended.stdout, 'ADDITIONAL'),
    scope: scope === undefined ? undefined : Number(scope),
    text: ended.stdout,
  };
}

/** The last field of each answer: for records whose rdata is one word. */
export async function digShort(server: DigServer, ...args: readonly string[]): Promise<readonly string[]> {
  const { answers } = await dig(server, ...args);
  return answers.map((line) => line.split(' ').slice(4).join(' '));
}

function section(text: string, name: string): readonly string[] {
  const lines = text.split(`;; ${name} SECTION:\n`)[1]?.split('\n\n')[0]?.split('\n') ?? [];
  return lines
    .filter((line) => line !== '' && !line.startsWith(';'))
    .map((line) => line.replace(/[\t ]+/g, ' '));
}
