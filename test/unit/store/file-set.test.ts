import * as system from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileSet, type FileSystem } from '../../../src/store/file-set.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { diskError } from '../../support/zone-rig.js';

let base: string;
let folder: string;
beforeEach(async () => {
  base = temporaryFolder();
  folder = join(base, 'zones');
  await system.mkdir(folder);
});
afterEach(removeFolders);

function fileSet(disk: Partial<FileSystem> = {}, bytesMax = 1000): FileSet {
  const intent = join(base, 'state', 'intent.json');
  return new FileSet({ folder, intent, bytesMax }, { ...system, ...disk });
}

async function change(files: FileSet, changes: Readonly<Record<string, string | null>>) {
  const prepared = await files.prepare(new Map(Object.entries(changes)));
  return 'detail' in prepared ? prepared : prepared.commit();
}

const put = (file: string, text: string) => system.writeFile(join(folder, file), text);
const text = (file: string) => system.readFile(join(folder, file), 'utf8');
const names = async () => (await system.readdir(folder, { recursive: true })).toSorted();

describe('FileSet', () => {
  it('puts new texts in place, makes folders, and removes files', async () => {
    await put('a.yaml', 'old');
    await put('b.yaml', 'old');
    expect(await change(fileSet(), { 'a.yaml': 'new', 'b.yaml': null, 'team/c.yaml': 'c' })).toBeUndefined();
    expect(await names()).toEqual(['a.yaml', 'team', 'team/c.yaml']);
    expect(await text('a.yaml')).toBe('new');
    expect(await text('team/c.yaml')).toBe('c');
  });

  it('keeps the mode of a file', async () => {
    await put('a.yaml', 'old');
    await system.chmod(join(folder, 'a.yaml'), 0o640);
    await change(fileSet(), { 'a.yaml': 'new' });
    expect((await system.stat(join(folder, 'a.yaml'))).mode & 0o777).toBe(0o640);
  });

  it('writes through a link that stays in the folder', async () => {
    await put('real.yaml', 'old');
    await system.symlink('real.yaml', join(folder, 'link.yaml'));
    expect(await change(fileSet(), { 'link.yaml': 'new' })).toBeUndefined();
    expect(await text('real.yaml')).toBe('new');
    expect((await system.lstat(join(folder, 'link.yaml'))).isSymbolicLink()).toBe(true);
  });

  it.each([
    ['../a.yaml', 'bad_file_name'],
    ['/etc/a.yaml', 'bad_file_name'],
    ['a/../../b.yaml', 'bad_file_name'],
    ['./a.yaml', 'bad_file_name'],
    ['.hidden.yaml', 'bad_file_name'],
    ['a\\b.yaml', 'bad_file_name'],
    ['a\0.yaml', 'bad_file_name'],
    ['a.txt', 'bad_file_name'],
    ['', 'bad_file_name'],
    [`${'a'.repeat(201)}.yaml`, 'bad_file_name'],
    ['a/b/c/d/e/f/g/h/i/j.yaml', 'bad_file_name'],
    ['dir.yaml', 'bad_file_name'],
    ['out.yaml', 'outside_folder'],
    ['dangling.yaml', 'outside_folder'],
    ['outdir/a.yaml', 'outside_folder'],
  ])('does not leave the folder for %j', async (path, code) => {
    await system.mkdir(join(folder, 'dir.yaml'));
    await system.mkdir(join(base, 'elsewhere'));
    await system.writeFile(join(base, 'elsewhere', 'a.yaml'), 'secret');
    await system.symlink(join(base, 'elsewhere', 'a.yaml'), join(folder, 'out.yaml'));
    await system.symlink('/nowhere/x.yaml', join(folder, 'dangling.yaml'));
    await system.symlink(join(base, 'elsewhere'), join(folder, 'outdir'));
    expect(await change(fileSet(), { [path]: 'x' })).toMatchObject({ code });
    expect(await fileSet().read(path)).toMatchObject({ code });
    expect(await system.readFile(join(base, 'elsewhere', 'a.yaml'), 'utf8')).toBe('secret');
  });

  it.each([
    ['ENOSPC', 'storage_full'],
    ['EDQUOT', 'storage_full'],
    ['EROFS', 'read_only'],
    ['EACCES', 'read_only'],
    ['EIO', 'storage_io'],
  ])('says %s as %s, and leaves everything as it was', async (errno, code) => {
    await put('a.yaml', 'old');
    const open: FileSystem['open'] = async (path, flags, mode) => {
      if (String(path).includes('b.yaml')) throw diskError(errno);
      return system.open(path, flags, mode);
    };
    expect(await change(fileSet({ open }), { 'a.yaml': 'new', 'b.yaml': 'new' })).toMatchObject({ code });
    expect(await names()).toEqual(['a.yaml']);
    expect(await text('a.yaml')).toBe('old');
  });

  it('undoes what is in place where the next file can not be', async () => {
    await put('a.yaml', 'old a');
    await put('b.yaml', 'old b');
    const rename: FileSystem['rename'] = async (from, to) => {
      if (String(to).endsWith('b.yaml')) throw diskError('EIO');
      return system.rename(from, to);
    };
    const files = fileSet({ rename });
    expect(await change(files, { 'n.yaml': 'n', 'a.yaml': 'new', 'b.yaml': 'new' })).toMatchObject({
      code: 'storage_io',
    });
    expect(await names()).toEqual(['a.yaml', 'b.yaml']);
    expect(await text('a.yaml')).toBe('old a');
    expect(await files.recover()).toEqual([]);
    expect(await text('b.yaml')).toBe('old b');
  });

  it('finishes at the next start what a crash interrupted between two files', async () => {
    await put('b.yaml', 'old');
    await put('c.yaml', 'old');
    const prepared = await fileSet().prepare(
      new Map([
        ['a.yaml', 'new'],
        ['b.yaml', 'new'],
        ['c.yaml', null],
      ]),
    );
    expect(prepared).not.toHaveProperty('detail');
    const [draft] = (await names()).filter((name) => name.startsWith('.a.yaml'));
    await system.rename(join(folder, draft!), join(folder, 'a.yaml'));
    expect(await fileSet().recover()).toEqual(['b.yaml', 'c.yaml']);
    expect(await names()).toEqual(['a.yaml', 'b.yaml']);
    expect(await text('b.yaml')).toBe('new');
    expect(await fileSet().recover()).toEqual([]);
  });

  it('forgets what was given up, and sweeps drafts away', async () => {
    await put('a.yaml', 'old');
    const prepared = await fileSet().prepare(new Map([['a.yaml', 'new']]));
    if ('detail' in prepared) throw new Error(prepared.detail);
    await prepared.abort();
    await put('.x.yaml.12-1.meridian-new', 'left over');
    expect(await fileSet().recover()).toEqual([]);
    expect(await names()).toEqual(['a.yaml']);
    expect(await text('a.yaml')).toBe('old');
  });

  it.each([
    'not json',
    '{"steps":[{"target":"/etc/passwd"}]}',
    '{"steps":[{"target":"a.yaml","draft":"/etc/passwd"}]}',
  ])('is not led out of the folder by a note %s', async (note) => {
    await system.mkdir(join(base, 'state'));
    await system.writeFile(join(base, 'state', 'intent.json'), note);
    expect(await fileSet().recover()).toEqual([]);
    await expect(system.stat('/etc/passwd')).resolves.toBeDefined();
  });

  it('reads texts, knows files that are not there, and refuses what is too large or not UTF-8', async () => {
    await put('a.yaml', '\uFEFFa');
    await put('large.yaml', 'x'.repeat(1001));
    await system.writeFile(join(folder, 'latin.yaml'), Buffer.from([0xe9]));
    const files = fileSet();
    expect(await files.read('a.yaml')).toBe('\uFEFFa');
    expect(await files.read('none.yaml')).toBeNull();
    expect(await files.read('none/none.yaml')).toBeNull();
    expect(await files.read('large.yaml')).toMatchObject({ code: 'too_large' });
    expect(await files.read('latin.yaml')).toMatchObject({ code: 'bad_file_name' });
  });
});
