import { describe, expect, it } from 'vitest';
import { parseIPv4, parseIPv6, parsePrefix } from '../../../../src/core/dns/rdata/address.js';
import type { Location } from '../../../../src/core/geo/location.js';
import { type GeoTrie, lookup4, lookup6 } from '../../../../src/core/geo/trie.js';
import { compileRules, ruleForLocation } from '../../../../src/core/policy/geo-rules.js';
import type { Prefix, Rule } from '../../../../src/core/zone/model.js';
import { trieOf } from '../../../support/mmdb-writer.js';

interface Targets {
  readonly subnets?: readonly string[];
  readonly asns?: readonly number[];
  readonly geos?: readonly string[];
}

function rule(pool: string, targets: Targets = {}): Rule {
  const subnets = (targets.subnets ?? []).map((text) => parsePrefix(text) as Prefix);
  return { subnets, asns: targets.asns ?? [], geos: targets.geos ?? [], pool };
}

const SUBNET = rule('subnet', { subnets: ['192.0.2.0/28', '2001:db8::/48'] });
const LONG_SUBNET = rule('long subnet', { subnets: ['192.0.2.8/29'] });
const ASN = rule('asn', { asns: [64500] });
const PROVINCE = rule('province', { geos: ['NA-US-CA'] });
const COUNTRY = rule('country', { geos: ['NA-US', 'EU-DE'] });
const CONTINENT = rule('continent', { geos: ['NA', 'EU'] });
const DEFAULT = rule('default');

const BASE = trieOf([
  { prefix: '192.0.2.0/24', data: { country_code: 'US', state1: 'CA', asn: 64500 } },
  { prefix: '198.51.100.0/26', data: { country_code: 'US', state1: 'CA', asn: 1 } },
  { prefix: '198.51.100.64/26', data: { country_code: 'US', state1: 'NY' } },
  { prefix: '198.51.100.128/26', data: { country_code: 'CA' } },
  { prefix: '198.51.100.192/26', data: { country_code: 'JP' } },
  { prefix: '203.0.113.0/24', data: { continent_code: 'EU' } },
  { prefix: '2001:db8::/32', data: { country_code: 'DE' } },
]);

/** The pool for an address, and the depth. */
function answer(rules: readonly Rule[], trie: GeoTrie, text: string): string {
  const v4 = parseIPv4(text);
  const found = v4 ? lookup4(trie, new DataView(v4.buffer).getInt32(0)) : lookup6(trie, parseIPv6(text)!, 0);
  return `${rules[(found >> 8) - 1]?.pool ?? 'none'} /${found & 0xff}`;
}

const ALL = [DEFAULT, CONTINENT, COUNTRY, PROVINCE, ASN, SUBNET, LONG_SUBNET];

describe('compileRules()', () => {
  const orders: readonly [string, readonly Rule[]][] = [
    ['from wide to narrow', ALL],
    ['from narrow to wide', ALL.toReversed()],
    ['mixed', [ASN, DEFAULT, LONG_SUBNET, COUNTRY, SUBNET, CONTINENT, PROVINCE]],
  ];
  it.each(orders)('takes the narrowest rule that fits, written %s', (_order, rules) => {
    const trie = compileRules(rules, BASE);
    expect(answer(rules, trie, '192.0.2.9')).toBe('long subnet /29');
    expect(answer(rules, trie, '192.0.2.1')).toBe('subnet /29');
    expect(answer(rules, trie, '192.0.2.200')).toBe('asn /25');
    expect(answer(rules, trie, '198.51.100.1')).toBe('province /26');
    expect(answer(rules, trie, '198.51.100.65')).toBe('country /26');
    expect(answer(rules, trie, '198.51.100.129')).toBe('continent /26');
    expect(answer(rules, trie, '198.51.100.193')).toBe('default /26');
    expect(answer(rules, trie, '203.0.113.1')).toBe('continent /24');
    expect(answer(rules, trie, '2001:db8::1')).toBe('subnet /48');
    expect(answer(rules, trie, '2001:db8:1::1')).toBe('country /48');
    expect(answer(rules, trie, '64:ff9b::198.51.100.65')).toBe('country /122');
  });

  it('gives class 0 where no rule applies', () => {
    const trie = compileRules([COUNTRY], BASE);
    expect(answer([COUNTRY], trie, '198.51.100.193')).toBe('none /25');
    expect(answer([], compileRules([], BASE), '192.0.2.1')).toBe('none /0');
  });

  it('merges what the same rule applies to, so that scopes are wide', () => {
    const rules = [CONTINENT, DEFAULT];
    expect(answer(rules, compileRules(rules, BASE), '198.51.100.1')).toBe('continent /25');
  });

  it('uses the first of two rules for the same subnet', () => {
    const rules = [rule('a', { subnets: ['10.0.0.0/8'] }), rule('b', { subnets: ['10.0.0.0/8'] })];
    expect(answer(rules, compileRules(rules, BASE), '10.1.2.3')).toBe('a /8');
  });
});

describe('ruleForLocation()', () => {
  const rows: readonly [string, Location, string][] = [
    ['a network', { country: 'US', subdivision: 'CA', asn: 64500 }, 'asn'],
    ['a province', { country: 'US', subdivision: 'CA' }, 'province'],
    ['the same code of province elsewhere', { country: 'IT', subdivision: 'CA' }, 'continent'],
    ['a country', { country: 'DE' }, 'country'],
    ['a country whose database names another continent', { country: 'DE', continent: 'AS' }, 'country'],
    ['a country by the continent of the table', { country: 'FR' }, 'continent'],
    ['a continent', { continent: 'NA' }, 'continent'],
    ['a country on a continent without rule', { country: 'JP' }, 'default'],
    ['an unknown country', { country: 'ZZ' }, 'default'],
    ['nothing', {}, 'default'],
  ];
  it.each(rows)('finds the rule for %s', (_what, location, pool) => {
    expect(ALL[ruleForLocation(ALL, location)]?.pool).toBe(pool);
  });

  it('says -1 where none applies, and never takes a rule of subnets for the default', () => {
    expect(ruleForLocation([SUBNET, COUNTRY], { country: 'JP' })).toBe(-1);
  });

  it('finds the first of two rules with the same target', () => {
    expect(
      ruleForLocation([rule('a', { geos: ['EU'] }), rule('b', { geos: ['EU'] })], { country: 'DE' }),
    ).toBe(0);
    expect(ruleForLocation([rule('a'), rule('b')], {})).toBe(0);
  });
});
