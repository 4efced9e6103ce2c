import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../../src/compose/program.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { loadServerConfig } from '../../../src/sources/server-config.js';
import { ROLES } from '../../../src/sources/token-file.js';
import { formatProblem, type Problem } from '../../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../../src/sources/zone-file.js';
import { allPages, type Block, blocksOf, page } from './pages.js';

/** Pages whose examples have tests of their own. */
const TESTED_ELSEWHERE = ['docs/zone-files.md', 'docs/configuration.md', 'docs/proxy.md'];
const OPTIONS = { environment: {}, cores: 1, cwd: '/' };

function problemsOf({ text }: Block): readonly Problem[] {
  const loaded = load(text);
  return 'problems' in loaded ? loaded.problems : [];
}

/** A whole file says what it is: by its name in the first line, or by the key `zone`. */
function load(text: string) {
  if (text.startsWith('# meridian.yaml')) return loadServerConfig('meridian.yaml', text, OPTIONS);
  if (text.startsWith('# proxy.yaml')) return loadProxyConfig('proxy.yaml', text, OPTIONS);
  return loadZoneFile('example.com.yaml', text);
}

const isFragment = (text: string) => /^geo: /.test(text);

describe('examples of configuration', () => {
  const examples = allPages()
    .filter(({ path }) => !TESTED_ELSEWHERE.includes(path))
    .flatMap(blocksOf)
    .filter(({ language, text }) => language === 'yaml' && !isFragment(text));

  it('stand in README.md: a zone, a server, a proxy', () => {
    expect(examples.filter(({ page: path }) => path === 'README.md')).toHaveLength(3);
  });

  it.each(examples.map((block) => [`${block.page}:${block.line}`, block] as const))(
    '%s loads',
    (_, block) => {
      expect(problemsOf(block).map(formatProblem)).toEqual([]);
    },
  );
});

/** `meridian …` as it is written in blocks of shell and in code spans. */
function commandLines(): readonly (readonly [place: string, line: string])[] {
  return allPages().flatMap((from) => {
    const blocks = blocksOf(from).filter(({ language }) => language === 'console' || language === 'sh');
    const shell = blocks.flatMap(({ text }) => text.split('\n')).filter((line) => !line.startsWith('#'));
    const spans = [...from.text.matchAll(/`((?:npx )?meridian [^`\n]+)`/g)].map(([, span]) => span!);
    return [...shell, ...spans]
      .map((line) => /^(?:\$ )?(?:npx )?(meridian [^#|;&]+|node dist\/main\.js [^#|;&]+)/.exec(line)?.[1])
      .filter((line) => line !== undefined)
      .map((line) => [from.path, line.trim()] as const);
  });
}

/** What is wrong with a command line: a command or an option that does not exist. */
function commandProblems(line: string): readonly string[] {
  const words = line.replace(/^(meridian|node dist\/main\.js) /, '').split(/\s+/);
  const problems: string[] = [];
  // What stands behind an option may be its value.
  let seenOption = false;
  let command: Command = buildProgram(() => {});
  for (const word of words) {
    if (word.startsWith('-')) {
      seenOption = true;
      const flag = word.split('=')[0]!;
      const known =
        flag === '--help' || command.options.some(({ short, long }) => flag === short || flag === long);
      if (!known) problems.push(`${flag} is no option of ${command.name()}`);
    } else if (command.commands.length > 0 && !seenOption && !/^[<[(…]/.test(word)) {
      const next = command.commands.find((sub) => sub.name() === word);
      if (!next) return [...problems, `there is no command ${word}`];
      command = next;
    }
  }
  return problems;
}

describe('commands that documents show', () => {
  it('are many', () => {
    expect(commandLines().length).toBeGreaterThan(15);
  });

  it('exist, with their options', () => {
    const wrong = commandLines().flatMap(([place, line]) =>
      commandProblems(line).map((problem) => `${place}: ${line}: ${problem}`),
    );
    expect(wrong).toEqual([]);
  });

  it.each([
    ['meridian rewind 3', 'there is no command rewind'],
    ['meridian status --loud', '--loud is no option of status'],
    ['meridian geo lookup 192.0.2.1 --city', '--city is no option of lookup'],
  ])('%s is found out', (line, problem) => {
    expect(commandProblems(line)).toEqual([problem]);
  });
});

describe('docs/api.md', () => {
  it('names only roles that exist', () => {
    const rows = page('docs/api.md').text.matchAll(/^\| `[A-Z]+ [^|]*\| `?(\w+)`? ?[^|]*\|/gm);
    const roles = [...rows].map(([, role]) => role!);
    expect(roles.length).toBeGreaterThan(10);
    expect(roles.filter((role) => role !== 'none' && !(ROLES as readonly string[]).includes(role))).toEqual(
      [],
    );
  });
});
