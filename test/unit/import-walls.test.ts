import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/** Room → rooms it may import beside itself, and whether node: and packages are allowed. */
const WALLS: Record<string, { rooms: readonly string[]; node: boolean; packages: boolean }> = {
  core: { rooms: [], node: false, packages: false },
  io: { rooms: [], node: true, packages: true },
  dataplane: { rooms: ['core', 'io'], node: true, packages: true },
  report: { rooms: ['core'], node: false, packages: false },
  proxy: { rooms: ['core', 'io', 'report'], node: true, packages: true },
  probe: { rooms: ['core', 'io'], node: true, packages: true },
  sources: { rooms: ['core', 'io'], node: true, packages: true },
  store: { rooms: ['core', 'io'], node: true, packages: true },
  metrics: { rooms: ['core'], node: false, packages: true },
  control: { rooms: ['core', 'sources', 'store', 'probe'], node: true, packages: true },
  api: { rooms: ['core', 'sources', 'control', 'metrics'], node: true, packages: true },
  dashboard: { rooms: [], node: false, packages: true },
  cli: { rooms: ['core', 'sources'], node: true, packages: true },
  compose: {
    rooms: [
      'core',
      'io',
      'dataplane',
      'report',
      'proxy',
      'probe',
      'sources',
      'store',
      'metrics',
      'control',
      'api',
      'cli',
    ],
    node: true,
    packages: true,
  },
  'main.ts': { rooms: ['compose'], node: true, packages: true },
};

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g;

function files(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}

function roomOf(file: string): string {
  return relative(SRC, file).split(sep)[0] ?? '';
}

function offences(file: string, text: string): string[] {
  const room = roomOf(file);
  const wall = WALLS[room];
  if (!wall) return [`${relative(SRC, file)}: no wall is written down for room "${room}"`];
  const found: string[] = [];
  for (const match of text.matchAll(IMPORT)) {
    const target = match[1] ?? match[2] ?? '';
    if (target.startsWith('.')) {
      const to = roomOf(resolve(file, '..', target));
      if (to !== room && !wall.rooms.includes(to)) {
        found.push(`${relative(SRC, file)} imports ${target}: ${room} may not import ${to}`);
      }
    } else if (target.startsWith('node:') ? !wall.node : !wall.packages) {
      found.push(`${relative(SRC, file)} imports ${target}: ${room} may not`);
    }
  }
  return found;
}

describe('import walls', () => {
  it('hold in every file of src', () => {
    expect(files(SRC).flatMap((file) => offences(file, readFileSync(file, 'utf8')))).toEqual([]);
  });

  it('name the offender', () => {
    const file = join(SRC, 'core/zone/model.ts');
    expect(offences(file, "import { readFileSync } from 'node:fs';")).toEqual([
      'core/zone/model.ts imports node:fs: core may not',
    ]);
    expect(offences(file, "import { x } from '../../io/udp.js';")).toEqual([
      'core/zone/model.ts imports ../../io/udp.js: core may not import io',
    ]);
  });

  it('keep clock, randomness and process out of core', () => {
    const banned = /\b(Date\.now|new Date\(|Math\.random|performance\.|process\.|setTimeout|setInterval)\b/;
    const offenders = files(join(SRC, 'core')).filter((file) => banned.test(readFileSync(file, 'utf8')));
    expect(offenders.map((file) => relative(SRC, file))).toEqual([]);
  });
});
