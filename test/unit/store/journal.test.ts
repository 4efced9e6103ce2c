import { appendFileSync, chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Journal, type JournalModules, openJournal } from '../../../src/store/journal.js';
import { isStoreFailure } from '../../../src/store/store-failure.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';

const opened: Journal[] = [];
afterEach(async () => {
  for (const journal of opened.splice(0)) await journal.close();
  removeFolders();
});

async function openIn(folder: string, modules?: JournalModules) {
  const entries: string[] = [];
  const result = await openJournal(folder, (payload) => void entries.push(payload.toString()), modules);
  if (isStoreFailure(result)) throw new Error(`${result.code}: ${result.detail}`);
  opened.push(result.journal);
  return { ...result, entries };
}

const bytes = (...texts: string[]) => texts.map((text) => Buffer.from(text));

async function add(journal: Journal, ...texts: string[]) {
  const places = await journal.append(bytes(...texts));
  if (isStoreFailure(places)) throw new Error(places.detail);
  return places;
}

/** Files that fail as a disk does, from when `failing` is set. */
function disk() {
  const state = { failing: new Map<string, string>(), syncs: 0 };
  const modules: JournalModules = {
    async open(path, flags, mode) {
      const handle = await open(path, flags, mode);
      return new Proxy(handle, {
        get(target, key: keyof FileHandle) {
          const value: unknown = Reflect.get(target, key, target);
          if (typeof value !== 'function') return value;
          return (...args: unknown[]) => {
            if (key === 'datasync') state.syncs++;
            const code = state.failing.get(String(key));
            if (code !== undefined) return Promise.reject(Object.assign(new Error(code), { code }));
            return Reflect.apply(value, target, args);
          };
        },
      });
    },
  };
  return { ...state, state, modules };
}

