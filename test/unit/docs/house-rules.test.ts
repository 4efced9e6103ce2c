import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allPages, page, ROOT, tableRows } from './pages.js';

const LINES_MAX = 200;

function sources(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

const CODE = [...sources('src'), ...sources('test'), ...sources('scripts')].map((path) => page(path));

/** A TODO without the condition on which it is to be done. */
function bareTodos(text: string): readonly string[] {
  return [...text.matchAll(/(?:\/\/|\*|#).*?\b(?:TODO|FIXME|XXX)\b(?!\(\w[^)]+\): \S).*/g)].map(
    ([line]) => line,
  );
}

/** A file that only passes on what others export. */
function isBarrel(text: string): boolean {
  const statements = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').match(/^(?:import|export)\b.*/gm) ?? [];
  const passedOn = [...text.matchAll(/^export (?:type )?(?:\*|\{[^}]*\})[^;]* from /gm)];
  return passedOn.length > 0 && passedOn.length === statements.length;
}

describe('ARCHITECTURE.md', () => {
  it.each(['README.md', 'ARCHITECTURE.md'])('%s stays under 200 lines', (path) => {
    expect(page(path).text.split('\n').length).toBeLessThan(LINES_MAX);
  });

  it('lists the rooms that src has, and no other', () => {
    const rooms = tableRows(page('ARCHITECTURE.md'), '## Rooms').map(([room]) => room!.replaceAll('`', ''));
    const found = new Set(sources('src').map((path) => path.split('/')[1]!));
    expect(rooms.toSorted()).toEqual([...found].toSorted());
  });

  it('gives each room the walls that the test of imports keeps', () => {
    const walls = readFileSync(join(ROOT, 'test/unit/import-walls.test.ts'), 'utf8');
    for (const [name, , allowed] of tableRows(page('ARCHITECTURE.md'), '## Rooms')) {
      const room = name!.replaceAll('`', '');
      const rule = new RegExp(
        `^ {2}'?${room.replace('.', '\\.')}'?: \\{\\s*rooms: \\[([^\\]]*)\\]`,
        'm',
      ).exec(walls);
      expect(rule, room).not.toBeNull();
      const rooms = [...rule![1]!.matchAll(/'(\w+)'/g)].map(([, other]) => other);
      // Rooms that do not exist yet have walls, but no row.
      const named = allowed!
        .split(', ')
        .filter((word) => !['node', 'packages', 'nothing', 'all'].includes(word));
      const expected = rooms.filter((other) => other !== 'dashboard');
      if (allowed !== 'all') expect(named, room).toEqual(expected);
    }
  });

  it('names files that exist', () => {
    const text = page('ARCHITECTURE.md').text;
    const known = new Set(sources('src').map((path) => path.slice('src/'.length)));
    const named = [...text.matchAll(/`((?:\w+\/)+[\w-]+\.ts)`/g)].map(([, path]) => path!);
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((path) => !path.startsWith('test/') && !known.has(path))).toEqual([]);
  });
});

describe('functions that ARCHITECTURE.md names', () => {
  const text = page('ARCHITECTURE.md').text;

  it('exist', () => {
    const src = CODE.filter(({ path }) => path.startsWith('src/')).map((file) => file.text);
    const named = [...text.matchAll(/`(\w+)\(\)`/g)].map(([, name]) => name!);
    expect(named.length).toBeGreaterThan(5);
    const declared = (name: string) => src.some((code) => new RegExp(`function ${name}\\(`).test(code));
    expect(named.filter((name) => !declared(name))).toEqual([]);
  });
});

describe('house rules', () => {
  it('a TODO names its condition', () => {
    const found = CODE.flatMap(({ path, text }) => bareTodos(text).map((line) => `${path}: ${line.trim()}`));
    expect(found.filter((line) => !line.startsWith('test/unit/docs/house-rules.test.ts'))).toEqual([]);
    expect(bareTodos('// TODO later')).toHaveLength(1);
    expect(bareTodos('// TODO(when Node 20 is gone): use 22')).toHaveLength(0);
  });

  it('no file only passes on what others export', () => {
    expect(CODE.filter(({ text }) => isBarrel(text)).map(({ path }) => path)).toEqual([]);
    expect(isBarrel("export * from './a.js';\nexport { b } from './b.js';\n")).toBe(true);
    expect(isBarrel("export { b } from './b.js';\nexport const c = 1;\n")).toBe(false);
  });

  it('no file is called index or utils, and all names are in kebab case', () => {
    const odd = CODE.map(({ path }) => path).filter(
      (path) => /(^|\/)(index|utils?|helpers?)\./.test(path) || /[A-Z_]/.test(path),
    );
    expect(odd).toEqual([]);
  });

  it('no default exports in src', () => {
    const found = CODE.filter(({ path, text }) => path.startsWith('src/') && /^export default\b/m.test(text));
    expect(found.map(({ path }) => path)).toEqual([]);
  });

  it('no check of compiler or linter is switched off', () => {
    const off = /@ts-(?:ignore|nocheck|expect-error)|biome-ignore|eslint-disable/;
    const found = CODE.filter(({ path, text }) => off.test(text) && !path.startsWith('test/unit/docs/'));
    expect(found.map(({ path }) => path)).toEqual([]);
  });

  it('no document or source names a folder of one machine', () => {
    const machine = /(?<![\w.:/-])\/(?:home|Users|root|tmp)\/\w/;
    const found = [...allPages(), ...CODE].filter(
      ({ path, text }) => machine.test(text) && !path.startsWith('test/'),
    );
    expect(found.map(({ path }) => path)).toEqual([]);
  });
});
