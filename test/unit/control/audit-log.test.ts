import { appendFileSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AuditLog } from '../../../src/control/audit-log.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';

afterAll(removeFolders);

const QUIET = { log: { error() {} } };

const entry = (who: string, path = '/v1/tokens') => ({
  at: '2030-01-31T12:00:00.000Z',
  request_id: 'r',
  who,
  role: 'admin',
  address: '127.0.0.1',
  method: 'POST',
  path,
  status: 201,
});

const fileIn = () => join(temporaryFolder(), 'audit.log');

describe('AuditLog', () => {
  it('gives the newest first, by pages and filters, for its owner only', async () => {
    const file = fileIn();
    const audit = await AuditLog.open(file, QUIET);
    for (const who of ['a', 'b', 'a', 'c']) await audit.append(entry(who));
    expect((await audit.read({ limit: 2 })).map(({ id }) => id)).toEqual([4, 3]);
    expect((await audit.read({ limit: 9, before: 3 })).map(({ id }) => id)).toEqual([2, 1]);
    expect((await audit.read({ limit: 9, fits: ({ who }) => who === 'a' })).map(({ id }) => id)).toEqual([
      3, 1,
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await audit.close();
  });

  it('goes on counting after a restart, and passes over half a line that a crash left', async () => {
    const file = fileIn();
    const first = await AuditLog.open(file, QUIET);
    await first.append(entry('a'));
    await first.close();
    appendFileSync(file, '{"id":2,"who":"b","pa');
    const second = await AuditLog.open(file, QUIET);
    await second.append(entry('c'));
    expect((await second.read({ limit: 9 })).map(({ id, who }) => `${id} ${who}`)).toEqual(['2 c', '1 a']);
    await second.close();
    const third = await AuditLog.open(file, QUIET);
    await third.append(entry('d'));
    expect((await third.read({ limit: 1 }))[0]).toMatchObject({ id: 3, who: 'd' });
    await third.close();
  });

  it('goes on in a new file where its own was removed', async () => {
    const file = fileIn();
    const audit = await AuditLog.open(file, QUIET);
    await audit.append(entry('a'));
    rmSync(file);
    await audit.append(entry('b'));
    expect((await audit.read({ limit: 9 })).map(({ id, who }) => `${id} ${who}`)).toEqual(['2 b']);
    await audit.close();
  });

  it('begins a line of its own behind the half of one that a full disk took', async () => {
    const file = fileIn();
    symlinkSync('/dev/full', file);
    const errors: string[] = [];
    const audit = await AuditLog.open(file, { log: { error: (_, message) => void errors.push(message) } });
    await audit.append(entry('a'));
    expect(errors).toEqual(['the audit log cannot be written']);
    rmSync(file);
    writeFileSync(file, '{"id":1,"who":"a","pa');
    await audit.append(entry('b'));
    expect((await audit.read({ limit: 9 })).map(({ id, who }) => `${id} ${who}`)).toEqual(['2 b']);
    await audit.close();
  });

  it('is rotated by size, reads both files, and each line whole over the borders of chunks', async () => {
    const file = fileIn();
    const audit = await AuditLog.open(file, QUIET, 200_000);
    const path = `/v1/${'ä'.repeat(200)}`;
    for (let i = 0; i < 600; i++) void audit.append(entry(`n${i}`, path));
    await audit.append(entry('last', path));
    const all = await audit.read({ limit: 1000 });
    expect(all[0]?.who).toBe('last');
    expect(all.map(({ id }) => id)).toEqual(all.map((_, i) => 601 - i));
    expect(all.every((one) => one.path === path)).toBe(true);
    expect(all.length).toBeGreaterThan(200);
    expect(statSync(`${file}.1`).size).toBeGreaterThan(190_000);
    await audit.close();
  });

  it('does not stop a change where it cannot be written, and says so', async () => {
    const logged: string[] = [];
    const folder = temporaryFolder();
    const log = {
      error: (facts: object, message: string) => void logged.push(`${message} ${JSON.stringify(facts)}`),
    };
    const audit = await AuditLog.open(join(folder, 'missing', 'audit.log'), { log });
    await audit.append(entry('a'));
    expect(logged[0]).toMatch(/the audit log cannot be written.*ENOENT/);
    await audit.close();
  });

  it('writes one JSON object in a line, whatever is in it', async () => {
    const file = fileIn();
    const audit = await AuditLog.open(file, QUIET);
    await audit.append(entry('a', '/v1/x\n{"id":9}'));
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(2);
    await audit.close();
  });
});
