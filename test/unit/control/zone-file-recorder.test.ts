import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ownersOf } from '../../../src/control/file-owners.js';
import type { ZoneSummary } from '../../../src/control/loader.js';
import { memoryRevisions } from '../../../src/control/revisions.js';
import { ZoneFileRecorder } from '../../../src/control/zone-file-recorder.js';
import { versionOf } from '../../../src/sources/zone-folder.js';
import { MemoryEntries } from '../../../src/store/memory-entries.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';

afterEach(removeFolders);

function summary(file: string, origin: string, version: string): ZoneSummary {
  return { origin, file, version, serial: 1, records: 1, pools: 0, loadedMs: 0 };
}

/** A zone folder whose files are "loaded" as they are when `load` is called. */
function recorderRig() {
  const folder = temporaryFolder();
  const store = new MemoryEntries();
  const book = memoryRevisions({ now: () => 0 }, undefined, store);
  const logged: string[] = [];
  const note = (facts: object, message: string) => void logged.push(`${message} ${JSON.stringify(facts)}`);
  const recorder = new ZoneFileRecorder(folder, { book, log: { info: note, error: note } });
  const texts = new Map<string, string>();
  const put = (path: string, text: string | null) => {
    if (text === null) {
      rmSync(join(folder, path));
      texts.delete(path);
      return;
    }
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
    texts.set(path, text);
  };
  const served = () =>
    [...texts].map(([path, text]) =>
      summary(join(folder, path), `${path.split('.')[0]}.test.`, versionOf(text)),
    );
  const load = async (zones = served()) => {
    recorder.served(zones);
    await recorder.settled();
  };
  const filesAt = (id = book.head) => Object.fromEntries(book.filesAt(id)!);
  return { folder, store, book, logged, recorder, put, served, load, filesAt };
}

