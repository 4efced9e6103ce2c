import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { openRevisions, type RevisionBook } from '../../src/control/revisions.js';
import { FileSet } from '../../src/store/file-set.js';
import { isStoreFailure } from '../../src/store/store-failure.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';

const WRITES = 500;
const KILLS_MIN = 10;
const CHILD = join(import.meta.dirname, '../support/crash-writer.mjs');
let child: ChildProcess | undefined;
afterAll(() => {
  child?.kill('SIGKILL');
  removeFolders();
});

/** Lets the writer run, kills it so long after its start of work, and gives what it said. */
async function runAndKill(
  zones: string,
  state: string,
  first: number,
  killMs: number,
): Promise<readonly string[]> {
  const running = spawn(process.execPath, [CHILD, zones, state, String(first)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child = running;
  let said = '';
  let errors = '';
  const ready = new Promise<void>((resolve) => {
    running.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('ready')) resolve();
    });
  });
  running.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const ended = new Promise<void>((resolve) => running.once('close', () => resolve()));
  await Promise.race([ready, ended]);
  await Promise.race([sleep(killMs), ended]);
  running.kill('SIGKILL');
  await ended;
  expect(errors).toBe('');
  return said.split('\n');
}

/** What was acknowledged is there; revisions are a chain; files are as the history says, or newer. */
async function check(zones: string, state: string, acknowledged: readonly number[]): Promise<RevisionBook> {
  const files = new FileSet({ folder: zones, intent: join(state, 'zone-write.json'), bytesMax: 2 ** 24 });
  expect(await files.recover()).toBeInstanceOf(Array);
  const limits = { revisionsMax: 40, bytesMax: 60_000 };
  const opened = await openRevisions(join(state, 'journal'), { now: Date.now }, limits);
  if (isStoreFailure(opened)) throw new Error(opened.detail);
  const { book } = opened;
  const { revisions } = book.list({ limit: 1000 });
  for (const [i, { id, parent }] of revisions.entries()) {
    expect(id).toBe(book.head - i);
    expect(parent).toBe(id - 1);
  }
  const byMessage = new Map(revisions.map((revision) => [revision.message, revision]));
  const oldest = Math.min(
    ...revisions.flatMap(({ message }) => /^write (\d+)$/.exec(message)?.[1] ?? []).map(Number),
  );
  for (const n of acknowledged.filter((one) => one >= oldest)) {
    const revision = byMessage.get(`write ${n}`);
    expect(revision, `write ${n} was acknowledged`).toBeDefined();
    if (n % 4 === 3) expect(book.steeringAt(revision!.id)).toEqual({ n });
    else expect(book.textAt(revision!.id, 'a.yaml')).toContain(`value: n${n} `);
    if (n % 4 === 2) expect(book.textAt(revision!.id, 'b.yaml')).toContain(`value: n${n} `);
  }
  const last = acknowledged.findLast((n) => n % 4 !== 3);
  if (last !== undefined) {
    const onDisk = Number(/value: n(\d+)/.exec(readFileSync(join(zones, 'a.yaml'), 'utf8'))?.[1]);
    const inBook = Number(/value: n(\d+)/.exec(String(book.textAt(book.head, 'a.yaml')))?.[1]);
    expect(inBook).toBeGreaterThanOrEqual(last);
    expect(onDisk).toBeGreaterThanOrEqual(inBook);
  }
  return book;
}

describe('a process that is killed while it writes', () => {
  it(`has every one of ${WRITES} acknowledged writes after each restart`, async () => {
    const folder = temporaryFolder();
    const [zones, state] = [join(folder, 'zones'), join(folder, 'state')];
    mkdirSync(zones);
    mkdirSync(state);
    const acknowledged: number[] = [];
    let next = 0;
    let kills = 0;
    while (acknowledged.length < WRITES || kills <= KILLS_MIN) {
      // From at once to some dozens of writes.
      const killMs = ((kills * 37) % 50) ** 2 * 0.5;
      const said = await runAndKill(zones, state, next, killMs);
      kills++;
      expect(said.filter((line) => !/^(?:ready|ack \d+|)$/.test(line))).toEqual([]);
      acknowledged.push(...said.flatMap((line) => /^ack (\d+)$/.exec(line)?.[1] ?? []).map(Number));
      const book = await check(zones, state, acknowledged);
      // One that was not acknowledged may have been done, so its number is not used again.
      const known = book
        .list({ limit: 1000 })
        .revisions.map(({ message }) => Number(/^write (\d+)$/.exec(message)?.[1] ?? -1));
      const onDisk = Number(
        /value: n(\d+)/.exec(
          acknowledged.length > 0 ? readFileSync(join(zones, 'a.yaml'), 'utf8') : '',
        )?.[1] ?? -1,
      );
      next = Math.max(next, ...known, onDisk, ...acknowledged) + 1;
      await book.close();
      expect(kills).toBeLessThan(300);
    }
  }, 300_000);
});
