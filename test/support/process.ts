import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { until } from './until.js';

const ROOT = resolve(import.meta.dirname, '../..');
/** The built program. */
export const MERIDIAN: string = join(ROOT, 'dist/main.js');

export interface Ended {
  /** null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  readonly cwd?: string;
  /** Added to an environment without any MERIDIAN_… variable. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of Node.js, for commands of the built program. */
  readonly flags?: readonly string[];
}

const running = new Set<Program>();
// A test run that is broken off leaves no servers behind.
process.on('exit', () => {
  for (const program of running) program.kill('SIGKILL');
});

/** Ends every program that a test started and did not end; for afterEach and afterAll. */
export async function endPrograms(): Promise<void> {
  await Promise.all([...running].map((program) => program.end()));
}

/** Runs a program to its end, at most 30 s. */
export async function run(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<Ended> {
  const program = new Program(command, args, options);
  const late = setTimeout(() => void program.end('SIGKILL'), RUN_MS_MAX);
  try {
    return await program.ended;
  } finally {
    clearTimeout(late);
  }
}

const RUN_MS_MAX = 60_000;
/** What a busy machine may take for a second's work. */
const STARTED_MS_MAX = 60_000;

/** Runs a command of the built program to its end. */
export function meridian(args: readonly string[], options: ProcessOptions = {}): Promise<Ended> {
  return run(process.execPath, [MERIDIAN, ...args], options);
}

/** Starts a command of the built program that goes on running, and waits for a text in its output. */
export async function startMeridian(
  args: readonly string[],
  ready: RegExp,
  options: ProcessOptions = {},
): Promise<Program> {
  return startProgram(process.execPath, [...(options.flags ?? []), MERIDIAN, ...args], ready, options);
}

/** Starts a server and waits until its output says that it is ready. */
export async function startProgram(
  command: string,
  args: readonly string[],
  ready: RegExp,
  options: ProcessOptions = {},
): Promise<Program> {
  const program = new Program(command, args, options);
  await program.says(ready);
  return program;
}

/** A program that runs beside the test. */
export class Program {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #hasEnded = false;

  constructor(command: string, args: readonly string[], options: ProcessOptions) {
    this.#child = spawn(command, args, {
      cwd: options.cwd ?? ROOT,
      env: { ...cleanEnvironment(), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this);
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((done, fail) => {
      this.#child.once('error', fail);
      this.#child.once('close', (code) => {
        this.#hasEnded = true;
        running.delete(this);
        done({ code, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
    // A program that can't be started is told to whoever waits for it, and to nobody twice.
    this.ended.catch(() => running.delete(this));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get output(): string {
    return this.#stdout + this.#stderr;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  async says(text: RegExp, withinMs = STARTED_MS_MAX): Promise<void> {
    await until(`${text} in the output`, () => text.test(this.output) || this.#hasEnded, withinMs);
    if (!text.test(this.output)) throw new Error(`the program ended: ${this.output}`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    if (!this.#hasEnded) this.#child.kill(signal);
    return this.ended;
  }
}

function cleanEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('MERIDIAN_')));
}
