import { describe, expect, it } from 'vitest';
import { NO_KEY } from '../../../../src/core/balance/hash.js';
import { createPoolPicker } from '../../../../src/core/balance/layered.js';
import { type Arrangement, arrange, type Member } from '../../../../src/core/balance/layers.js';
import type { PanicModel } from '../../../../src/core/balance/model.js';
import { SLOW_START_STEPS } from '../../../../src/core/balance/slow-start.js';
import { exclude, newContext, sharesOf } from '../../../support/pick-context.js';

const OPEN: PanicModel = { threshold: 0.5, mode: 'open' };
const SECURE: PanicModel = { threshold: 0.5, mode: 'secure' };

/** `u` up, `d` down, `x` draining, `b` a backup that is up, `z` up with weight 0; one word for each priority. */
function pool(text: string, panic: PanicModel | null = null): Arrangement {
  const members = text.split(' ').flatMap((word, priority) =>
    [...word].map((letter) => ({
      weight: letter === 'z' ? 0 : 1,
      steps: SLOW_START_STEPS,
      priority,
      backup: letter === 'b',
      healthy: letter !== 'd',
      draining: letter === 'x',
    })),
  );
  const numbered = members.map((one, index): Member => ({ ...one, index, identity: index }));
  return arrange(numbered, { overprovisioning: 1.4, panic });
}

/** `0,1: 60%` for each layer, then the spare ones. */
function described({ layers, spare, panic }: Arrangement): string {
  const parts = layers.map(
    ({ candidates, load }) =>
      `${candidates.map(({ index }) => index).join(',') || 'nobody'}: ${Math.round(load * 100)}%`,
  );
  const rest = spare.map(({ index }) => index).join(',');
  return [...parts, ...(rest === '' ? [] : [`spare ${rest}`]), ...(panic ? ['panic'] : [])].join('; ');
}

describe('arrange()', () => {
  it.each<[string, string, PanicModel | null, string]>([
    ['all are up', 'uuu', null, '0,1,2: 100%'],
    ['one is down', 'udu', null, '0,2: 100%'],
    ['one drains', 'uxu', null, '0,2: 100%'],
    ['nobody is up', 'dd', null, ''],
    ['the first priority can carry all', 'uuuud uu', null, '0,1,2,3: 100%; 5,6: 0%'],
    ['the first priority overflows', 'uudd uu', null, '0,1: 70%; 4,5: 30%'],
    ['the first priority is gone', 'dd uu', null, '2,3: 100%'],
    ['no priority is whole', 'uddd uddd', null, '0: 50%; 4: 50%'],
    ['a backup stands by', 'ub', null, '0: 100%; spare 1'],
    ['only the backup is up', 'db', null, '1: 100%'],
    ['weight 0 beside others', 'uz', null, '0: 100%'],
    ['weight 0 alone', 'dz', null, '1: 100%'],
    ['half is healthy: no panic', 'uudd', OPEN, '0,1: 100%'],
    ['less than half is healthy', 'uddd', OPEN, '0,1,2,3: 100%; panic'],
    ['nobody is healthy, open', 'dddx', OPEN, '0,1,2: 100%; panic'],
    ['less than half is healthy, secure', 'uddd', SECURE, 'nobody: 100%; panic'],
    ['nobody is healthy, secure', 'ddd', SECURE, 'panic'],
    ['a backup is better than panic', 'udddb', OPEN, '0: 100%; spare 4'],
    ['the next priority is better than panic', 'uddd uuuu', OPEN, '0: 35%; 4,5,6,7: 65%'],
    ['all drain', 'xx', OPEN, ''],
  ])('%s', (_, text, panic, expected) => {
    expect(described(pool(text, panic))).toBe(expected);
  });

  it('multiplies weights while somebody starts slowly', () => {
    const common = { priority: 0, backup: false, healthy: true, draining: false };
    const members = [
      { ...common, index: 0, identity: 0, weight: 3, steps: SLOW_START_STEPS },
      { ...common, index: 1, identity: 1, weight: 3, steps: 2 },
    ];
    const { layers } = arrange(members, { overprovisioning: 1.4, panic: null });
    expect(layers[0]!.candidates).toMatchObject([
      { weight: 60, share: 1 },
      { weight: 6, share: 0.1 },
    ]);
  });
});

describe('createPoolPicker()', () => {
  const shares = (text: string, balance: 'round_robin' | 'ip_hash', panic: PanicModel | null = null) =>
    sharesOf(createPoolPicker({ balance }, pool(text, panic)), newContext(), {
      picks: 1_000,
      ...(balance === 'ip_hash' ? {} : { key: () => NO_KEY }),
    });

  it('gives each priority its part, exactly and evenly, by turns', () => {
    expect(Object.fromEntries(shares('uudd uu', 'round_robin'))).toEqual({ 0: 350, 1: 350, 4: 150, 5: 150 });
  });

  it('gives each priority about its part by key', () => {
    const counts = shares('uudd uu', 'ip_hash');
    expect((counts.get(0)! + counts.get(1)!) / 1_000).toBeCloseTo(0.7, 1);
  });

  it('refuses the part of a priority in panic', () => {
    expect(Object.fromEntries(shares('uddd', 'round_robin', SECURE))).toEqual({ '-1': 1_000 });
  });

  it('refuses it although another priority could take it', () => {
    const counts = shares('uddddddddd uuuuuudddd', 'round_robin', SECURE);
    expect(counts.get(-1)).toBe(140);
    expect(counts.size).toBe(7);
  });

  it('goes on to other priorities and then to the spare ones when all of one are tried', () => {
    const picker = createPoolPicker({ balance: 'round_robin' }, pool('uudd uub'));
    const context = newContext();
    exclude(context, [0, 1]);
    const counts = sharesOf(picker, context, { picks: 100, key: () => NO_KEY });
    expect([...counts.keys()].toSorted()).toEqual([4, 5]);
    expect(Math.abs(counts.get(4)! - 50)).toBeLessThan(10);
    exclude(context, [0, 1, 4, 5]);
    expect([...sharesOf(picker, context, { picks: 10 }).keys()]).toEqual([6]);
  });
});
