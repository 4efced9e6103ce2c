import { afterEach, describe, expect, it } from 'vitest';
import { isRefusal, type Revision, type RevisionDraft } from '../../../src/control/revision.js';
import { memoryRevisions, openRevisions, type RevisionBook } from '../../../src/control/revisions.js';
import { MemoryEntries } from '../../../src/store/memory-entries.js';
import { isStoreFailure } from '../../../src/store/store-failure.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const now = () => NOW;

afterEach(removeFolders);

function zones(
  files: Readonly<Record<string, string | null>>,
  more: Partial<RevisionDraft> = {},
): RevisionDraft {
  const map = new Map(Object.entries(files));
  return { kind: 'zones', source: 'api', author: 'ann', message: 'change', files: map, ...more };
}

function steering(document: unknown, more: Partial<RevisionDraft> = {}): RevisionDraft {
  return { kind: 'steering', source: 'api', author: 'ann', message: 'steer', steering: document, ...more };
}

async function add(book: RevisionBook, draft: RevisionDraft): Promise<Revision> {
  const result = await book.append(draft);
  if (isRefusal(result)) throw new Error(result.detail);
  return result;
}

async function open(folder: string, limits?: { revisionsMax: number; bytesMax: number }) {
  const opened = await openRevisions(folder, { now }, limits);
  if (isStoreFailure(opened)) throw new Error(opened.detail);
  return opened;
}

function textsAt(book: RevisionBook, id: number): Record<string, string> | undefined {
  const files = book.filesAt(id);
  return files && Object.fromEntries(files);
}

