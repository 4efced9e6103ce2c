import { describe, expect, it } from 'vitest';
import { PROBLEM_KINDS } from '../../../src/api/problem-codes.js';
import { nextStep } from '../../../src/cli/next-step.js';
import { buildProgram } from '../../../src/compose/program.js';

const PATHS = [
  ['/v1/zones/a.test', 'meridian zone list'],
  ['/v1/zones/a.test/records/www/A', 'meridian record list'],
  ['/v1/tokens/ci', 'meridian token list'],
  ['/v1/revisions/9/rollback', 'meridian history'],
  ['/v1/plans/p1/apply', 'meridian plan'],
  ['/v1/acme/accounts/x', 'meridian acme list'],
] as const;

/** `zone list` of each text in backticks that is a command. */
function commandsIn(text: string): readonly string[] {
  return [...text.matchAll(/`meridian ([a-z ]+)/g)].map(([, words = '']) => words.trim());
}

describe('what to do next', () => {
  it.each(PATHS)('where %s is not found it is %s', (path, command) => {
    expect(nextStep('not_found', path)).toContain(`\`${command}`);
  });

  it('names commands that there are', () => {
    const program = buildProgram(() => {});
    const known = program.commands.flatMap((command) => [
      command.name(),
      ...command.commands.map((below) => `${command.name()} ${below.name()}`),
    ]);
    const steps = [
      ...Object.keys(PROBLEM_KINDS).map((code) => nextStep(code, '/')),
      ...PATHS.map(([path]) => nextStep('not_found', path)),
    ];
    const named = steps.flatMap((step) => commandsIn(step ?? ''));
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((command) => !known.includes(command))).toEqual([]);
  });

  it('is nothing where nobody knows', () => {
    expect(nextStep(undefined, '/')).toBeUndefined();
    expect(nextStep('not_found', '/elsewhere')).toBeUndefined();
  });
});
