import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';

const FOLDER = join(import.meta.dirname, 'zone-problems');

describe('every mistake of a zone file is reported at once', () => {
  it.each(readdirSync(FOLDER).filter((name) => name.endsWith('.yaml')))('%s', async (name) => {
    const result = loadZoneFile(name, readFileSync(join(FOLDER, name), 'utf8'));
    const problems = 'problems' in result ? result.problems : [];
    expect(problems.length).toBeGreaterThan(0);
    const expected = join(FOLDER, `${name.slice(0, -'.yaml'.length)}.expected.txt`);
    await expect(`${problems.map(formatProblem).join('\n')}\n`).toMatchFileSnapshot(expected);
  });
});