describe('append()', () => {
  it('numbers revisions, and says what each changed', async () => {
    const book = memoryRevisions({ now });
    await add(book, zones({ 'a.yaml': 'one', 'b.yaml': 'two' }, { zones: new Map([['a.yaml', 'A.test.']]) }));
    await add(book, zones({ 'a.yaml': 'one more', 'b.yaml': null }));
    await add(book, steering({ dials: { eu: 50 } }));
    expect(book.head).toBe(3);
    expect(book.headOf('zones')).toBe(2);
    expect(book.headOf('steering')).toBe(3);
    expect(book.get(2)).toEqual({
      id: 2,
      parent: 1,
      at: '2026-01-02T03:04:05.000Z',
      author: 'ann',
      message: 'change',
      kind: 'zones',
      source: 'api',
      files: [
        { path: 'a.yaml', zone: 'a.test', change: 'changed', version: expect.any(String) },
        { path: 'b.yaml', change: 'removed', version: null },
      ],
    });
    expect(textsAt(book, 1)).toEqual({ 'a.yaml': 'one', 'b.yaml': 'two' });
    expect(textsAt(book, 3)).toEqual({ 'a.yaml': 'one more' });
    expect([book.steeringAt(2), book.steeringAt(3)]).toEqual([null, { dials: { eu: 50 } }]);
    expect([book.filesAt(0)?.size, book.filesAt(4), book.steeringAt(4)]).toEqual([0, undefined, undefined]);
  });

  it('refuses what was made for another revision, and says both', async () => {
    const book = memoryRevisions({ now });
    await add(book, zones({ 'a.yaml': 'one' }, { expected: 0 }));
    const late = await book.append(zones({ 'a.yaml': 'two' }, { expected: 0 }));
    expect(late).toMatchObject({ code: 'conflict', expected: 0, head: 1 });
    expect(book.head).toBe(1);
  });

  it('lets one of many that were made for the same revision through, though they wait for one write', async () => {
    const book = memoryRevisions({ now });
    const all = await Promise.all(
      [1, 2, 3, 4].map((n) => book.append(zones({ 'a.yaml': `${n}` }, { expected: 0 }))),
    );
    expect(all.map((result) => ('code' in result ? result.code : result.id))).toEqual([
      1,
      'conflict',
      'conflict',
      'conflict',
    ]);
  });

  it('compares with the revisions of one kind where that is asked for', async () => {
    const book = memoryRevisions({ now });
    await add(book, steering({ n: 1 }, { expectedOfKind: 0 }));
    await add(book, zones({ 'a.yaml': 'one' }));
    await add(book, steering({ n: 2 }, { expectedOfKind: 1 }));
    expect(await book.append(steering({ n: 3 }, { expectedOfKind: 1 }))).toMatchObject({
      code: 'conflict',
      expected: 1,
      head: 3,
    });
  });

  it('adds nothing where nothing changes', async () => {
    const book = memoryRevisions({ now });
    await add(book, zones({ 'a.yaml': 'one' }));
    await add(book, steering({ n: 1 }));
    for (const draft of [zones({ 'a.yaml': 'one', 'gone.yaml': null }), steering({ n: 1 })]) {
      expect(await book.append(draft)).toMatchObject({ code: 'unchanged', head: 2 });
    }
  });

  it.each<[string, Partial<RevisionDraft>, string]>([
    ['no author', { author: '' }, 'author: want 1 to 128 characters'],
    ['a long author', { author: 'x'.repeat(129) }, 'author: want 1 to 128 characters'],
    ['an author with an escape', { author: '\x1b[31m' }, 'author: want no control characters'],
    ['a long message', { message: 'x'.repeat(2001) }, 'message: want at most 2000 characters'],
    ['a message with a zero', { message: 'a\0b' }, 'message: want no control characters but new lines'],
    ['no files', { kind: 'steering' }, 'want `files` for kind zones, and `steering` for kind steering'],
    ['a path outside', { files: new Map([['../x.yaml', '']]) }, 'want a path inside the zone folder'],
    ['an absolute path', { files: new Map([['/etc/x', '']]) }, 'want a path inside the zone folder'],
    ['a path with a dot', { files: new Map([['a/./b', '']]) }, 'want a path inside the zone folder'],
    ['an empty path', { files: new Map([['', '']]) }, 'want a path of 1 to 1024 characters'],
  ])('refuses %s', async (_, more, detail) => {
    const book = memoryRevisions({ now });
    const result = await book.append(zones({ 'a.yaml': 'x' }, more));
    expect(result).toMatchObject({ code: 'invalid_revision', detail: expect.stringContaining(detail) });
  });

  it('leaves everything as it was when the disk is full', async () => {
    const store = new MemoryEntries();
    const book = memoryRevisions({ now }, undefined, store);
    await add(book, zones({ 'a.yaml': 'one' }));
    store.failure = { code: 'storage_full', detail: 'no space' };
    expect(await book.append(zones({ 'a.yaml': 'two' }))).toEqual({
      code: 'storage_full',
      detail: 'no space',
    });
    expect([book.head, textsAt(book, 1)]).toEqual([1, { 'a.yaml': 'one' }]);
    store.failure = undefined;
    expect((await add(book, zones({ 'a.yaml': 'two' }))).id).toBe(2);
    expect(textsAt(book, 2)).toEqual({ 'a.yaml': 'two' });
  });

  it('tells those who subscribed, until they have enough', async () => {
    const book = memoryRevisions({ now });
    const seen: number[] = [];
    const end = book.subscribe(({ id }) => void seen.push(id));
    await add(book, zones({ 'a.yaml': 'one' }));
    end();
    await add(book, zones({ 'a.yaml': 'two' }));
    expect(seen).toEqual([1]);
  });
});

describe('list()', () => {
  it('gives pages, newest first, of what is asked for', async () => {
    const book = memoryRevisions({ now });
    const zone = { zones: new Map([['a.yaml', 'a.test']]) };
    await add(book, zones({ 'a.yaml': '1' }, zone));
    await add(book, steering({ n: 1 }, { author: 'bob' }));
    await add(book, zones({ 'b.yaml': '1' }, { author: 'bob' }));
    await add(book, zones({ 'a.yaml': null }));
    const ids = (query: Parameters<RevisionBook['list']>[0]) => {
      const page = book.list(query);
      return [page.revisions.map(({ id }) => id), page.next];
    };
    expect(ids({})).toEqual([[4, 3, 2, 1], undefined]);
    expect(ids({ limit: 2 })).toEqual([[4, 3], 3]);
    expect(ids({ limit: 2, before: 3 })).toEqual([[2, 1], undefined]);
    expect(ids({ kind: 'steering' })).toEqual([[2], undefined]);
    expect(ids({ author: 'bob' })).toEqual([[3, 2], undefined]);
    expect(ids({ zone: 'A.test.' })).toEqual([[4, 1], undefined]);
    expect(ids({ zone: 'c.test' })).toEqual([[], undefined]);
  });
});

