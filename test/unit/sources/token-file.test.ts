import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  findToken,
  hashToken,
  parseTokenFile,
  readTokenFile,
  TOKEN_LENGTH_MAX,
  type Token,
} from '../../../src/sources/token-file.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

const digest = (token: string) => createHash('sha256').update(token).digest('hex');
const entry = (name: string, role: string, token: string) =>
  `  - { name: ${name}, role: ${role}, sha256: "${digest(token)}" }\n`;
const FILE = `tokens:\n${entry('reader', 'read', 'r-secret')}${entry('proxy-1', 'report', 'p-secret')}${entry('boss', 'admin', 'a-secret')}`;

function tokensOf(text: string): readonly Token[] {
  const result = parseTokenFile('tokens.yaml', text);
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.tokens;
}

describe('findToken()', () => {
  it.each<[string, { name: string; role: string; node?: string } | null]>([
    ['r-secret', { name: 'reader', role: 'read' }],
    ['p-secret', { name: 'proxy-1', role: 'report', node: 'proxy-1' }],
    ['a-secret', { name: 'boss', role: 'admin' }],
    ['a-secret ', null],
    ['A-secret', null],
    ['', null],
    [digest('a-secret'), null],
    ['x'.repeat(TOKEN_LENGTH_MAX + 1), null],
    ['\u0000\ud800', null],
  ])('for %j is %j', (presented, expected) => {
    expect(findToken(tokensOf(FILE), presented)).toEqual(expected);
  });

  it('takes a token of the greatest length and none that is longer', () => {
    const [longest, longer] = ['x'.repeat(TOKEN_LENGTH_MAX), 'x'.repeat(TOKEN_LENGTH_MAX + 1)];
    const tokens = tokensOf(`tokens:\n${entry('a', 'read', longest)}${entry('b', 'read', longer)}`);
    expect(findToken(tokens, longest)?.name).toBe('a');
    expect(findToken(tokens, longer)).toBeNull();
  });

  it('finds nobody in an empty list', () => {
    expect(findToken(tokensOf('tokens: []'), 'a-secret')).toBeNull();
  });
});

describe('parseTokenFile()', () => {
  it.each<[string, string]>([
    ['', 'must be a map with the key tokens'],
    [
      'tokens: [ { name: a, role: root, sha256: "00" } ]',
      'must be one of read, operate, zones, report, admin, not "root"',
    ],
    ['tokens: [ { name: a, role: read, sha256: "00" } ]', 'must be the SHA-256 of the token: 64 hexadecimal'],
    ['tokens: [ { name: a, role: read, token: secret } ]', 'tokens[0].token: unknown key'],
    [`tokens:\n${entry('a', 'read', 'x')}${entry('a', 'read', 'y')}`, '3:13: tokens[1].name: is the same'],
    [`tokens:\n${entry('a', 'read', 'x')}${entry('b', 'admin', 'x')}`, 'tokens[1].sha256: is the same'],
  ])('refuses %j', (text, expected) => {
    const result = parseTokenFile('tokens.yaml', text);
    const problems = 'problems' in result ? result.problems.map(formatProblem) : [];
    expect(problems.join('\n')).toContain(expected);
  });
});

describe('readTokenFile()', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'meridian-tokens-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function read(mode: number, text = FILE) {
    const file = join(folder, `tokens-${mode.toString(8)}-${text.length}.yaml`);
    writeFileSync(file, text);
    chmodSync(file, mode);
    return readTokenFile(file);
  }

  it.each([0o600, 0o640, 0o400])('reads a file of mode %o', async (mode) => {
    expect(await read(mode)).toMatchObject({
      tokens: [{ name: 'reader' }, { name: 'proxy-1' }, { name: 'boss' }],
    });
  });

  it.skipIf(process.platform === 'win32').each([
    [0o644, '0644'],
    [0o602, '0602'],
  ])('refuses a file that everyone can open (mode %o)', async (mode, octal) => {
    const message = `every user of this machine can open this file (mode ${octal}); make it private with chmod 600`;
    expect(await read(mode)).toMatchObject({ problems: [{ message }] });
  });

  it('refuses a file that is too large', async () => {
    expect(await read(0o600, '#'.repeat(1024 * 1024 + 1))).toMatchObject({
      problems: [{ message: expect.stringContaining('larger than 1048576 bytes') }],
    });
  });

  it('says why a file cannot be read', async () => {
    expect(await readTokenFile(join(folder, 'none.yaml'))).toMatchObject({
      problems: [{ message: expect.stringContaining('ENOENT') }],
    });
  });
});

describe('a token with an end, or for some zones', () => {
  const DIGEST = 'a'.repeat(64);
  const parse = (more: string, role = 'zones') =>
    parseTokenFile('t.yaml', `tokens:\n  - { name: ci, role: ${role}, sha256: ${DIGEST}, ${more} }\n`);

  it('has them in the form that is compared', () => {
    expect(parse('expires: 2030-01-31, zones: [ Shop.Test., a.test ]')).toMatchObject({
      tokens: [{ expiresMs: Date.parse('2030-01-31'), zones: ['shop.test', 'a.test'] }],
    });
    expect(parse('expires: "2030-01-31T12:00:00+01:00"')).toMatchObject({
      tokens: [{ expiresMs: Date.parse('2030-01-31T11:00:00Z') }],
    });
  });

  it.each([
    ['expires: 2030-13-01', 'zones', 'tokens[0].expires: is no day of the calendar'],
    ['expires: soon', 'zones', 'tokens[0].expires: must be a date such as 2030-01-31'],
    ['zones: [ a.test ]', 'read', 'tokens[0].zones: is for the role zones only'],
    ['zones: []', 'zones', 'tokens[0].zones: must have at least 1 item'],
    ['zones: [ "a b" ]', 'zones', 'tokens[0].zones[0]: must be the name of a zone'],
    ['expire: 2030-01-31', 'zones', 'tokens[0].expire: unknown key; did you mean expires?'],
  ])('%s for the role %s is a mistake', (more, role, message) => {
    const result = parse(more, role);
    const problems = 'problems' in result ? result.problems.map(formatProblem) : [];
    expect(problems.join('\n')).toContain(message);
    expect(problems[0]).toMatch(/^t\.yaml:2:\d+: /);
  });

  it("is nobody's from its end on", () => {
    const tokens = [{ name: 'a', role: 'read' as const, digest: hashToken('secret'), expiresMs: 1000 }];
    expect(findToken(tokens, 'secret', 999)).toMatchObject({ name: 'a' });
    expect(findToken(tokens, 'secret', 1000)).toBeNull();
  });
});
