import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../../src/compose/program.js';

function leavesOf(command: Command, path: string): readonly { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path, command }];
  return command.commands.flatMap((below) => leavesOf(below, `${path} ${below.name()}`.trim()));
}

const LEAVES = leavesOf(
  buildProgram(() => {}),
  '',
);

/** One letter for two words, where both mean the same. */
const PAIRS: Readonly<Record<string, readonly string[]>> = { '-m': ['--message', '--reason'] };

function flagsOf(command: Command): readonly string[] {
  return command.options.map(({ long }) => long ?? '');
}

describe('every command', () => {
  it('uses a letter for one option', () => {
    const longs = new Map<string, Set<string>>();
    for (const { command } of LEAVES) {
      for (const { short, long } of command.options) {
        if (!short || !long) continue;
        longs.set(short, (longs.get(short) ?? new Set()).add(long));
      }
    }
    const twice = [...longs].filter(([short, names]) => {
      const allowed = PAIRS[short] ?? [];
      return names.size > 1 && [...names].some((name) => !allowed.includes(name));
    });
    expect(twice.map(([short, names]) => `${short}: ${[...names].join(' ')}`)).toEqual([]);
  });

  it('gives an option one letter, or none', () => {
    const shorts = new Map<string, Set<string>>();
    for (const { command } of LEAVES) {
      for (const { short, long } of command.options) {
        shorts.set(long ?? '', (shorts.get(long ?? '') ?? new Set()).add(short ?? ''));
      }
    }
    const mixed = [...shorts].filter(([, letters]) => letters.size > 1);
    expect(mixed.map(([long]) => long)).toEqual([]);
  });

  it('that asks a server prints JSON where asked to', () => {
    const asking = LEAVES.filter(({ command }) => flagsOf(command).includes('--api'));
    expect(asking.length).toBeGreaterThan(20);
    expect(asking.filter(({ command }) => !flagsOf(command).includes('--json'))).toEqual([]);
  });

  it.each(LEAVES.filter(({ path }) => / list$|(^| )(status|steering|history|explain)$/.test(path)))(
    '$path can be watched',
    ({ command }) => expect(flagsOf(command)).toContain('--watch'),
  );

  it('that changes something after a question can go without it', () => {
    const asking = ['apply', 'rollback', 'zone delete'];
    const found = LEAVES.filter(({ command }) => flagsOf(command).includes('--yes')).map(({ path }) => path);
    expect(found.toSorted()).toEqual(asking.toSorted());
  });
});