describe('openJournal()', () => {
  it('gives back what was appended, in its order', async () => {
    const folder = join(temporaryFolder(), 'deep', 'journal');
    const { journal, recovery } = await openIn(folder);
    expect(recovery).toMatchObject({ entries: 0 });
    await add(journal, 'one', '', 'three');
    await journal.close();
    const again = await openIn(folder);
    expect(again.entries).toEqual(['one', '', 'three']);
    expect(again.recovery).toEqual({ entries: 3, bytes: statSync(join(folder, 'log')).size });
    await add(again.journal, 'four');
    await again.journal.close();
    expect((await openIn(folder)).entries).toEqual(['one', '', 'three', 'four']);
  });

  it('cuts off a torn end, says so, and keeps it aside', async () => {
    const folder = temporaryFolder();
    const { journal } = await openIn(folder);
    await add(journal, 'one', 'two');
    await journal.close();
    const whole = readFileSync(join(folder, 'log'));
    writeFileSync(join(folder, 'log'), whole.subarray(0, whole.length - 2));
    const { entries, recovery, journal: cut } = await openIn(folder);
    expect(entries).toEqual(['one']);
    expect(recovery.cut).toEqual({
      at: 19 + 27,
      bytes: 25,
      fault: 'incomplete',
      entriesLost: 0,
      keptAs: 'cut-000001',
    });
    expect(readFileSync(join(folder, 'cut-000001')).length).toBe(25);
    await add(cut, 'three');
    await cut.close();
    expect((await openIn(folder)).entries).toEqual(['one', 'three']);
  });

  it('says how many whole entries were behind a damage', async () => {
    const folder = temporaryFolder();
    const { journal } = await openIn(folder);
    const [, second] = await add(journal, 'one', 'two', 'three', 'four');
    await journal.close();
    const log = readFileSync(join(folder, 'log'));
    log[second!.offset + 24]! ^= 1;
    writeFileSync(join(folder, 'log'), log);
    const { entries, recovery } = await openIn(folder);
    expect(entries).toEqual(['one']);
    expect(recovery.cut).toMatchObject({ fault: 'checksum', entriesLost: 2, keptAs: 'cut-000001' });
  });

  it('keeps nothing aside of a file that only grew, and the newest four of what it cut', async () => {
    const folder = temporaryFolder();
    await (await openIn(folder)).journal.close();
    appendFileSync(join(folder, 'log'), Buffer.alloc(5000));
    const grown = await openIn(folder);
    expect(grown.recovery.cut).toEqual({ at: 19, bytes: 5000, fault: 'checksum', entriesLost: 0 });
    await grown.journal.close();
    for (let n = 0; n < 6; n++) {
      appendFileSync(join(folder, 'log'), `garbage ${n}`);
      await (await openIn(folder)).journal.close();
    }
    expect(readdirSync(folder).toSorted()).toEqual([
      'cut-000003',
      'cut-000004',
      'cut-000005',
      'cut-000006',
      'log',
    ]);
  });

  it('begins anew where a crash left a file without its first bytes', async () => {
    for (const text of ['', 'MERIDIAN JO']) {
      const folder = temporaryFolder();
      writeFileSync(join(folder, 'log'), text);
      const { journal } = await openIn(folder);
      await add(journal, 'one');
      await journal.close();
      expect((await openIn(folder)).entries).toEqual(['one']);
    }
  });

  it.each([
    ['MERIDIAN JOURNAL 2\nxxxx', 'a later version of Meridian wrote this journal'],
    ['some other file, not a journal', 'is no journal of Meridian'],
  ])('does not touch %j', async (text, detail) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'log'), text);
    const result = await openJournal(folder, () => {});
    expect(result).toMatchObject({ code: 'newer', detail: expect.stringContaining(detail) });
    expect(readFileSync(join(folder, 'log'), 'utf8')).toBe(text);
    expect(readdirSync(folder)).toEqual(['log']);
  });

  it('lets one at a time have the folder', async () => {
    const folder = temporaryFolder();
    const { journal } = await openIn(folder);
    expect(await openJournal(folder, () => {})).toMatchObject({
      code: 'locked',
      detail: expect.stringContaining(`${process.pid}`),
    });
    await journal.close();
    await openIn(folder);
  });

  it('takes over the lock of a process that has ended, or that only has the same number', async () => {
    const ended = { pid: 2 ** 22 + 1, started: '', id: 'x' };
    const other = { pid: process.pid, started: 'another boot', id: 'y' };
    const parent = { pid: process.ppid, started: 'another boot 1', id: 'z' };
    for (const holder of [ended, other, parent, 'torn']) {
      const folder = temporaryFolder();
      writeFileSync(join(folder, 'lock'), typeof holder === 'string' ? '{"pid": 1' : JSON.stringify(holder));
      const { journal } = await openIn(folder);
      await add(journal, 'one');
    }
  });

  it('writes nothing more once another process has the lock', async () => {
    const folder = temporaryFolder();
    const { journal } = await openIn(folder);
    await add(journal, 'one');
    await rm(join(folder, 'lock'));
    writeFileSync(join(folder, 'lock'), '{}');
    const size = statSync(join(folder, 'log')).size;
    expect(await journal.append(bytes('two'))).toMatchObject({ code: 'locked' });
    expect(await journal.rewrite([])).toMatchObject({ code: 'locked' });
    expect(statSync(join(folder, 'log')).size).toBe(size);
  });

  it('reads a journal that it can not write, and says so', async () => {
    const folder = temporaryFolder();
    const first = await openIn(folder);
    await add(first.journal, 'one');
    await first.journal.close();
    const modules: JournalModules = {
      open: (path, flags, mode) =>
        flags === 'r'
          ? open(path, flags, mode)
          : Promise.reject(Object.assign(new Error(), { code: 'EROFS' })),
    };
    const { entries, degraded, journal } = await openIn(folder, modules);
    expect(entries).toEqual(['one']);
    expect(degraded).toMatchObject({
      code: 'read_only',
      detail: expect.stringContaining('EROFS (the file system is read-only)'),
    });
    expect(await journal.append(bytes('two'))).toEqual(degraded);
  });

  it('goes on without a file where none can be made', async () => {
    const folder = temporaryFolder();
    const modules: JournalModules = {
      open: (path, flags, mode) =>
        flags === 'wx+'
          ? Promise.reject(Object.assign(new Error(), { code: 'ENOSPC' }))
          : open(path, flags, mode),
    };
    const { degraded, journal } = await openIn(folder, modules);
    expect(degraded).toMatchObject({ code: 'storage_full' });
    expect(await journal.append(bytes('two'))).toEqual(degraded);
  });

  it('says what is wrong with a folder that is a file', async () => {
    const folder = join(temporaryFolder(), 'file');
    writeFileSync(folder, '');
    expect(await openJournal(folder, () => {})).toMatchObject({
      code: 'storage_io',
      detail: expect.stringContaining('ENOTDIR'),
    });
  });

  it('keeps its files from other users', async () => {
    const folder = join(temporaryFolder(), 'journal');
    const { journal } = await openIn(folder);
    await add(journal, 'one');
    for (const name of ['', 'log', 'lock']) expect(statSync(join(folder, name)).mode & 0o077, name).toBe(0);
    chmodSync(folder, 0o700);
  });
});

