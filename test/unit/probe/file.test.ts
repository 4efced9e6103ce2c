import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROBE_LIMITS_DEFAULT } from '../../../src/core/probe/limits.js';
import { judgeText } from '../../../src/probe/file.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { ask } from '../../support/peers.js';

describe('judgeText()', () => {
  it.each<[string, boolean, string]>([
    ['up', true, 'file says up'],
    ['up\n', true, 'file says up'],
    ['UP: 3 of 3\nmore', true, '3 of 3'],
    ['  up   since noon  ', true, 'since noon'],
    ['down', false, 'file says down'],
    ['down replica lag 12 s', false, 'replica lag 12 s'],
    ['down\nup', false, 'file says down'],
    ['', false, 'the file says neither up nor down'],
    ['\nup', false, 'the file says neither up nor down'],
    ['upset', false, 'the file says neither up nor down'],
    ['up-to-date', false, 'the file says neither up nor down'],
    ['not up', false, 'the file says neither up nor down'],
    ['up \u001b[31m\u0000x', true, '[31m x'],
    [`up ${'x'.repeat(500)}`, true, 'x'.repeat(100)],
  ])('of %j', (text, ok, detail) => {
    expect(judgeText(text)).toEqual({ ok, detail });
  });
});

describe('a file probe', () => {
  let folder: string;
  let secret: string;

  beforeAll(() => {
    const root = temporaryFolder();
    folder = join(root, 'state');
    secret = join(root, 'secret');
    mkdirSync(join(folder, 'deeper'), { recursive: true });
    writeFileSync(secret, 'up and secret\n');
    writeFileSync(join(folder, 'a'), 'up all well\n');
    writeFileSync(join(folder, 'deeper', 'b'), 'down\n');
    writeFileSync(join(folder, 'web-127.0.0.1'), 'up by address\n');
    symlinkSync(secret, join(folder, 'link'));
    symlinkSync(join(folder, 'a'), join(folder, 'inner'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
  });
  afterAll(removeFolders);

  const read = (
    name: string,
    options: { host?: string; now?: () => number; folders?: readonly string[] } = {},
  ) => {
    const { folders = [folder], ...rest } = options;
    const check = { type: 'file', path: join(folder, name), maxAgeMs: 60_000 } as const;
    return ask(check, { limits: { ...PROBE_LIMITS_DEFAULT, folders }, ...rest });
  };

  it('says what the file says', async () => {
    expect(await read('a')).toMatchObject({ ok: true, detail: 'all well' });
    expect(await read('deeper/b')).toMatchObject({ ok: false, detail: 'file says down' });
    expect(await read('inner')).toMatchObject({ ok: true, detail: 'all well' });
  });

  it('puts the endpoint’s address into the path, but leaves the folder by no name', async () => {
    expect(await read('web-{address}')).toMatchObject({ ok: true, detail: 'by address' });
    const check = { type: 'file', path: `${folder}/{address}`, maxAgeMs: 60_000 } as const;
    const result = await ask(check, {
      host: '../secret',
      limits: { ...PROBE_LIMITS_DEFAULT, folders: [folder] },
    });
    expect(result).toMatchObject({
      ok: false,
      detail: expect.stringContaining('is in none of probes.folders'),
    });
  });

  it.each<[string, string]>([
    ['missing', 'the file is not there'],
    ['link', 'leads out of probes.folders'],
    ['pipe', 'not a regular file'],
    ['deeper', 'not a regular file'],
  ])('is down for %s', async (name, detail) => {
    const result = await read(name);
    expect(result.ok).toBe(false);
    expect(result.detail).toContain(detail);
  });

  it('is down for a file that was written too long ago, and not for one from the future', async () => {
    const nowMs = Date.now();
    expect(await read('a', { now: () => nowMs + 120_000 })).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^the file is 1\d\d s old, at most 60 s$/),
    });
    utimesSync(join(folder, 'a'), new Date(nowMs + 5000), new Date(nowMs + 5000));
    expect(await read('a', { now: () => nowMs })).toMatchObject({ ok: true });
  });

  it('reads nothing where no folder is allowed', async () => {
    expect(await read('a', { folders: [] })).toMatchObject({ ok: false });
    expect(await read('a', { folders: ['/no/such/folder'] })).toMatchObject({ ok: false });
  });
});