describe('ZoneFileRecorder', () => {
  it('records what it finds first, with its zones and its owner', async () => {
    const { put, load, book, filesAt } = recorderRig();
    put('a.yaml', 'one');
    put('deep/er/b.yaml', 'two');
    await load();
    expect(book.get(1)).toMatchObject({
      kind: 'zones',
      source: 'file',
      author: userInfo().username,
      message: 'the zone folder as it was found: 2 files',
      files: [
        { path: 'a.yaml', zone: 'a.test', change: 'added' },
        { path: 'deep/er/b.yaml', change: 'added' },
      ],
    });
    expect(filesAt()).toEqual({ 'a.yaml': 'one', 'deep/er/b.yaml': 'two' });
  });

  it('records edits and deletions, and nothing where nothing changed', async () => {
    const { put, load, book, filesAt } = recorderRig();
    put('a.yaml', 'one');
    put('b.yaml', 'two');
    await load();
    await load();
    expect(book.head).toBe(1);
    put('a.yaml', 'one, edited');
    put('b.yaml', null);
    await load();
    expect(book.head).toBe(2);
    expect(book.get(2)?.message).toBe('edited: a.yaml; deleted: b.yaml');
    expect(filesAt()).toEqual({ 'a.yaml': 'one, edited' });
    put('a.yaml', 'one');
    await load();
    expect(filesAt()).toEqual({ 'a.yaml': 'one' });
  });

  it('does not record what came through the API, nor a file that is broken or was edited since', async () => {
    const { put, load, book, served, filesAt } = recorderRig();
    put('a.yaml', 'one');
    await load();
    const api = { kind: 'zones', source: 'api', author: 'ann', message: '' } as const;
    await book.append({ ...api, files: new Map([['a.yaml', 'by API']]) });
    put('a.yaml', 'by API');
    await load();
    expect(book.head).toBe(2);
    const before = served();
    put('a.yaml', 'broken');
    await load(before);
    expect([book.head, filesAt()]).toEqual([2, { 'a.yaml': 'by API' }]);
  });

  it('waits while somebody writes, and records afterwards what was edited meanwhile', async () => {
    const { put, load, recorder, book, served } = recorderRig();
    put('a.yaml', 'one');
    await load();
    const release = await recorder.hold();
    put('a.yaml', 'by API');
    recorder.served(served());
    await recorder.settled();
    expect(book.head).toBe(1);
    const api = { kind: 'zones', source: 'api', author: 'ann', message: '' } as const;
    await book.append({ ...api, files: new Map([['a.yaml', 'by API']]) });
    put('b.yaml', 'by hand');
    recorder.served(served());
    release();
    release();
    await recorder.settled();
    expect(book.list().revisions.map(({ id, source }) => [id, source])).toEqual([
      [3, 'file'],
      [2, 'api'],
      [1, 'file'],
    ]);
    expect(book.get(3)?.files.map(({ path }) => path)).toEqual(['b.yaml']);
  });

  it('keeps files in mind that it can not look at', async () => {
    const { put, load, book, folder } = recorderRig();
    put('a.yaml', 'one');
    put('b.yaml', 'two');
    await load();
    // b.yaml is there, but not served: it has mistakes, and was never good since the start.
    await load([summary(join(folder, 'a.yaml'), 'a.test.', versionOf('one'))]);
    expect(book.head).toBe(1);
  });

  it('knows a master file by its text, though its version counts what it includes', async () => {
    const { put, load, book, folder } = recorderRig();
    const at = (version: string) => [summary(join(folder, 'm.zone'), 'm.test.', version)];
    put('m.zone', '@ SOA …');
    await load(at('v1'));
    await load(at('v1'));
    await load(at('v2'));
    expect(book.head).toBe(1);
    put('m.zone', '@ SOA … more');
    await load(at('v3'));
    expect(book.head).toBe(2);
    await load(at('image of a broken file'));
    expect(book.head).toBe(2);
  });

  it('records that a file changed which is too large or no text', async () => {
    const { put, load, book, folder } = recorderRig();
    put('m.zone', '');
    writeFileSync(join(folder, 'm.zone'), Buffer.from([0xff, 0xfe, 0x80]));
    const zones = [summary(join(folder, 'm.zone'), 'm.test.', 'v1')];
    await load(zones);
    await load(zones);
    expect(book.head).toBe(1);
    expect([book.textAt(1, 'm.zone'), book.filesAt(1)?.has('m.zone')]).toEqual([undefined, true]);
  });

  it('tries again with the next load when the disk was full', async () => {
    const { put, load, book, store, logged } = recorderRig();
    put('a.yaml', 'one');
    store.failure = { code: 'storage_full', detail: 'no space' };
    await load();
    expect(book.head).toBe(0);
    expect(logged.join()).toContain('storage_full');
    store.failure = undefined;
    await load();
    expect(book.head).toBe(1);
  });

  it('takes one file in the place of a folder', async () => {
    const { folder, book } = recorderRig();
    const file = join(folder, 'only.yaml');
    writeFileSync(file, 'one');
    const recorder = new ZoneFileRecorder(file, { book, log: { info() {}, error() {} } });
    recorder.served([summary(file, 'only.test.', versionOf('one'))]);
    await recorder.settled();
    expect(Object.fromEntries(book.filesAt(1)!)).toEqual({ 'only.yaml': 'one' });
    recorder.served([summary(file, 'only.test.', versionOf('one'))]);
    await recorder.settled();
    expect(book.head).toBe(1);
  });
});

describe('ownersOf()', () => {
  it('names users, a few of them', async () => {
    const passwd = join(temporaryFolder(), 'passwd');
    writeFileSync(
      passwd,
      'root:x:0:0:root:/root:/bin/sh\nann:x:1001:1:::\n+bad name:x:5:\nbob:x:1002:1:::\ncy:x:7:7:::\n',
    );
    const names = (...uids: number[]) => ownersOf(new Set(uids), passwd);
    expect(await names(1001)).toBe('ann');
    expect(await names(1002, 1001)).toBe('ann, bob');
    expect(await names(4)).toBe('user 4');
    expect(await names(0, 7, 1001, 1002)).toBe('ann, bob, cy and 1 more');
    expect(await names()).toBe('file');
    expect(await ownersOf(new Set([0]), join(temporaryFolder(), 'none'))).toBe('user 0');
  });
});
