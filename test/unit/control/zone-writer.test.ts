import * as system from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryRevisions } from '../../../src/control/revisions.js';
import type { EditOptions } from '../../../src/control/zone-editor.js';
import { etagOf } from '../../../src/control/zone-write.js';
import { fileName, type ZoneWriterModules } from '../../../src/control/zone-writer.js';
import { removeFolders } from '../../support/folder.js';
import { diskError, type ZoneRig, zoneRig } from '../../support/zone-rig.js';

const zoneText = (zone: string, address = '192.0.2.1') => `# ${zone}
zone: ${zone}
nameservers: { ns1: { A: 192.0.2.53 } }
soa: { contact: hostmaster.${zone} }
records:
  www: { type: A, value: ${address} } # the web
`;
const A = zoneText('a.test');
const B = zoneText('b.test');
const NEW_A = zoneText('a.test', '192.0.2.9');

let rig: ZoneRig;
afterEach(() => {
  rig.close();
  removeFolders();
});

async function start(modules: Partial<ZoneWriterModules> = {}) {
  rig = await zoneRig({ 'a.test.yaml': A, 'b.test.yaml': B }, modules);
}

const by = { author: 'ann', message: 'because', source: 'api' } as const;
const options: EditOptions = { author: 'ann', message: 'because', ifMatch: '*' };
const serial = (zone: string) => rig.control.zoneStatus().find((one) => one.zone === zone)?.serial;

