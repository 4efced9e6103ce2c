/**
 * Networks of their own for a test: Linux network namespaces, with links between them and none to the host. Their
 * names carry the id of the process that made them, so that a later run finds, and removes, what a run left behind
 * that was killed.
 */

import { spawnSync } from 'node:child_process';
import { isInstalled } from './dig.js';

/** Why namespaces can't be had here; undefined where they can. Tries it once. */
export function namespacesRefused(): string | undefined {
  if (process.platform !== 'linux') return 'not on Linux';
  if (process.getuid?.() !== 0) return 'not as root';
  if (!isInstalled('ip', '-V')) return 'no ip';
  const trial = new Namespaces();
  try {
    trial.add('try-a');
    trial.add('try-b');
    trial.link({ namespace: 'try-a', device: 'b' }, { namespace: 'try-b', device: 'a' });
    trial.forward('try-a');
    return undefined;
  } catch (error) {
    return `not allowed: ${error instanceof Error ? error.message : error}`;
  } finally {
    trial.close();
  }
}

export interface LinkEnd {
  readonly namespace: string;
  readonly device: string;
  /** With its prefix length, such as 10.77.1.52/31. */
  readonly address?: string;
  /** To receive and to send; 1 where absent. */
  readonly queues?: number;
}

const PREFIX = 'meridian-test-';
let made = 0;

/** A set of namespaces; `close` removes them and what runs in them. */
export class Namespaces {
  readonly #prefix = `${PREFIX}${process.pid}-${made++}-`;
  readonly #names = new Set<string>();
  readonly #onExit = () => this.close();

  constructor() {
    removeAbandoned();
    process.on('exit', this.#onExit);
  }

  /** A new namespace, which has loopback and nothing else. */
  add(name: string): void {
    ip(['netns', 'add', `${this.#prefix}${name}`]);
    this.#names.add(name);
    this.ip(name, 'link set lo up');
  }

  /** Commands of `ip`, without its name, in a namespace; the first that fails throws. */
  ip(name: string, ...commands: readonly string[]): void {
    ip(['-n', `${this.#prefix}${name}`, '-batch', '-'], `${commands.join('\n')}\n`);
  }

  /** What a command is to begin with to run in a namespace; the process has the id that the caller sees. */
  inside(name: string): readonly string[] {
    return ['ip', 'netns', 'exec', `${this.#prefix}${name}`];
  }

  /** Connects two namespaces; neither end is ever seen on the host. */
  link(a: LinkEnd, b: LinkEnd): void {
    const [first, second] = [a, b].map(({ namespace }) => `${this.#prefix}${namespace}`) as [string, string];
    const peer = ['peer', 'name', b.device, 'netns', second, ...queuesOf(b)];
    ip(['link', 'add', 'name', a.device, 'netns', first, ...queuesOf(a), 'type', 'veth', ...peer]);
    for (const { namespace, device, address } of [a, b]) {
      if (address !== undefined) this.ip(namespace, `addr add ${address} dev ${device}`);
      this.ip(namespace, `link set dev ${device} up`);
    }
  }

  /** Makes a namespace pass on what is not for itself. */
  forward(name: string): void {
    const [command = '', ...args] = this.inside(name);
    call(command, [...args, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  }

  close(): void {
    process.off('exit', this.#onExit);
    for (const name of this.#names) remove(`${this.#prefix}${name}`);
    this.#names.clear();
  }
}

function queuesOf({ queues }: LinkEnd): readonly string[] {
  return queues === undefined ? [] : ['numrxqueues', `${queues}`, 'numtxqueues', `${queues}`];
}

/** Of runs that are over: whoever was killed had no time to tidy up. */
function removeAbandoned(): void {
  for (const line of ip(['netns', 'list']).split('\n')) {
    const name = line.split(' ')[0] ?? '';
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) remove(name);
  }
}

/** A namespace and all that runs in it; its links go with it. */
function remove(name: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const pid of stdout.split('\n').map(Number)) if (pid > 0) kill(pid);
  spawnSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

function ip(args: readonly string[], input = ''): string {
  return call('ip', args, input);
}

function call(command: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    input,
    timeout: CALL_MS,
  });
  if (status !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: ${(error?.message ?? stderr).trim()} ${input.trim()}`.trim(),
    );
  }
  return stdout;
}

const CALL_MS = 10_000;
