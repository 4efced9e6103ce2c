import { describe, expect, it } from 'vitest';
import { EMPTY_STEERING, type SteeringDocument } from '../../../../src/core/steering/document.js';
import { changedTargets, outlookAt } from '../../../../src/core/steering/outlook.js';

const NOTE = { by: 'ann', at: '2026-01-01T00:00:00.000Z' };
const NOW = Date.parse('2026-01-01T01:00:00Z');
const of = (parts: Partial<SteeringDocument>) => outlookAt({ ...EMPTY_STEERING, ...parts }, NOW);

describe('outlookAt()', () => {
  it('has dials where their ramps end, and nothing that has ended', () => {
    const held = of({
      forces: { 'a.test/eu': { state: 'down', until: '2026-01-01T00:30:00Z', ...NOTE } },
      dials: {
        'a.test/us': {
          percent: 10,
          ramp: { from: 100, start: '2026-01-01T01:00:00Z', seconds: 600 },
          ...NOTE,
        },
      },
    });
    expect([held.forces.size, held.dials.get('a.test/us')?.percent]).toEqual([0, 10]);
  });
});

describe('changedTargets()', () => {
  const force = (state: 'up' | 'down', by = 'ann') => ({ state, ...NOTE, by });

  it.each<[string, Partial<SteeringDocument>, Partial<SteeringDocument>, string[]]>([
    ['nothing', {}, {}, []],
    ['who and why', { forces: { a: force('up') } }, { forces: { a: force('up', 'bob') } }, []],
    [
      'a state',
      { forces: { a: force('up'), b: force('up') } },
      { forces: { a: force('down'), b: force('up') } },
      ['a'],
    ],
    ['one that is gone', { forces: { a: force('up') } }, {}, ['a']],
    [
      'one that is new, of another kind',
      { forces: { a: force('up') } },
      { forces: { a: force('up') }, dials: { a: { percent: 1, ...NOTE } } },
      ['a'],
    ],
  ])('names the targets of %s', (_, before, after, targets) => {
    expect([...changedTargets(of(before), of(after))]).toEqual(targets);
  });
});
