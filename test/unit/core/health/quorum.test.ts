import { describe, expect, it } from 'vitest';
import { type View, verdict } from '../../../../src/core/health/quorum.js';
import type { Quorum } from '../../../../src/core/zone/model.js';

const VIEWS: Readonly<Record<string, View>> = { u: 'up', d: 'down', '?': 'unknown' };

function views(letters: string): View[] {
  return [...letters].map((letter) => VIEWS[letter]!);
}

describe('verdict()', () => {
  it.each<[Quorum, string, 'up' | 'down']>([
    ['any', 'ddu', 'up'],
    ['any', 'ddd', 'down'],
    ['majority', 'u', 'up'],
    ['majority', 'ud', 'down'],
    ['majority', 'uud', 'up'],
    ['majority', 'uudd', 'down'],
    ['majority', 'u????', 'up'],
    ['majority', 'ud?', 'down'],
    ['all', 'uuu', 'up'],
    ['all', 'uu?', 'up'],
    ['all', 'uud', 'down'],
    [2, 'udd', 'down'],
    [2, 'uud', 'up'],
    [2, 'u?', 'up'],
    [5, 'uu', 'up'],
    [5, 'ud', 'down'],
    [0, 'dd', 'down'],
  ])('with quorum %s of "%s" is %s', (quorum, letters, expected) => {
    for (const last of ['up', 'down'] as const) {
      expect(verdict(views(letters), quorum, last)).toMatchObject({ state: expected, basis: 'observers' });
    }
  });

  it.each<Quorum>(['any', 'majority', 'all', 3])('with quorum %s holds the last verdict blind', (quorum) => {
    for (const letters of ['', '?', '???']) {
      expect(verdict(views(letters), quorum, 'up')).toEqual({ state: 'up', basis: 'held', up: 0, known: 0 });
      expect(verdict(views(letters), quorum, 'down').state).toBe('down');
    }
  });

  it('counts those known and those up', () => {
    expect(verdict(views('uu?d'), 'majority', 'down')).toEqual({
      state: 'up',
      basis: 'observers',
      up: 2,
      known: 3,
    });
  });
});