describe('append()', () => {
  it('shares one fsync between all that wait', async () => {
    const { state, modules } = disk();
    const { journal } = await openIn(temporaryFolder(), modules);
    state.syncs = 0;
    const all = await Promise.all(Array.from({ length: 200 }, (_, n) => add(journal, `entry ${n}`)));
    expect(state.syncs).toBeLessThan(5);
    expect(all.map(([place]) => journal.read(place!).toString())).toEqual(
      Array.from({ length: 200 }, (_, n) => `entry ${n}`),
    );
  });

  it.each([
    ['write', 'ENOSPC', 'storage_full'],
    ['write', 'EDQUOT', 'storage_full'],
    ['write', 'EROFS', 'read_only'],
    ['write', 'EIO', 'storage_io'],
    ['datasync', 'EIO', 'storage_io'],
    ['datasync', 'ENOSPC', 'storage_full'],
  ])('gives a value where %s fails with %s, and goes on when that is over', async (call, errno, code) => {
    const folder = temporaryFolder();
    const { state, modules } = disk();
    const { journal } = await openIn(folder, modules);
    await add(journal, 'one');
    state.failing.set(call, errno);
    const results = await Promise.all([journal.append(bytes('two')), journal.append(bytes('three'))]);
    expect(results).toEqual([1, 2].map(() => ({ code, detail: expect.stringContaining(errno) })));
    state.failing.set('truncate', 'EIO');
    expect(await journal.append(bytes('four'))).toMatchObject({
      detail: expect.stringMatching(/repair|write/),
    });
    state.failing.clear();
    const [place] = await add(journal, 'five');
    expect((journal.read(place!) as Buffer).toString()).toBe('five');
    await journal.close();
    const { entries, recovery } = await openIn(folder);
    expect(entries).toEqual(['one', 'five']);
    expect(recovery.cut).toBeUndefined();
  });

  it('refuses what is too large, and what comes after the end', async () => {
    const { journal } = await openIn(temporaryFolder());
    expect(await journal.append([new Uint8Array(32 * 1024 * 1024 + 1)])).toMatchObject({ code: 'too_large' });
    await journal.close();
    expect(await journal.append(bytes('x'))).toMatchObject({ code: 'closed' });
    expect(journal.read({ offset: 19, bytes: 3 })).toMatchObject({ code: 'closed' });
  });
});

describe('read()', () => {
  it('does not give back what has changed on the disk', async () => {
    const folder = temporaryFolder();
    const { journal } = await openIn(folder);
    const [place] = await add(journal, 'one');
    const log = readFileSync(join(folder, 'log'));
    log[log.length - 1]! ^= 0x80;
    const handle = await open(join(folder, 'log'), 'r+');
    await handle.write(log, 0, log.length, 0);
    await handle.close();
    expect(journal.read(place!)).toMatchObject({
      code: 'storage_io',
      detail: expect.stringContaining('damaged'),
    });
  });
});

describe('rewrite()', () => {
  it('puts other entries in the place of all, in one step, and goes on behind them', async () => {
    const folder = temporaryFolder();
    const { journal } = await openIn(folder);
    const [, two] = await add(journal, 'one', 'two', 'three');
    const [, late] = await Promise.all([
      journal.rewrite([journal.read(two!), Buffer.from('2b')]),
      add(journal, 'late'),
    ]);
    expect((journal.read(late[0]!) as Buffer).toString()).toBe('late');
    await journal.close();
    expect((await openIn(folder)).entries).toEqual(['two', '2b', 'late']);
    expect(readdirSync(folder).toSorted()).toEqual(['lock', 'log']);
  });

  it.each([
    ['the new file can not be written', 'ENOSPC'],
    ['an entry can not be read', undefined],
  ])('leaves everything as it was where %s', async (_, errno) => {
    const folder = temporaryFolder();
    const { state, modules } = disk();
    const { journal } = await openIn(folder, modules);
    const [place] = await add(journal, 'one');
    if (errno !== undefined) state.failing.set('write', errno);
    const lost = { code: 'storage_io', detail: 'lost' } as const;
    const result = await journal.rewrite(errno === undefined ? [Buffer.from('x'), lost] : [Buffer.from('x')]);
    expect(result).toMatchObject(errno === undefined ? lost : { code: 'storage_full' });
    state.failing.clear();
    expect((journal.read(place!) as Buffer).toString()).toBe('one');
    await add(journal, 'two');
    await journal.close();
    expect(readdirSync(folder)).toEqual(['log']);
    expect((await openIn(folder)).entries).toEqual(['one', 'two']);
  });

  it('leaves a half-made new file to nobody', async () => {
    const folder = temporaryFolder();
    await mkdir(folder, { recursive: true });
    const { journal } = await openIn(folder);
    await add(journal, 'one');
    await journal.close();
    writeFileSync(join(folder, 'log.new'), 'half');
    expect((await openIn(folder)).entries).toEqual(['one']);
    expect(readdirSync(folder).toSorted()).toEqual(['lock', 'log']);
  });
});
