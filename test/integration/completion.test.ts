import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { meridian } from '../support/process.js';

afterAll(removeFolders);

const has = (shell: string): boolean => spawnSync(shell, ['--version'], { stdio: 'ignore' }).status === 0;

async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await meridian(['completion', shell]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const file = join(temporaryFolder(), `meridian.${shell}`);
  writeFileSync(file, stdout);
  return file;
}

/** Asks bash for the words that it would offer behind `meridian` and what was typed. */
const COMPLETE = [
  'source "$1"; shift',
  'COMP_WORDS=(meridian "$@"); COMP_CWORD=$#',
  '_meridian',
  'for word in "$' + '{COMPREPLY[@]}"; do echo "$word"; done',
].join('\n');

describe('meridian completion', () => {
  it.each([
    { typed: ['che'], gives: ['check'] },
    { typed: ['check', '--js'], gives: ['--json'] },
    { typed: ['proxy', 'dr'], gives: ['drain'] },
    { typed: ['token', ''], gives: ['create', 'list', 'revoke', '--help'] },
    { typed: ['status', '--quiet', '--api', 'x', '--token-f'], gives: ['--token-file'] },
    { typed: ['nobody', 'che'], gives: ['check'] },
  ])('bash completes $typed to $gives', async ({ typed, gives }) => {
    const file = await script('bash');
    const completed = spawnSync('bash', ['-c', COMPLETE, '-', file, ...typed], { encoding: 'utf8' });
    expect(completed.stderr).toBe('');
    expect(completed.stdout.trim().split('\n')).toEqual(gives);
  });

  for (const shell of ['zsh', 'fish']) {
    it.skipIf(!has(shell))(`${shell} can read its script`, async () => {
      const { status, stderr } = spawnSync(shell, ['-n', await script(shell)], { encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    });
  }

  it('names the shells that it knows', async () => {
    const { code, stderr } = await meridian(['completion', 'tcsh']);
    expect(code).toBe(2);
    expect(stderr).toContain('bash, zsh, fish');
  });
});
