import { describe, expect, it } from 'vitest';
import { type Question, rigOf, zoneText } from '../../../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'example.com',
    `pools:
  office: { endpoints: [{ A: 192.0.2.1 }] }
  lab: { endpoints: [{ A: 192.0.2.2 }] }
  rest: { endpoints: [{ A: 192.0.2.3 }] }
records:
  www:
    type: A
    dynamic:
      rules:
        - { subnets: [203.0.113.0/24, "2001:db8:aaaa::/48"], pool: office }
        - { subnets: [203.0.113.128/25, "2001:db8:aaaa:ff00::/56"], pool: lab }
        - { pool: rest }
  static: { type: A, value: 192.0.2.9 }
`,
  ),
);
const POOLS: Readonly<Record<string, string>> = {
  '192.0.2.1': 'office',
  '192.0.2.2': 'lab',
  '192.0.2.3': 'rest',
};

describe('the client of a query', () => {
  it.each<[what: string, question: Question, pool: string, scope: number | undefined]>([
    ['its subnet option', { subnet: '203.0.113.0/25' }, 'office', 25],
    [
      'its subnet option rather than the resolver',
      { subnet: '203.0.113.0/25', source: '203.0.113.200' },
      'office',
      25,
    ],
    ['a subnet shorter than the rule', { subnet: '203.0.0.0/16' }, 'rest', 18],
    ['the longer of two subnets', { subnet: '203.0.113.200/32' }, 'lab', 25],
    ['IPv6', { subnet: '2001:db8:aaaa::/56' }, 'office', 49],
    ['IPv6, the longer of two', { subnet: '2001:db8:aaaa:ff42::/64' }, 'lab', 56],
    ['an IPv4 address in IPv6', { subnet: '::ffff:203.0.113.200/128' }, 'lab', 96 + 25],
    ['the resolver, without EDNS', { source: '203.0.113.7' }, 'office', undefined],
    ['the resolver, with EDNS alone', { source: '203.0.113.7', edns: true }, 'office', undefined],
    ['the resolver over IPv6', { source: '2001:db8:aaaa:ff00::1' }, 'lab', undefined],
    [
      'the resolver where the prefix is empty: scope 0',
      { subnet: '0.0.0.0/0', source: '203.0.113.200' },
      'lab',
      0,
    ],
    ['the same with IPv6', { subnet: '::/0', source: '203.0.113.200' }, 'lab', 0],
  ])('is %s', (_what, question, pool, scope) => {
    const { answers, edns } = rig.ask('www.example.com', 'A', question);
    expect(answers.map(({ rdata }) => POOLS[rdata])).toEqual([pool]);
    expect(edns?.scope).toBe(scope);
  });

  it.each(['static.example.com', 'none.example.com', 'www.example.org'])(
    'does not matter to %s: scope 0',
    (name) => {
      expect(rig.ask(name, 'A', { subnet: '203.0.113.0/24' }).edns?.scope).toBe(0);
    },
  );

  it('leaves nothing behind for the next query', () => {
    rig.ask('www.example.com', 'A', { subnet: '203.0.113.200/32' });
    expect(rig.values('www.example.com', 'A', { source: '198.51.100.1' })).toEqual(['192.0.2.3']);
    expect(rig.ask('www.example.com', 'A', { edns: true }).edns?.options).toEqual([]);
  });
});
