import { describe, expect, it } from 'vitest';
import { formatExplanation } from '../../../src/cli/explain.js';
import { amount, bar, percent } from '../../../src/cli/share-bar.js';
import { formatWorld } from '../../../src/cli/simulate.js';

describe('shares for people', () => {
  it.each([
    [0, '0 %'],
    [1, '100 %'],
    [0.375, '37.5 %'],
    [0.5, '50 %'],
    [0.00021, '0.02 %'],
    [0.0000001, '<0.01 %'],
    [0.99999, '>99.9 %'],
  ])('percent(%d) is %s', (share, text) => {
    expect(percent(share)).toBe(text);
  });

  it.each([
    [0, ''],
    [1, '████'],
    [0.5, '██'],
    [0.0001, '▏'],
    [0.6, '██▍'],
  ])('bar(%d) is "%s"', (share, text) => {
    expect(bar(share, 4)).toBe(text);
  });

  it.each([
    [12, '12'],
    [65_536, '65.5 k'],
    [3_688_485_952, '3.69 G'],
  ])('amount(%d) is %s', (count, text) => {
    expect(amount(count)).toBe(text);
  });
});

const total = (eu: number) => ({
  answers: [
    { rdata: '198.51.100.1', pool: 'us', share: 1 - eu },
    { rdata: '192.0.2.1', pool: 'eu', share: eu },
  ].filter(({ share }) => share > 0),
  pools: [{ pool: 'us', share: 1 - eu }],
  regions: [],
  empty: 0,
});

describe('meridian simulate', () => {
  it('shows what moves beside what is', () => {
    const text = formatWorld('www.demo.test', {
      by: 'country',
      records: [{ name: 'www.demo.test.', type: 'A' }],
      down: ['region:eu'],
      up: [],
      families: [
        {
          family: 4,
          addresses: 4e9,
          total: total(0),
          places: [{ place: 'DE', addresses: 1e9, ...total(0) }],
          left: { places: 2, addresses: 3e9 },
          before: { total: total(0.25), moved: 0.25 },
        },
      ],
    });
    expect(text.split('\n')).toEqual([
      'www.demo.test. A, as if region:eu was down',
      '',
      'IPv4: 4.00 G addresses; 25 % would get something else',
      '',
      'ANSWER        POOL  SHARE  NOW',
      `198.51.100.1  us    100 %  75 %  ${'█'.repeat(24)}`,
      '192.0.2.1     eu    0 %    25 %',
      '',
      'COUNTRY  CLIENTS  POOLS',
      `DE       25 %     us 100 %  ${'█'.repeat(24)}`,
      'and 2 more with 75 % of the clients',
    ]);
  });
});

describe('meridian explain', () => {
  it('gives the rule its line, the shares, and what would change the answer', () => {
    const text = formatExplanation({
      name: 'www.demo.test.',
      type: 'A',
      client: '192.0.2.0/24',
      location: { country: 'DE' },
      rcode: 'NOERROR',
      scope: 24,
      answers: [{ name: 'www.demo.test.', type: 'A', ttl: 30, rdata: '192.0.2.1' }],
      steps: [
        { step: 'rule', text: 'rule 1 (EU) leads to pool eu' },
        {
          step: 'pool',
          text: 'pool eu (A): weight 3 of 4 is up, it serves',
          endpoints: [{ endpoint: '192.0.2.2', health: 'down', real: 'up', observers: [] }],
        },
      ],
      as_if: { down: ['192.0.2.2'], up: [] },
      decision: {
        rule: 1,
        file: 'zones/demo.yaml',
        line: 12,
        expected: {
          answers: [{ rdata: '192.0.2.1', pool: 'eu', share: 0.75, presence: 0.75 }],
          empty: 0.25,
        },
        ttl_why: 'the record',
        scope_why: 'the place',
      },
      would_change: [{ text: 'if pool eu went down: us' }],
    });
    expect(text.split('\n')).toEqual([
      'www.demo.test. A for 192.0.2.0/24 (DE)',
      '  AS IF 192.0.2.2 was down; the real answer may be another',
      '  - rule 1 (EU) leads to pool eu (zones/demo.yaml:12)',
      '  - pool eu (A): weight 3 of 4 is up, it serves',
      '      192.0.2.2 is down: really up',
      '= NOERROR, scope /24',
      '  www.demo.test. 30 A 192.0.2.1',
      'clients like this one get:',
      '  192.0.2.1    75 %  pool eu',
      '  no address    25 %',
      'TTL: the record',
      'scope: the place',
      'what would change it:',
      '  - if pool eu went down: us',
    ]);
  });
});
