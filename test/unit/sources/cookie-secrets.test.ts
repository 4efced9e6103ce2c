import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  parseCookieSecrets,
  readCookieSecrets,
  watchCookieSecrets,
} from '../../../src/sources/cookie-secrets.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

const A = 'e5e973e5a6b2a43f48e7dc849e37bfcf';
const B = '445536BCD2513298075A5D379663C962';

function read(text: string): readonly string[] {
  const result = parseCookieSecrets('c.secret', text);
  if ('problems' in result) return result.problems.map(formatProblem);
  return result.secrets.map((secret) => Buffer.from(secret).toString('hex'));
}

describe('parseCookieSecrets()', () => {
  it.each<[string, readonly string[]]>([
    [A, [A]],
    [`${A}\n${B}\n`, [A, B.toLowerCase()]],
    [`# ours\n\n  ${A}  # since May\r\n`, [A]],
    ['', ['c.secret:1:1: holds no secret: write 32 hexadecimal digits']],
    ['# nothing\n', ['c.secret:1:1: holds no secret: write 32 hexadecimal digits']],
    [`${A}\n${A}0\nxyz`, [2, 3].map((line) => `c.secret:${line}:1: must be 32 hexadecimal digits`)],
    [`${A}\n`.repeat(4), ['c.secret:4:1: is one secret too many: at most 3']],
  ])('%j', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it('keeps a secret out of its messages', () => {
    expect(read(`${A}ff`).join()).not.toContain(A);
  });
});

describe('cookie secrets on disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-cookies-'));
  const closing: { close(): void }[] = [];
  afterEach(() => {
    for (const watch of closing.splice(0)) watch.close();
  });

  it('refuses a file that every user can read, and one that is missing', async () => {
    const open = join(folder, 'open');
    writeFileSync(open, A, { mode: 0o644 });
    expect(JSON.stringify(await readCookieSecrets(open))).toContain('chmod 600');
    expect(JSON.stringify(await readCookieSecrets(join(folder, 'none')))).toContain('cannot be read');
  });

  it('tells of a new file in its place', { timeout: 20_000 }, async () => {
    const file = join(folder, 'watched');
    writeFileSync(file, A, { mode: 0o600 });
    const changed = new Promise((resolve) => {
      closing.push(watchCookieSecrets(file, resolve));
    });
    writeFileSync(`${file}.new`, `${B}\n${A}`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    expect(await changed).toEqual({ secrets: [Buffer.from(B, 'hex'), Buffer.from(A, 'hex')] });
  });
});