describe('ZoneWriter', () => {
  it('writes, records and publishes a change, and says what it changes', async () => {
    await start();
    const before = serial('a.test.');
    const result = await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), by);
    expect(result).toMatchObject({
      outcome: 'written',
      revision: 1,
      published: true,
      zones: [
        {
          zone: 'a.test.',
          kind: 'changed',
          changes: [
            { kind: 'changed', name: 'www.a.test.', type: 'A', before: ['192.0.2.1'], after: ['192.0.2.9'] },
          ],
        },
      ],
    });
    expect(await rig.text('a.test.yaml')).toBe(NEW_A);
    expect(serial('a.test.')).not.toBe(before);
    expect(rig.book.get(1)).toMatchObject({
      author: 'ann',
      message: 'because',
      source: 'api',
      files: [{ path: 'a.test.yaml', zone: 'a.test' }],
    });
    expect(rig.book.filesAt(1)?.get('a.test.yaml')).toBe(NEW_A);
  });

  it.each(['while the new text is written', 'while the revision is recorded'])(
    'does not write over what somebody wrote by hand %s',
    async (when) => {
      await start();
      const byHand = zoneText('a.test', '192.0.2.77');
      const edit = () => system.writeFile(join(rig.folder, 'a.test.yaml'), byHand);
      if (when === 'while the new text is written') {
        rig.disk.rename = async (from, to) => {
          await edit();
          return system.rename(from, to);
        };
      } else {
        const { append } = rig.book;
        rig.book.append = async (draft) => {
          await edit();
          return append.call(rig.book, draft);
        };
      }
      const result = await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), by);
      expect(result).toMatchObject({ outcome: 'conflict', what: 'file', actual: etagOf(byHand) });
      expect(await rig.text('a.test.yaml')).toBe(byHand);
      expect((await system.readdir(rig.folder)).toSorted()).toEqual(['a.test.yaml', 'b.test.yaml']);
    },
  );

  it('writes nothing where the text is as it was', async () => {
    await start();
    const result = await rig.writer.write(new Map([['a.test.yaml', A]]), by);
    expect(result).toMatchObject({ outcome: 'written', published: true, zones: [] });
    expect(result).not.toHaveProperty('revision');
    expect(rig.book.head).toBe(0);
  });

  it.each<[string, string, RegExp]>([
    ['a mistake', A.replace('192.0.2.1 }', '192.0.2.999 }'), /IPv4/],
    ['no YAML', 'zone: [', /./],
    ['a zone that another file has', B, /the zone b\.test\. is already in b\.test\.yaml/],
  ])('refuses %s and leaves the file', async (_, text, message) => {
    await start();
    const result = await rig.writer.write(new Map([['a.test.yaml', text]]), by);
    expect(result).toMatchObject({
      outcome: 'problems',
      problems: [{ file: 'a.test.yaml', message: expect.stringMatching(message) }],
    });
    expect(await rig.text('a.test.yaml')).toBe(A);
    expect(rig.book.head).toBe(0);
  });

  it('takes a change of two files together: one zone moves to another file', async () => {
    await start();
    const result = await rig.writer.write(
      new Map([
        ['a.test.yaml', null],
        ['moved.yaml', A],
      ]),
      by,
    );
    expect(result).toMatchObject({ outcome: 'written', published: true, zones: [] });
    expect(await system.readdir(rig.folder)).toEqual(['b.test.yaml', 'moved.yaml']);
  });

  it('refuses where a file is not as it was expected, with both versions', async () => {
    await start();
    const ifMatch = new Map([['a.test.yaml', [etagOf('older')]]]);
    expect(await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), { ...by, ifMatch })).toEqual({
      outcome: 'conflict',
      what: 'file',
      file: 'a.test.yaml',
      expected: [etagOf('older')],
      actual: etagOf(A),
      message: expect.stringContaining(etagOf(A)),
    });
  });

  it('refuses where a revision came in between, with both numbers', async () => {
    await start();
    await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), by);
    const result = await rig.writer.write(new Map([['b.test.yaml', null]]), { ...by, head: 0 });
    expect(result).toMatchObject({ outcome: 'conflict', what: 'revision', expected: 0, actual: 1 });
    expect(await rig.text('b.test.yaml')).toBe(B);
    expect(await system.readdir(rig.folder)).toEqual(['a.test.yaml', 'b.test.yaml']);
  });

  it('notices a file that somebody edits while the change is checked', async () => {
    let edits = 0;
    await start();
    rig.disk.readFile = (async (path: string, ...rest: never[]) => {
      const text = await system.readFile(path, ...rest);
      if (path.endsWith('a.test.yaml') && edits++ === 0) await system.writeFile(path, `${A}# by hand\n`);
      return text;
    }) as typeof system.readFile;
    const result = await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), by);
    expect(result).toMatchObject({ outcome: 'conflict', what: 'file', expected: [etagOf(A)] });
    expect(await rig.text('a.test.yaml')).toBe(`${A}# by hand\n`);
  });

  it.each([
    ['ENOSPC', 'storage_full'],
    ['EROFS', 'read_only'],
    ['EIO', 'storage_failed'],
  ])('says %s as %s; what is served stays', async (errno, code) => {
    await start();
    const before = serial('a.test.');
    rig.disk.open = (async (path: string, flags: string, mode: number) => {
      if (path.includes('meridian-new')) throw diskError(errno);
      return system.open(path, flags, mode);
    }) as typeof system.open;
    const result = await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), by);
    expect(result).toMatchObject({
      outcome: 'failed',
      code,
      message: expect.stringContaining('nothing was changed'),
    });
    expect(await rig.text('a.test.yaml')).toBe(A);
    expect([serial('a.test.'), rig.book.head]).toEqual([before, 0]);
  });

  it('gives the files up where the revision can not be recorded', async () => {
    const revisions = {
      append: async () => ({ code: 'storage_full', detail: 'cannot write the journal: ENOSPC' }),
    };
    await start({ revisions });
    const result = await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), by);
    expect(result).toMatchObject({ outcome: 'failed', code: 'storage_full' });
    expect(await rig.text('a.test.yaml')).toBe(A);
    expect(await system.readdir(rig.folder)).toEqual(['a.test.yaml', 'b.test.yaml']);
  });

  it('says that it is not published yet where loading takes too long', async () => {
    let late: (() => void) | undefined;
    const timers = {
      set: (callback: () => void) => {
        late = callback;
      },
      clear: () => undefined,
    };
    const load = () => {
      late?.();
      return new Promise<void>(() => undefined);
    };
    await start({ timers, load });
    const result = await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), by);
    expect(result).toMatchObject({ outcome: 'written', published: false, revision: 1 });
  });

  it('refuses all where zones change by their files only', async () => {
    await start({ refuse: () => 'mode: gitops' });
    const result = await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), by);
    expect(result).toEqual({ outcome: 'failed', code: 'gitops', message: 'mode: gitops' });
  });

  it('does changes one after another, and holds the recorder meanwhile', async () => {
    const events: string[] = [];
    const hold = async () => {
      events.push('hold');
      return () => void events.push('release');
    };
    await start({ hold });
    const texts = [1, 2, 3].map((i) => zoneText('a.test', `192.0.2.${100 + i}`));
    const results = await Promise.all(
      texts.map((text) => rig.writer.write(new Map([['a.test.yaml', text]]), by)),
    );
    expect(results.map((result) => 'revision' in result && result.revision)).toEqual([1, 2, 3]);
    expect(await rig.text('a.test.yaml')).toBe(texts[2]);
    expect(events).toEqual(['hold', 'release', 'hold', 'release', 'hold', 'release']);
  });

  it('records what somebody edited by hand just before, so that it is not lost', async () => {
    const book = memoryRevisions({ now: Date.now });
    await start({ revisions: book });
    await rig.writer.write(new Map([['a.test.yaml', NEW_A]]), by);
    await rig.writer.write(new Map([['a.test.yaml', A]]), { ...by, head: 2 });
    // An order of steering in between is no reason to lose it.
    await book.append({ kind: 'steering', source: 'api', author: 'ann', message: '', steering: {} });
    await system.writeFile(join(rig.folder, 'a.test.yaml'), `${A}# by hand\n`);
    const result = await rig.writer.write(new Map([['a.test.yaml', null]]), { ...by, head: 3 });
    expect(result).toMatchObject({ outcome: 'written', revision: 6 });
    const sources = [1, 2, 3, 4, 5, 6].map((id) => book.get(id)?.source);
    expect(sources).toEqual(['file', 'api', 'api', 'api', 'file', 'api']);
    expect(book.filesAt(5)?.get('a.test.yaml')).toBe(`${A}# by hand\n`);
  });

  it('takes only so many changes at once', async () => {
    await start();
    const all = Array.from({ length: 70 }, () => rig.writer.write(new Map([['a.test.yaml', A]]), by));
    const results = await Promise.all(all);
    expect(results.filter((result) => result.outcome === 'failed' && result.code === 'busy')).toHaveLength(6);
  });
});

