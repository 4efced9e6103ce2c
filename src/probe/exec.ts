import { type ChildProcess, spawn } from 'node:child_process';
import { mayRun, type ProbeLimits } from '../core/probe/limits.js';
import type { ExecCheck } from '../core/zone/check.js';
import { type AttemptOptions, attempt, type Outcome, type ProbeResult } from './attempt.js';
import { describeFailure } from './failure.js';

/** So many programs run at once; further ones wait, and their time counts. */
export const EXEC_CONCURRENT_MAX = 16;
/** A program that says more is stopped, and has failed. */
export const OUTPUT_BYTES_MAX = 4096;
const DETAIL_LENGTH_MAX = 120;

/** Free places for programs, in the order of asking. */
export class ExecPlaces {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(places: number = EXEC_CONCURRENT_MAX) {
    this.#free = places;
  }

  /** Calls `run` when there is a place, perhaps at once. Returns how to give it back, or to stop waiting for it. */
  take(run: () => void): () => void {
    let held = false;
    let over = false;
    const enter = (): void => {
      held = true;
      run();
    };
    if (this.#free > 0) {
      this.#free--;
      enter();
    } else this.#waiting.add(enter);
    return () => {
      if (over) return;
      over = true;
      this.#waiting.delete(enter);
      if (held) this.#pass();
    };
  }

  #pass(): void {
    const [next] = this.#waiting;
    if (!next) this.#free++;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}

/**
 * Up when the program ends with 0. It is started without a shell, without this process's environment and files, and in
 * a process group of its own that is killed with whatever it has started, when it ends or its time is over.
 */
export function probeExec(
  host: string,
  check: ExecCheck,
  options: AttemptOptions,
  { limits, places }: { readonly limits: ProbeLimits; readonly places: ExecPlaces },
): Promise<ProbeResult> {
  return attempt(options, (outcome) => {
    // The configuration may have changed since the zone was loaded.
    if (!mayRun(limits, check.program)) {
      outcome.impossible(`${check.program} is not among probes.programs`);
      return () => {};
    }
    let child: ChildProcess | undefined;
    outcome.waitFor(`one of ${EXEC_CONCURRENT_MAX} places for programs`);
    const leave = places.take(() => {
      outcome.waitFor(undefined);
      try {
        child = start(host, check, outcome);
      } catch (error) {
        // It may be the turn of this one because another has ended: nobody there could catch it.
        outcome.impossible(describeFailure(error));
      }
    });
    return () => {
      // After its end the number may soon be another's.
      if (child?.exitCode === null && child.signalCode === null) killGroup(child);
      leave();
    };
  });
}

function start(host: string, { program, args }: ExecCheck, outcome: Outcome): ChildProcess {
  const child: ChildProcess = spawn(
    program,
    args.map((arg) => arg.replaceAll('{address}', host)),
    {
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C', MERIDIAN_ADDRESS: host },
      stdio: ['ignore', 'pipe', 'ignore'],
      shell: false,
      detached: true,
    },
  );
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.on('error', (error) => outcome.impossible(describeFailure(error)));
  // There is none where file descriptors have run out.
  child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > OUTPUT_BYTES_MAX) outcome.settle(false, `more than ${OUTPUT_BYTES_MAX} bytes of output`);
    else chunks.push(chunk);
  });
  // Its children may hold the output open for ever: its own end counts.
  child.on('exit', (code, signal) => {
    killGroup(child);
    outcome.decide(code === 0, detailOf(code, signal, chunks));
  });
  child.on('close', (code, signal) => outcome.settle(code === 0, detailOf(code, signal, chunks)));
  return child;
}

/** The first line that it said, and how it ended where that is not 0. */
function detailOf(code: number | null, signal: string | null, chunks: readonly Buffer[]): string {
  const [line = ''] = Buffer.concat(chunks).toString('utf8').trim().split('\n', 1);
  const said = line.replace(/\p{C}/gu, ' ').trim();
  const end = signal === null ? `exit ${code}` : `ended by ${signal}`;
  return `${code === 0 && said !== '' ? said : said === '' ? end : `${end}: ${said}`}`.slice(
    0,
    DETAIL_LENGTH_MAX,
  );
}

/** The program leads a group of its own, so that its number is the group's. */
function killGroup(child: ChildProcess | undefined): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody of the group is left.
  }
}
