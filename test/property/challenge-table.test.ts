import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addChallengeName,
  CHALLENGE,
  createChallengeTable,
  findChallenges,
  foundChallenges,
  removeChallengeName,
  setChallengeValues,
} from '../../src/core/answer/challenge-table.js';
import { hashName } from '../../src/core/answer/name-table.js';
import { wireOf } from '../support/packet.js';

const name = fc
  .array(fc.constantFrom('a', 'b', 'cc', 'ddddd', '_acme-challenge'), { minLength: 1, maxLength: 3 })
  .map((labels) => [...labels, 'test'].join('.'));

type Step =
  | { readonly do: 'add' | 'remove'; readonly name: string }
  | { readonly do: 'set'; readonly name: string; readonly letters: readonly string[] };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('add' as const, 'remove' as const), name }),
  fc.record({
    do: fc.constant('set' as const),
    name,
    letters: fc.array(fc.constantFrom('x', 'Y', '_'), { maxLength: 2 }),
  }),
);

function look(table: Int32Array, text: string): readonly string[] | string {
  const wire = wireOf(text);
  const view = new DataView(new ArrayBuffer(wire.length + 4));
  for (const [i, byte] of wire.entries()) view.setUint8(i, byte);
  const count = findChallenges(table, view, wire.length, hashName(view, 0, wire.length), 5);
  if (count === CHALLENGE.NONE) return 'none';
  if (count === CHALLENGE.ABOVE) return 'above';
  return Array.from({ length: count }, (_, i) => {
    const words = [...foundChallenges.slice(11 * i, 11 * i + 11)];
    const bytes = words.flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff));
    return String.fromCharCode(...bytes);
  });
}

describe('the table of challenges', () => {
  it('holds what a map of names would, through any changes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = createChallengeTable(64);
        const model = new Map<string, readonly string[]>();
        const asked = new Set<string>(['zzz.test', 'test']);
        for (const one of steps) {
          asked.add(one.name);
          if (one.do === 'add' && !model.has(one.name)) {
            expect(addChallengeName(table, wireOf(one.name))).toBe(true);
            model.set(one.name, []);
          } else if (one.do === 'remove' && model.has(one.name)) {
            removeChallengeName(table, wireOf(one.name));
            model.delete(one.name);
          } else if (one.do === 'set' && model.has(one.name)) {
            const values = one.letters.map((letter) => ({ text: letter.repeat(43), expires: 6 }));
            setChallengeValues(table, wireOf(one.name), values);
            model.set(one.name, one.letters);
          }
        }
        for (const text of asked) {
          const above = [...model.keys()].some((key) => key.endsWith(`.${text}`));
          const expected = model.get(text)?.map((letter) => `+${letter.repeat(43)}`);
          expect(look(table, text)).toEqual(expected ?? (above ? 'above' : 'none'));
        }
      }),
    );
  });

  it('refuses names beyond half of its entries, and takes others after some went', () => {
    const table = createChallengeTable(1);
    const names = Array.from({ length: 64 }, (_, i) => `n${i}.test`);
    const added = names.filter((one) => addChallengeName(table, wireOf(one)));
    // One entry is for test. itself.
    expect(added).toHaveLength(31);
    removeChallengeName(table, wireOf('n0.test'));
    expect(addChallengeName(table, wireOf('n63.test'))).toBe(true);
    expect(look(table, 'n63.test')).toEqual([]);
    expect(look(table, 'n40.test')).toBe('none');
  });
});
