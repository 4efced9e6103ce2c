import { describe, expect, it } from 'vitest';
import {
  type QuorumRules,
  regionalVerdict,
  type View,
  type Vote,
  verdict,
} from '../../../../src/core/health/quorum.js';
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

/** `eu:uud us:? owner:d` */
function votes(text: string): Vote[] {
  return text
    .split(' ')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [region = '', letters = ''] = part.split(':');
      const owner = region === 'owner' && { owner: true };
      return views(letters).map((view) => ({ view, region, ...owner }));
    });
}

const RULES: QuorumRules = { quorum: 'majority', from: 'global', minObservers: 1, region: 'eu' };

describe('regionalVerdict()', () => {
  it.each<[string, Partial<QuorumRules>, string, 'up' | 'down']>([
    ['a region with many observers has one voice', {}, 'eu:ddddd us:u ap:u', 'up'],
    ['few observers, each alone in its region, are outvoted by many', {}, 'eu:uuuu us:d ap:d', 'up'],
    ['both counts together take down', {}, 'eu:udd us:d ap:u', 'down'],
    ['the majority inside of a region speaks for it', {}, 'eu:uud us:uud ap:ddd', 'up'],
    ['a region with a tie has no voice', {}, 'eu:ud us:ddd ap:u ca:u', 'up'],
    ['regions with ties are no votes against', {}, 'eu:ud us:ud ap:u', 'up'],
    ['a region of which nothing is known has no voice', {}, 'eu:??? us:dd ap:?u', 'down'],
    ['a region of which nothing is known is no vote against', {}, 'eu:? us:u', 'up'],
    ['any: one observer anywhere', { quorum: 'any' }, 'eu:dd us:du', 'up'],
    ['all: every observer', { quorum: 'all' }, 'eu:uu us:ud', 'down'],
    ['N counts observers, wherever they stand', { quorum: 3 }, 'eu:uu us:du ap:d', 'up'],
    ['N counts observers, and two are not three', { quorum: 3 }, 'eu:uu us:dd ap:d', 'down'],
    ['regional: only the own region counts', { from: 'regional' }, 'eu:dd us:u ap:uuu', 'down'],
    ['regional, for a node without region', { from: 'regional', region: '' }, ':u us:d ap:d', 'up'],
    ['the owner of the address can say that it is down', {}, 'eu:u us:u ap:u owner:d', 'down'],
    ['the owner can not say that it is up where others do not see it', {}, 'eu:d us:d ap:u owner:u', 'down'],
    ['the owner is asked where nobody probes', {}, 'owner:u', 'up'],
    ['the owner that is silent changes nothing', {}, 'eu:u us:u owner:?', 'up'],
    ['the owner and one probe, a tie, is down', {}, 'eu:d owner:u', 'down'],
    ['regional: the owner counts wherever it stands', { from: 'regional' }, 'eu:u us:u owner:d', 'down'],
    [
      'the owner that is down is believed, however few probes there are',
      { minObservers: 3 },
      'eu:u owner:d',
      'down',
    ],
    ['any: the owner is one of many', { quorum: 'any' }, 'eu:u us:u owner:d', 'up'],
  ])('%s', (_, changes, text, expected) => {
    for (const last of ['up', 'down'] as const) {
      const found = regionalVerdict(votes(text), { ...RULES, ...changes }, last);
      expect(found).toMatchObject({ state: expected, basis: 'observers' });
    }
  });

  it.each<[string, Partial<QuorumRules>, string]>([
    ['two regions do not agree', {}, 'eu:u us:d'],
    ['every region is divided', {}, 'eu:ud us:ud'],
    ['its own region is divided', { from: 'regional' }, 'eu:ud us:u ap:u'],
  ])('leaves the verdict as it was where %s', (_, changes, text) => {
    for (const last of ['up', 'down'] as const) {
      const found = regionalVerdict(votes(text), { ...RULES, ...changes }, last);
      expect(found).toMatchObject({ state: last, basis: 'observers' });
    }
  });

  it.each<[string, Partial<QuorumRules>, string]>([
    ['nobody is known', {}, 'eu:? us:?'],
    ['fewer are known than must be', { minObservers: 3 }, 'eu:u? us:u'],
    ['an owner can not make up for probes that are missing', { minObservers: 2 }, 'eu:d us:? owner:u'],
    ['all: one probe is alone with the owner', { quorum: 'all', minObservers: 2 }, 'eu:d us:? owner:u'],
    ['nobody of the own region is known', { from: 'regional' }, 'eu:? us:uu'],
    [
      'fewer of the own region are known than must be',
      { from: 'regional', minObservers: 2 },
      'eu:u us:uu ap:uu',
    ],
  ])('holds the last verdict where %s', (_, changes, text) => {
    for (const last of ['up', 'down'] as const) {
      const found = regionalVerdict(votes(text), { ...RULES, ...changes }, last);
      expect(found).toMatchObject({ state: last, basis: 'held' });
    }
  });
});
