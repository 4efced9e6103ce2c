import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { mayRead, type ProbeLimits } from '../core/probe/limits.js';
import type { FileCheck } from '../core/zone/check.js';
import { type AttemptOptions, attempt, type ProbeResult } from './attempt.js';
import { LocalFailure } from './failure.js';

/** More of a file is not looked at. */
export const FILE_BYTES_MAX = 1024;

interface FileModules {
  readonly limits: ProbeLimits;
  /** Milliseconds since 1970, as in the times of files. */
  readonly now: () => number;
}

/**
 * Up when the file begins with the word `up`, and was written no longer ago than the monitor allows. What follows
 * `up` or `down` in the first line is the detail. A file that is not there, or says anything else, is down.
 */
export function probeFile(
  host: string,
  check: FileCheck,
  options: AttemptOptions,
  modules: FileModules,
): Promise<ProbeResult> {
  return attempt(options, ({ settle, fail }) => {
    read(check.path.replaceAll('{address}', host), check.maxAgeMs, modules).then(
      ({ ok, detail }) => settle(ok, detail),
      (error: NodeJS.ErrnoException) =>
        error.code === 'ENOENT' ? settle(false, 'the file is not there') : fail(error),
    );
    return () => {};
  });
}

/** Whether a file's text says up, and what else it says. */
export function judgeText(text: string): { readonly ok: boolean; readonly detail: string } {
  const [line = ''] = text.split('\n', 1);
  const [, word = '', rest = ''] = /^\s*(up|down)(?![\w-])[\s:]*(.*)$/i.exec(line) ?? [];
  if (word === '') return { ok: false, detail: 'the file says neither up nor down' };
  const detail = rest.replace(/\p{C}/gu, ' ').trim().slice(0, 100);
  return {
    ok: word.toLowerCase() === 'up',
    detail: detail === '' ? `file says ${word.toLowerCase()}` : detail,
  };
}

async function read(
  path: string,
  maxAgeMs: number,
  { limits, now }: FileModules,
): Promise<{ readonly ok: boolean; readonly detail: string }> {
  if (!mayRead(limits, path)) throw new LocalFailure(`${path} is in none of probes.folders`);
  const real = await realpath(path);
  const folders = await Promise.all(limits.folders.map((folder) => realpath(folder).catch(() => undefined)));
  // A link in the folder may lead anywhere.
  if (!mayRead({ folders: folders.filter((folder) => folder !== undefined) }, real)) {
    throw new LocalFailure(`${path} leads out of probes.folders`);
  }
  // Without O_NONBLOCK a named pipe would hold up a thread; a link that was put there just now is not followed.
  const file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    return await judge(file, maxAgeMs, now());
  } finally {
    await file.close();
  }
}

async function judge(
  file: FileHandle,
  maxAgeMs: number,
  nowMs: number,
): Promise<{ readonly ok: boolean; readonly detail: string }> {
  const stats = await file.stat();
  if (!stats.isFile()) return { ok: false, detail: 'not a regular file' };
  const ageMs = nowMs - stats.mtimeMs;
  if (ageMs > maxAgeMs) {
    const seconds = (ms: number): number => Math.floor(ms / 1000);
    return { ok: false, detail: `the file is ${seconds(ageMs)} s old, at most ${seconds(maxAgeMs)} s` };
  }
  const buffer = Buffer.alloc(FILE_BYTES_MAX);
  const { bytesRead } = await file.read(buffer, 0, FILE_BYTES_MAX, 0);
  return judgeText(buffer.toString('utf8', 0, bytesRead));
}
