import { describe, expect, it } from 'vitest';
import { parseIPv4, parseIPv6 } from '../../../../src/core/dns/rdata/address.js';
import {
  combineLocations,
  EMPTY_LOCATIONS,
  type LocationTrie,
  locate,
  mergeLocations,
} from '../../../../src/core/geo/location.js';
import { trieOf } from '../../../support/mmdb-writer.js';

function at(trie: LocationTrie, text: string): unknown {
  const { id, length } = locate(trie, parseIPv4(text) ?? parseIPv6(text)!);
  return { ...trie.locations[id], length };
}

const COUNTRIES = trieOf([
  { prefix: '192.0.2.0/24', data: { country_code: 'US' } },
  { prefix: '198.51.100.0/24', data: { country_code: 'DE' } },
  { prefix: '2001:db8::/32', data: { country_code: 'FR' } },
]);
const NETWORKS = trieOf([
  { prefix: '192.0.2.128/25', data: { asn: 64500 } },
  { prefix: '203.0.113.0/24', data: { asn: 64501 } },
  { prefix: '2001:db8:1::/48', data: { asn: 64502 } },
]);

describe('locate()', () => {
  it.each([
    ['192.0.2.1', { country: 'US', length: 24 }],
    ['::ffff:192.0.2.1', { country: 'US', length: 120 }],
    ['64:ff9b::192.0.2.1', { country: 'US', length: 120 }],
    ['2002:c000:0201::1', { country: 'US', length: 40 }],
    ['2001:0:1:2:3:4:3fff:fdfe', { country: 'US', length: 120 }],
    ['2001:db8::1', { country: 'FR', length: 32 }],
    ['::192.0.2.1', { length: 96 }],
  ])('finds %s', (text, expected) => {
    expect(at(COUNTRIES, text)).toEqual(expected);
  });

  it('finds nothing, in a prefix of length 0, where nothing is known', () => {
    expect(at(EMPTY_LOCATIONS, '192.0.2.1')).toEqual({ length: 0 });
    expect(at(EMPTY_LOCATIONS, '2001:db8::1')).toEqual({ length: 0 });
  });
});

describe('mergeLocations()', () => {
  const merged = mergeLocations(COUNTRIES, NETWORKS);

  it.each([
    ['192.0.2.1', { country: 'US', length: 25 }],
    ['192.0.2.129', { country: 'US', asn: 64500, length: 25 }],
    ['198.51.100.1', { country: 'DE', length: 24 }],
    ['203.0.113.9', { asn: 64501, length: 24 }],
    ['2001:db8::1', { country: 'FR', length: 48 }],
    ['2001:db8:1::1', { country: 'FR', asn: 64502, length: 48 }],
  ])('gives %s the fields of both', (text, expected) => {
    expect(at(merged, text)).toEqual(expected);
  });

  it('keeps location 0 unknown and children behind their parents', () => {
    expect(merged.locations[0]).toEqual({});
    const misplaced = [...merged.nodes].filter((child, slot) => child >= 0 && child <= slot >> 1);
    expect(misplaced).toEqual([]);
  });

  it('leaves a database as it is when the other knows nothing', () => {
    const addresses = ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '2a00::1'];
    const known = addresses.map((address) => at(COUNTRIES, address));
    for (const same of [
      mergeLocations(COUNTRIES, EMPTY_LOCATIONS),
      mergeLocations(EMPTY_LOCATIONS, COUNTRIES),
    ]) {
      expect(addresses.map((address) => at(same, address))).toEqual(known);
      expect(same.nodes).toHaveLength(COUNTRIES.nodes.length);
    }
  });
});

describe('combineLocations()', () => {
  it.each([
    ['the second wins', { country: 'US', asn: 1 }, { country: 'US', asn: 2 }, { country: 'US', asn: 2 }],
    [
      'coordinates go together',
      { country: 'US', latitude: 1, longitude: 2 },
      { country: 'US', latitude: 3, longitude: 4 },
      { country: 'US', latitude: 3, longitude: 4 },
    ],
    [
      'a place in another country is dropped, the network is not',
      { continent: 'NA', country: 'US', subdivision: 'CA', asn: 1, latitude: 1, longitude: 2 },
      { country: 'DE' },
      { country: 'DE', asn: 1 },
    ],
    [
      'finer places of the same country stay',
      { continent: 'NA', country: 'US', subdivision: 'CA', latitude: 1, longitude: 2 },
      { country: 'US' },
      { continent: 'NA', country: 'US', subdivision: 'CA', latitude: 1, longitude: 2 },
    ],
  ])('%s', (_what, a, b, expected) => {
    expect(combineLocations(a, b)).toEqual(expected);
  });
});