describe('filesBetween()', () => {
  it('gives the texts of the files that differ, in both directions', async () => {
    const book = memoryRevisions({ now });
    await add(book, zones({ 'a.yaml': '1', 'b.yaml': '1', 'c.yaml': '1' }));
    await add(book, zones({ 'a.yaml': '2', 'b.yaml': null, 'd.yaml': '1' }));
    expect(book.filesBetween(1, 2)).toEqual([
      { path: 'a.yaml', before: '1', after: '2' },
      { path: 'b.yaml', before: '1', after: null },
      { path: 'd.yaml', before: null, after: '1' },
    ]);
    expect(book.filesBetween(2, 1)).toHaveLength(3);
    expect(book.filesBetween(1, 1)).toEqual([]);
    expect(book.filesBetween(1, 9)).toBeUndefined();
  });

  it('knows that a file changed whose text is not kept', async () => {
    const book = memoryRevisions({ now });
    const unkept = (version: string) => ({ files: new Map(), unkept: new Map([['big.zone', version]]) });
    await add(book, zones({}, unkept('v1')));
    await add(book, zones({}, unkept('v2')));
    expect(book.filesBetween(1, 2)).toEqual([{ path: 'big.zone', before: undefined, after: undefined }]);
  });
});

describe('openRevisions()', () => {
  it('brings everything back', async () => {
    const folder = temporaryFolder();
    const { book } = await open(folder);
    const long = Array.from({ length: 2000 }, (_, i) => `line ${i}`);
    for (let n = 0; n < 100; n++) {
      long[n * 20] = `changed ${n}`;
      await add(book, zones({ 'a.yaml': long.join('\n'), [`${n % 7}.yaml`]: `${n}` }));
    }
    await add(book, steering({ n: 1 }));
    const before = [5, 50, 101].map((id) => [textsAt(book, id), book.steeringAt(id)]);
    const pages = book.list({ limit: 1000 });
    await book.close();
    const again = await open(folder);
    expect([5, 50, 101].map((id) => [textsAt(again.book, id), again.book.steeringAt(id)])).toEqual(before);
    expect(again.book.list({ limit: 1000 })).toEqual(pages);
    expect(again.recovery.cut).toBeUndefined();
    // Hundred texts of 18 kB each, of which one or a few are kept whole.
    expect(again.book.size.bytes).toBeLessThan(120_000);
    expect((await add(again.book, zones({ 'z.yaml': 'z' }))).id).toBe(102);
    await again.book.close();
  });

  it('drops the oldest revisions when there are too many, and keeps the state at each that is left', async () => {
    const folder = temporaryFolder();
    const limits = { revisionsMax: 20, bytesMax: 1_000_000 };
    const { book } = await open(folder, limits);
    await add(book, steering({ n: 'first' }));
    await add(book, zones({ 'kept.yaml': 'kept' }));
    for (let n = 0; n < 100; n++) await add(book, zones({ [`${n % 3}.yaml`]: `text ${n}` }));
    expect(book.size.revisions).toBeLessThanOrEqual(25);
    expect(book.size.revisions).toBeGreaterThanOrEqual(20);
    const { oldest } = book;
    const expected = textsAt(book, oldest);
    expect(expected).toMatchObject({ 'kept.yaml': 'kept' });
    expect(book.steeringAt(oldest)).toEqual({ n: 'first' });
    expect(book.get(oldest - 1)).toBeUndefined();
    expect(book.filesBetween(oldest - 1, oldest)).toHaveLength(1);
    await book.close();
    const again = await open(folder, limits);
    expect([again.book.oldest, again.book.head, textsAt(again.book, oldest)]).toEqual([
      oldest,
      102,
      expected,
    ]);
    await again.book.close();
  });

  it('keeps the journal below its size, whatever is written', async () => {
    const folder = temporaryFolder();
    const limits = { revisionsMax: 1000, bytesMax: 20_000 };
    const { book } = await open(folder, limits);
    let noise = 1;
    const next = () => {
      noise = (noise * 48271) % 2147483647;
      return noise.toString(36);
    };
    const text = () => Array.from({ length: 400 }, next).join('');
    let last = '';
    for (let n = 0; n < 60; n++) {
      last = text();
      await add(book, zones({ 'a.yaml': last }));
      expect(book.size.bytes).toBeLessThan(25_000);
    }
    expect(textsAt(book, 60)).toEqual({ 'a.yaml': last });
    await book.close();
  });
});
