import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';

const ROOT = join(import.meta.dirname, '../..');

/** Blocks of the page that are a whole zone; "octodns=<file>" names a file of octoDNS. */
function examples(): readonly [file: string, text: string][] {
  const page = readFileSync(join(ROOT, 'docs/zone-files.md'), 'utf8');
  return [...page.matchAll(/```yaml(?: octodns=(\S+))?\n([\s\S]*?)```/g)].map((match, i) => [
    match[1] ?? `example-${i + 1}.yaml`,
    match[2]!,
  ]);
}

function problemsOf(file: string, text: string): readonly string[] {
  const result = loadZoneFile(file, text);
  return 'problems' in result ? result.problems.map(formatProblem) : [];
}

describe('zones that people read first are valid', () => {
  it('docs/zone-files.md has examples', () => {
    expect(examples().length).toBeGreaterThanOrEqual(3);
  });

  it.each(examples())('docs/zone-files.md: %s', (file, text) => {
    expect(problemsOf(file, text)).toEqual([]);
  });

  const files = readdirSync(join(ROOT, 'zones'), { recursive: true, encoding: 'utf8' });
  it.each(files.filter((name) => name.endsWith('.yaml')))('zones/%s', (name) => {
    expect(problemsOf(name, readFileSync(join(ROOT, 'zones', name), 'utf8'))).toEqual([]);
  });
});
