import { describe, expect, it } from 'vitest';
import { warmDesk, warmLoader } from '../../../src/control/warm-up.js';
import { type Candidate, DirectDesk } from '../../../src/control/zone-desk.js';

describe('warmDesk()', () => {
  it('makes changes that are right, again and again', async () => {
    const desk = new DirectDesk();
    const checked: unknown[] = [];
    await warmDesk({
      edit: (...args) => desk.edit(...args),
      check: async (candidates: readonly Candidate[]) => {
        const result = await desk.check(candidates);
        checked.push(result.problems.length, result.zones.flatMap(({ changes }) => changes).length);
        return result;
      },
    });
    expect(checked).toEqual(Array.from({ length: 20 }, () => [0, 1]).flat());
  });
});

describe('warmLoader()', () => {
  it('compiles a zone without a mistake', async () => {
    await expect(warmLoader()).resolves.toBeUndefined();
  });
});
