import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RuleLines } from '../../../src/control/rule-lines.js';
import { versionOf } from '../../../src/sources/zone-folder.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rules-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function lineOf(text: string, record: string, rule: number, type = 'A'): Promise<number | undefined> {
  const file = join(folder, 'zone.yaml');
  await writeFile(file, text);
  const place = { file, version: versionOf(text), origin: 'example.com.', record, type, rule };
  return new RuleLines().find(place);
}

const HEAD = 'zone: example.com\n# before\nrecords:\n';
const FILLER = Array.from({ length: 2000 }, (_, i) => `  f${i}: { type: A, value: 192.0.2.1 }\n`).join('');
const RULES = 'dynamic:\n      rules:\n      - { geos: [EU], pool: eu }\n      - pool: us\n';

describe('RuleLines', () => {
  it.each([
    [
      'a record below others',
      `${HEAD}${FILLER}  www:\n    type: A\n    ${RULES}  z: { type: A, value: 192.0.2.1 }\n`,
      'www.example.com.',
      2009,
    ],
    ['the apex', `${HEAD}  '':\n    type: A\n    ${RULES}`, 'example.com.', 9],
    [
      'a list',
      `${HEAD}${FILLER}  www:\n  - type: TXT\n    value: x\n  - type: A\n    ${RULES}  z: {}\n`,
      'www.example.com.',
      2011,
    ],
    ['a comment between', `${HEAD}  www:\n# www: here\n    type: A\n    ${RULES}`, 'www.example.com.', 10],
    [
      'a small file in flow style',
      `zone: example.com\nrecords: { www: { type: A, dynamic: { rules: [ { pool: us },\n  { pool: eu } ] } } }\n`,
      'www.example.com.',
      3,
    ],
    [
      'an anchor elsewhere',
      `pools: &p { eu: 1 }\n${HEAD}  www:\n    type: A\n    x: *p\n    ${RULES}`,
      'www.example.com.',
      11,
    ],
  ])('finds the line of a rule: %s', async (_, text, record, line) => {
    expect(await lineOf(text, record, 1)).toBe(line);
  });

  it.each([
    ['no such record', `${HEAD}  www:\n    type: A\n    ${RULES}`, 'mail.example.com.'],
    ['no such rule', `${HEAD}  www: { type: A, value: 192.0.2.1 }\n`, 'www.example.com.'],
    ['a key below another record', `${HEAD}  a:\n    www:\n      type: A\n`, 'www.example.com.'],
  ])('finds nothing for %s', async (_, text, record) => {
    expect(await lineOf(text, record, 1)).toBeUndefined();
  });
});
