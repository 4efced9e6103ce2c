import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allPages, type Page, page, proseOf, ROOT } from './pages.js';

/** The anchor that a heading gets on the usual Git hosts. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function anchorsOf(target: Page): ReadonlySet<string> {
  return new Set([...proseOf(target).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading]) => anchorOf(heading!)));
}

/** What is wrong with the links of a page. Other hosts are not asked. */
function brokenLinks(from: Page): string[] {
  return [...proseOf(from).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
    if (/^[a-z]+:/.test(link!)) return [];
    const [file = '', anchor] = link!.split('#');
    const path = file === '' ? from.path : relative(ROOT, join(ROOT, dirname(from.path), file));
    if (path.startsWith('..') || !existsSync(join(ROOT, path)))
      return [`${from.path}: ${link}: no such file`];
    if (anchor === undefined || !statSync(join(ROOT, path)).isFile()) return [];
    return anchorsOf(page(path)).has(anchor) ? [] : [`${from.path}: ${link}: no such heading`];
  });
}

describe('links between documents', () => {
  it('lead to files and headings that exist', () => {
    expect(allPages().flatMap(brokenLinks)).toEqual([]);
  });

  it.each(['[x](docs/nothing.md)', '[x](docs/api.md#nothing)', '[x](../outside.md)'])(
    '%s is found out',
    (text) => {
      expect(brokenLinks({ path: 'README.md', text })).toHaveLength(1);
    },
  );
});

describe('paths that documents name', () => {
  it('exist', () => {
    const missing = allPages().flatMap((from) =>
      [...proseOf(from).matchAll(/`((?:src|test|scripts|zones|schema)\/[\w./-]+)`/g)]
        .map(([, path]) => path!)
        .filter((path) => path !== 'zones/gslb.example.com.yaml' && !existsSync(join(ROOT, path)))
        .map((path) => `${from.path}: ${path}`),
    );
    expect(missing).toEqual([]);
  });
});

describe('decisions', () => {
  const decisions = allPages().filter(({ path }) => /^docs.decisions.\d/.test(path));

  it('are numbered without a gap and have one form', () => {
    expect(
      decisions.map(({ path }) => path.slice('docs/decisions/'.length, 'docs/decisions/'.length + 4)),
    ).toEqual(decisions.map((_, i) => String(i + 1).padStart(4, '0')));
    for (const { path, text } of decisions) {
      expect(text, path).toMatch(new RegExp(`^# ${path.slice(15, 19)}: `));
      for (const part of ['Context', 'Decision', 'Rejected', 'Consequences']) {
        expect(text, path).toContain(`**${part}.**`);
      }
    }
  });

  it('are all in their list', () => {
    const text = readFileSync(join(ROOT, 'docs/decisions/README.md'), 'utf8');
    const names = decisions.map(({ path }) => path.slice('docs/decisions/'.length));
    expect(names.filter((name) => !text.includes(`](${name})`))).toEqual([]);
  });
});
