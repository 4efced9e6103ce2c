import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { isRefusal, type RevisionDraft } from '../../src/control/revision.js';
import { openRevisions, type RevisionBook } from '../../src/control/revisions.js';
import { MAGIC, openJournal } from '../../src/store/journal.js';
import { scanJournal } from '../../src/store/journal-recovery.js';
import { isStoreFailure } from '../../src/store/store-failure.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';

afterEach(removeFolders);

async function open(folder: string): Promise<RevisionBook> {
  const opened = await openRevisions(folder, { now: () => 0 }, { revisionsMax: 8, bytesMax: 100_000 });
  if (isStoreFailure(opened)) throw new Error(opened.detail);
  return opened.book;
}

/** All that a book says. */
function facts(book: RevisionBook) {
  return book.list({ limit: 1000 }).revisions.map((revision) => ({
    revision,
    files: Object.fromEntries(book.filesAt(revision.id)!),
    steering: book.steeringAt(revision.id),
  }));
}

function draftOf(n: number): RevisionDraft {
  const about = { source: 'api', author: 'ann', message: `change ${n}` } as const;
  if (n % 3 === 2) return { ...about, kind: 'steering', steering: { n } };
  const files = new Map<string, string | null>([
    ['a.yaml', `${'line\n'.repeat(20)}${n}`],
    ['b.yaml', n % 2 === 1 ? null : `text ${n}`],
  ]);
  return { ...about, kind: 'zones', files };
}

/** A journal of a few revisions, and where each of them ends in the file. */
async function smallJournal(folder: string) {
  const book = await open(folder);
  const ends: number[] = [];
  for (let n = 0; n < 4; n++) {
    const result = await book.append(draftOf(n));
    if (isRefusal(result)) throw new Error(result.detail);
    ends.push(book.size.bytes);
  }
  const all = facts(book);
  await book.close();
  return { bytes: readFileSync(join(folder, 'log')), ends, all };
}

/** The payloads that a scan of these bytes gives, and what it would cut off. */
async function scanned(bytes: Uint8Array) {
  const file = Buffer.from(bytes);
  const handle = {
    stat: async () => ({ size: file.length }),
    read: async (into: Buffer, offset: number, length: number, position: number) => {
      return { bytesRead: file.copy(into, offset, position, position + length) };
    },
    write: async () => ({ bytesWritten: 0 }),
  } as unknown as FileHandle;
  const entries: string[] = [];
  const scan = await scanJournal(handle, MAGIC, (payload) => void entries.push(payload.toString('latin1')));
  if (isStoreFailure(scan)) throw new Error(scan.detail);
  return { entries, scan };
}

/** The end of each entry. */
async function entryEnds(bytes: Uint8Array): Promise<readonly number[]> {
  let at = MAGIC.length;
  const { entries } = await scanned(bytes);
  return entries.map(({ length }) => {
    at += length + 24;
    return at;
  });
}

describe('a journal that was cut', () => {
  it('has every whole entry back, wherever the cut is', async () => {
    const { bytes } = await smallJournal(temporaryFolder());
    const { entries: all } = await scanned(bytes);
    const ends = await entryEnds(bytes);
    for (let length = 0; length <= bytes.length; length++) {
      const whole = ends.filter((end) => end <= length).length;
      const { entries, scan } = await scanned(bytes.subarray(0, length));
      const at = Math.max(ends[whole - 1] ?? 0, MAGIC.length);
      const cut = { at, bytes: length - at, fault: 'incomplete', entriesLost: 0 };
      expect(entries, `cut at ${length}`).toEqual(all.slice(0, whole));
      expect(scan.size, `cut at ${length}`).toBe(at);
      if (length > at) expect(scan.cut, `cut at ${length}`).toEqual(cut);
      else expect(scan.cut).toBeUndefined();
    }
  });

  it('has every whole revision back, and takes further ones', async () => {
    const folder = temporaryFolder();
    const { bytes, ends, all } = await smallJournal(folder);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length), async (length) => {
        const whole = ends.filter((end) => end <= length).length;
        writeFileSync(join(folder, 'log'), bytes.subarray(0, length));
        const book = await open(folder);
        expect(facts(book)).toEqual(all.slice(all.length - whole));
        expect(await book.append(draftOf(100))).toMatchObject({ id: whole + 1 });
        await book.close();
        const again = await open(folder);
        expect(again.head).toBe(whole + 1);
        await again.close();
      }),
      { numRuns: 50 },
    );
  });
});

describe('a journal with a changed byte', () => {
  it('has the entries before it back as they were, and nothing else', async () => {
    const { bytes } = await smallJournal(temporaryFolder());
    const { entries: all } = await scanned(bytes);
    const ends = await entryEnds(bytes);
    for (let at = MAGIC.length; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      const whole = ends.filter((end) => end <= at).length;
      const { entries, scan } = await scanned(changed);
      expect(entries, `byte ${at}`).toEqual(all.slice(0, whole));
      expect(scan.cut?.entriesLost, `byte ${at}`).toBe(all.length - whole - 1);
    }
  });
});

describe('any bytes', () => {
  it('are never an exception, and never an entry by chance', async () => {
    const folder = temporaryFolder();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, hasMagic) => {
        const magic = Buffer.from(hasMagic ? 'MERIDIAN JOURNAL 1\n' : '');
        writeFileSync(join(folder, 'log'), Buffer.concat([magic, bytes]));
        const entries: Buffer[] = [];
        const opened = await openJournal(folder, (payload) => void entries.push(payload));
        expect(entries).toEqual([]);
        if (!isStoreFailure(opened)) await opened.journal.close();
      }),
      { numRuns: 100 },
    );
    rmSync(folder, { recursive: true });
  });
});
