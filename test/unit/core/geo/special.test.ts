import { describe, expect, it } from 'vitest';
import { parseIPv4, parseIPv6 } from '../../../../src/core/dns/rdata/address.js';
import { EMPTY_LOCATIONS, locate } from '../../../../src/core/geo/location.js';
import { forgetSpecialPrefixes } from '../../../../src/core/geo/special.js';
import { trieOf } from '../../../support/mmdb-writer.js';

describe('forgetSpecialPrefixes()', () => {
  const wide = trieOf([
    { prefix: '::/1', data: { country_code: 'AU' } },
    { prefix: '8000::/1', data: { country_code: 'AU' } },
  ]);
  const narrow = trieOf([
    { prefix: '192.168.7.0/24', data: { country_code: 'AU' } },
    { prefix: '2001:db8:1::/48', data: { country_code: 'AU' } },
    { prefix: '8.8.8.0/24', data: { country_code: 'AU' } },
  ]);

  function country(trie: typeof wide, text: string): string | undefined {
    const forgetful = forgetSpecialPrefixes(trie);
    return forgetful.locations[locate(forgetful, parseIPv4(text) ?? parseIPv6(text)!).id]!.country;
  }

  it.each([
    ['10.1.2.3', undefined],
    ['172.31.255.255', undefined],
    ['192.168.7.1', undefined],
    ['198.51.100.1', undefined],
    ['::ffff:192.168.7.1', undefined],
    ['2001:db8:1::1', undefined],
    ['fd00::1', undefined],
    ['172.32.0.0', 'AU'],
    ['192.169.0.0', 'AU'],
    ['8.8.8.8', 'AU'],
    ['2001:db9::1', 'AU'],
    ['fe00::1', 'AU'],
  ])('lets %s be in %s', (address, expected) => {
    expect(country(wide, address)).toBe(expected);
  });

  it('forgets what is longer than a special prefix and keeps the rest', () => {
    expect(country(narrow, '192.168.7.1')).toBeUndefined();
    expect(country(narrow, '2001:db8:1::1')).toBeUndefined();
    expect(country(narrow, '8.8.8.8')).toBe('AU');
  });

  it('adds nothing to a trie that knows nothing', () => {
    expect(forgetSpecialPrefixes(EMPTY_LOCATIONS)).toEqual(EMPTY_LOCATIONS);
  });
});