describe('ZoneEditor', () => {
  it('changes one record in place', async () => {
    await start();
    const edit = {
      kind: 'record',
      action: 'patch',
      name: 'www',
      types: 'A',
      value: { value: '192.0.2.9' },
    } as const;
    const result = await rig.editor.edit('A.test', edit, { ...options, ifMatch: [etagOf(A)] });
    expect(result).toMatchObject({
      outcome: 'written',
      etag: etagOf(NEW_A),
      created: false,
      published: true,
    });
    expect(await rig.text('a.test.yaml')).toBe(NEW_A);
  });

  it('says what a change would do, and does nothing', async () => {
    await start();
    const edit = { kind: 'name', action: 'delete', name: 'www' } as const;
    const result = await rig.editor.edit('a.test', edit, { ...options, dryRun: true });
    expect(result).toMatchObject({
      outcome: 'written',
      dryRun: true,
      etag: etagOf(A),
      zones: [{ changes: [{ kind: 'removed' }] }],
    });
    expect(await rig.text('a.test.yaml')).toBe(A);
  });

  it('makes a zone from data and removes it', async () => {
    await start();
    const value = { nameservers: { ns1: { A: '192.0.2.53' } }, soa: { contact: 'hostmaster.c.test' } };
    const made = await rig.editor.put('c.test', { value }, { ...options, ifMatch: null });
    expect(made).toMatchObject({ outcome: 'written', created: true, file: 'c.test.yaml', published: true });
    expect(await rig.text('c.test.yaml')).toMatch(/^zone: c\.test\n/);
    expect(await rig.editor.put('c.test', { value }, { ...options, ifMatch: null })).toMatchObject({
      outcome: 'conflict',
    });
    const gone = await rig.editor.remove('c.test', options);
    expect(gone).toMatchObject({ outcome: 'written', etag: null, zones: [{ kind: 'removed' }] });
    expect(await rig.editor.text('c.test')).toMatchObject({ code: 'not_found' });
  });

  it('keeps the comments of a zone that is put as data', async () => {
    await start();
    const value = {
      zone: 'a.test',
      nameservers: { ns1: { A: '192.0.2.53' } },
      soa: { contact: 'hostmaster.a.test' },
      records: { www: { type: 'A', value: '192.0.2.9' } },
    };
    await rig.editor.put('a.test', { value }, options);
    expect(await rig.text('a.test.yaml')).toBe(NEW_A);
  });

  it('mends a file that has mistakes, also one that never was good', async () => {
    await start();
    await system.writeFile(join(rig.folder, 'c.test.yaml'), 'zone: [');
    await rig.reload();
    expect(await rig.editor.text('c.test')).toMatchObject({ text: 'zone: [' });
    const result = await rig.editor.put(
      'c.test',
      { text: zoneText('c.test') },
      { ...options, ifMatch: [etagOf('zone: [')] },
    );
    expect(result).toMatchObject({ outcome: 'written', published: true });
  });

  it.each([
    [zoneText('other.test'), /must be a\.test\., the zone that the request names, not other\.test\./],
    [zoneText('b.test'), /must be a\.test\./],
  ])('does not take another zone than the one that is named', async (text, message) => {
    await start();
    const result = await rig.editor.put('a.test', { text }, options);
    expect(result).toMatchObject({
      outcome: 'problems',
      problems: [{ path: 'zone', message: expect.stringMatching(message) }],
    });
  });

  it('has errors with line, column and path though the change came as data', async () => {
    await start();
    const edit = {
      kind: 'record',
      action: 'put',
      name: 'x',
      types: 'A',
      value: { valeu: '192.0.2.1' },
    } as const;
    const result = await rig.editor.edit('a.test', edit, options);
    expect(result).toMatchObject({
      outcome: 'problems',
      problems: expect.arrayContaining([
        expect.objectContaining({
          file: 'a.test.yaml',
          line: 7,
          path: 'records.x.valeu',
          message: expect.stringContaining('did you mean value?'),
        }),
      ]),
    });
  });

  it('refuses what is nested without end', async () => {
    await start();
    let value: unknown = 1;
    for (let i = 0; i < 100_000; i++) value = [value];
    expect(await rig.editor.put('a.test', { value: { records: value } }, options)).toMatchObject({
      code: 'bad_value',
    });
  });

  it('says that a master file is edited by hand', async () => {
    await start();
    await system.writeFile(
      join(rig.folder, 'm.test.zone'),
      '@ 60 IN SOA ns1.example.net. h.example.net. 1 1 1 1 1\n@ 60 IN NS ns1.example.net.\nwww 60 IN A 192.0.2.1\n',
    );
    await rig.reload();
    const edit = { kind: 'name', action: 'delete', name: 'www' } as const;
    expect(await rig.editor.edit('m.test', edit, options)).toMatchObject({ code: 'not_editable' });
    const listed = await rig.editor.records('m.test', { types: 'A', offset: 0, limit: 10 });
    expect(listed).toMatchObject({
      total: 1,
      records: [{ name: 'www.m.test.', record: { type: 'A', value: '192.0.2.1' } }],
    });
  });
});

describe('fileName()', () => {
  it.each([
    ['example.com.', 'example.com'],
    ['.', 'root'],
    ['a\\.b/..test.', 'a_.b_..test-'],
    ['../x.', '_./x-'],
    ['*.test.', '_.test-'],
  ])('gives %s the name %s', (zone, name) => {
    expect(fileName(zone)).toContain(name.replaceAll('/', '_'));
    expect(fileName(zone)).toMatch(/^[a-z0-9_][a-z0-9._-]*$/);
  });
});
