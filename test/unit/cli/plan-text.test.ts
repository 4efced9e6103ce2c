import { describe, expect, it } from 'vitest';
import { formatPlan, type Impact, type Plan, painter, percent, place } from '../../../src/cli/plan-text.js';

const PLAIN = painter(false, {});
const MOVE = {
  from: { pool: 'eu', region: 'europe', answers: ['192.0.2.1'] },
  to: { pool: 'us', reason: 'failed_open', answers: ['192.0.2.2'] },
  v4: 0.0812,
  v6: 0.1,
  countries: [
    { code: 'DE', v4: 0.05, v6: 0.1 },
    { code: 'FR', v4: 0.03, v6: 0 },
  ],
  countries_total: 2,
  prefixes: [],
  unplaced: 0,
  samples: ['90.0.0.1'],
};
const IMPACT: Impact = {
  compared: 4,
  changed: 1,
  v4: 0.02,
  v6: 0.025,
  unchecked: 2,
  placed: true,
  groups: [
    {
      names: [{ name: 'www.a.test.', type: 'A' }],
      names_total: 1,
      v4: 0.0812,
      v6: 0.1,
      unplaced: 0,
      moves: [MOVE],
      moves_total: 1,
    },
  ],
  groups_total: 1,
};
const PLAN: Plan = {
  id: 'p1',
  state: 'ready',
  expires: '2030-01-01T00:00:00.000Z',
  took_ms: 12,
  base: { revision: 7 },
  problems: [],
  warnings: [],
  zones: [
    {
      zone: 'a.test.',
      file: 'a.yaml',
      kind: 'changed',
      changes_total: 4,
      changes: [
        {
          kind: 'changed',
          what: 'record',
          name: 't.a.test.',
          type: 'TXT',
          before: ['ttl 60'],
          after: ['ttl 90'],
        },
        {
          kind: 'added',
          what: 'record',
          name: 'n.a.test.',
          type: 'A',
          before: [],
          after: ['ttl 30', '192.0.2.7'],
        },
        { kind: 'removed', what: 'monitor', name: 'm', before: ['port 80', 'type tcp', 'fall 3'], after: [] },
      ],
    },
  ],
  impact: IMPACT,
};

describe('formatPlan()', () => {
  it('shows what changes line by line, then who moves', () => {
    expect(formatPlan(PLAN, PLAIN)).toBe(`~ zone a.test.  a.yaml
  ~ t.a.test. TXT  ttl 60 => ttl 90
  + n.a.test. A  ttl 30, 192.0.2.7
  - monitor m
      - port 80
      - type tcp
      - fall 3
  … and 1 more change

Impact: clients of 1 of 4 names get other answers
  2 endpoints not checked yet: counted as up

  www.a.test. A
    8.1 % of IPv4 and 10 % of IPv6 clients get another answer:
      IPv4    IPv6  FROM -> TO
     8.1 %    10 %  eu (europe) -> us [failed open]  DE, FR
    see: meridian explain www.a.test. A --subnet 90.0.0.1

Plan p1: 1 to add, 2 to change, 1 to remove in 1 zone  (12 ms)`);
  });

  it('shows mistakes in place of all else', () => {
    const problems = [{ file: 'a.yaml', line: 3, column: 5, path: 'records.x', message: 'is wrong' }];
    expect(formatPlan({ ...PLAN, state: 'invalid', problems }, PLAIN)).toBe(
      'error: a.yaml:3:5: records.x: is wrong\n\n1 mistake. Nothing can be applied.',
    );
  });

  it.each<[string, Partial<Plan>, string]>([
    ['nothing to do', { state: 'empty' }, 'No changes'],
    ['nobody moves', { impact: { ...IMPACT, changed: 0, groups: [] } }, 'no client gets another answer'],
    ['only comments differ', { zones: [] }, 'no record changes'],
    ['no geo database', { impact: { ...IMPACT, placed: false } }, 'without a geo database'],
    ['a rollback', { rollback_to: 3 }, 'Plan p1, back to revision 3:'],
    [
      'a plan that was applied',
      { state: 'applied', applied: { at: '', author: 'anna', revision: 8 } },
      'applied by anna as revision 8',
    ],
  ])('says %s', (_, plan, text) => {
    expect(formatPlan({ ...PLAN, ...plan }, PLAIN)).toContain(text);
  });

  it('shows the addresses where the pool stays the same', () => {
    const move = {
      ...MOVE,
      from: { pool: 'eu', answers: ['192.0.2.1'] },
      to: { pool: 'eu', answers: ['192.0.2.9'] },
    };
    const impact = { ...IMPACT, groups: [{ ...IMPACT.groups[0]!, moves: [move] }] };
    expect(formatPlan({ ...PLAN, impact }, PLAIN)).toContain('eu 192.0.2.1 -> eu 192.0.2.9');
  });
});

describe('painter()', () => {
  it.each([
    ['a terminal', true, {}, true],
    ['a pipe', false, {}, false],
    ['a terminal with NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['a pipe with FORCE_COLOR', false, { FORCE_COLOR: '1' }, true],
    ['a dumb terminal', true, { TERM: 'dumb' }, false],
    ['a terminal with NO_COLOR and FORCE_COLOR', true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  ])('%s', (_, isTerminal, environment, isColoured) => {
    expect(painter(isTerminal, environment)('red', 'x').includes('\u001b[')).toBe(isColoured);
  });
});

describe('percent()', () => {
  it.each([
    [0, '0 %'],
    [1, '100 %'],
    [0.0812, '8.1 %'],
    [0.00001, '<0.1 %'],
    [0.99999, '>99.9 %'],
    [0.5, '50 %'],
  ])('%d is %s', (share, text) => expect(percent(share)).toBe(text));
});

describe('place()', () => {
  it('leaves out what is not known', () => {
    expect(place({ path: '', message: 'x' })).toBe('x');
    expect(place({ file: 'a', line: 1, column: 2, path: 'p', message: 'x' })).toBe('a:1:2: p: x');
  });
});
