import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/cli/exit.js';
import { buildProgram } from '../../../src/compose/program.js';
import { page, tableRows } from './pages.js';

const CLI = page('docs/cli.md');

/** Every command that does something, by its full name: not those that only have others below. */
function commands(command: Command, prefix = ''): readonly (readonly [name: string, command: Command])[] {
  const name = `${prefix}${command.name()}`;
  const below = command.commands.flatMap((sub) => commands(sub, `${name} `));
  const isGroup = command.commands.length > 0 && command.options.length === 0;
  return isGroup ? below : [[name, command], ...below];
}

const ALL = commands(buildProgram(() => {}));

describe('docs/cli.md', () => {
  it('has a section for each command, and no other', () => {
    const sections = [...CLI.text.matchAll(/^## (meridian.*)$/gm)].map(([, name]) => name!);
    expect(sections.toSorted()).toEqual(ALL.map(([name]) => name).toSorted());
  });

  it.each(ALL)('%s: lists its options as the program has them', (name, command) => {
    const rows = tableRows(CLI, `## ${name}`).map(([flags]) => flags!.replaceAll('`', ''));
    const help = name === 'meridian' ? ['-h, --help'] : [];
    expect(rows.toSorted()).toEqual([...command.options.map(({ flags }) => flags), ...help].toSorted());
  });

  it.each(ALL)('%s: has the defaults of the program', (name, command) => {
    const rows = new Map(
      tableRows(CLI, `## ${name}`).map(([flags, value]) => [flags!.replaceAll('`', ''), value!]),
    );
    for (const { flags, defaultValue, long } of command.options) {
      // A path of this machine; and the address may come from the environment.
      if (defaultValue === undefined || long === '--zones' || long === '--api') continue;
      expect(rows.get(flags)?.replaceAll('`', ''), flags).toBe(String(defaultValue));
    }
  });

  it.each(ALL.filter(([, command]) => command.registeredArguments.length > 0))(
    '%s: shows its arguments',
    (name, command) => {
      expect(CLI.text).toContain(
        `\`${name} ${command.usage().replace(/\[options\] (?:\[command\] )?/, '')}\``,
      );
    },
  );

  it('lists the exit codes', () => {
    const rows = CLI.text.matchAll(/^\| (\d) \|/gm);
    expect([...rows].map(([, code]) => Number(code))).toEqual(Object.values(EXIT));
  });
});
