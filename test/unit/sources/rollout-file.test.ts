import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { startRollout } from '../../../src/core/rollout/machine.js';
import { ANALYSIS_DEFAULT, type RolloutPlan } from '../../../src/core/rollout/plan.js';
import { readRolloutFile, writeRolloutFile } from '../../../src/sources/rollout-file.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';

afterAll(removeFolders);

const PLAN: RolloutPlan = {
  steps: [{ percent: 100, seconds: 1 }],
  analysis: ANALYSIS_DEFAULT,
  on_failure: 'rollback',
};

describe('the file of rollouts', () => {
  it('gives back what was kept, and nothing where there is none', async () => {
    const file = join(temporaryFolder(), 'rollouts.json');
    expect(await readRolloutFile(file)).toEqual({ rollouts: [] });
    const progress = startRollout(Date.parse('2026-05-01T12:00:00.5Z'), PLAN, 'ann', {
      error_rate: 0.1,
      p99_ms: 3,
    });
    const rollout = {
      route: 'shop',
      from: 'blue',
      to: 'green',
      by: 'ann',
      at: '2026-05-01T12:00:00.500Z',
      ...PLAN,
      ...progress,
    };
    await writeRolloutFile(file, [rollout]);
    expect(await readRolloutFile(file)).toEqual({ rollouts: [rollout] });
  });

  it.each([
    ['no JSON', 'x'],
    ['another shape', '[]'],
    ['a rollout that is none', '{"rollouts":[{}]}'],
    ['more than there is', '{"rollouts":[],"x":1}'],
  ])('says what is wrong with %s', async (_, text) => {
    const file = join(temporaryFolder(), 'rollouts.json');
    writeFileSync(file, text);
    expect(await readRolloutFile(file)).toHaveProperty('mistake', expect.stringContaining(file));
  });
});
