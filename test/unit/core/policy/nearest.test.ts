import { describe, expect, it } from 'vitest';
import { parseIPv4 } from '../../../../src/core/dns/rdata/address.js';
import { lookup4 } from '../../../../src/core/geo/trie.js';
import { compileNearest, type NearestTrie, orderFor } from '../../../../src/core/policy/nearest.js';
import { double, float, trieOf } from '../../../support/mmdb-writer.js';

const DUBLIN = { latitude: 53.35, longitude: -6.26 };
const ASHBURN = { latitude: 38.95, longitude: -77.45 };
const MUMBAI = { latitude: 19.08, longitude: 72.88 };
const POINTS = [DUBLIN, ASHBURN, MUMBAI];

function order(nearest: NearestTrie, text: string): string {
  const found = lookup4(nearest.trie, new DataView(parseIPv4(text)!.buffer).getInt32(0));
  return `${nearest.orders[found >> 8]!.join()} /${found & 0xff}`;
}

describe('compileNearest()', () => {
  const base = trieOf([
    {
      prefix: '192.0.2.0/26',
      data: { country_code: 'US', latitude: double(37.4), longitude: double(-122.1) },
    },
    { prefix: '192.0.2.64/26', data: { country_code: 'US' } },
    { prefix: '192.0.2.128/26', data: { country_code: 'DE' } },
    { prefix: '192.0.2.192/26', data: { country_code: 'SG' } },
    { prefix: '198.51.100.0/24', data: { continent_code: 'EU' } },
    // The country says Europe, the coordinates say Réunion.
    {
      prefix: '203.0.113.0/24',
      data: { country_code: 'FR', latitude: double(-21.1), longitude: double(55.5) },
    },
  ]);
  const nearest = compileNearest(base, POINTS);

  it.each([
    ['coordinates and a country with one order as one prefix', '192.0.2.1', '1,0,2 /25'],
    ['a country', '192.0.2.129', '0,2,1 /26'],
    ['a country far in the east', '192.0.2.193', '2,0,1 /26'],
    ['coordinates before the country', '203.0.113.1', '2,0,1 /24'],
    ['the given order without coordinates or country', '198.51.100.1', '0,1,2 /6'],
    ['the given order where nothing is known', '10.0.0.1', '0,1,2 /1'],
  ])('uses %s', (_what, address, expected) => {
    expect(order(nearest, address)).toBe(expected);
  });

  it('gives equal orders one class, and class 0 the given one', () => {
    expect(nearest.orders[0]).toEqual([0, 1, 2]);
    expect(new Set(nearest.orders.map(String)).size).toBe(nearest.orders.length);
  });

  it('keeps the given order between points at one place', () => {
    const twins = compileNearest(base, [MUMBAI, ASHBURN, { ...ASHBURN }]);
    expect(order(twins, '192.0.2.1')).toBe('1,2,0 /25');
  });

  it('gives one class to a place that is written with different precision', () => {
    const written = trieOf([
      { prefix: '192.0.2.0/25', data: { latitude: double(47.3686), longitude: double(8.5391) } },
      { prefix: '192.0.2.128/25', data: { latitude: float(47.3686), longitude: float(8.5391) } },
      { prefix: '192.0.3.0/24', data: { latitude: '47.37', longitude: '8.54' } },
    ]);
    // Two points to the east and west of Zürich, equally far.
    const sides = [
      { latitude: 47.3686, longitude: 18.5391 },
      { latitude: 47.3686, longitude: -1.4609 },
    ];
    expect(order(compileNearest(written, sides), '192.0.2.1')).toBe('0,1 /0');
    expect(order(compileNearest(written, sides.toReversed()), '192.0.3.1')).toBe('0,1 /0');
  });

  it('takes no points at all', () => {
    expect(compileNearest(base, []).orders).toEqual([[]]);
  });
});

describe('orderFor()', () => {
  it('has no order for a location without a place', () => {
    expect(orderFor({ asn: 64500 }, POINTS)).toBeUndefined();
    expect(orderFor({ country: 'ZZ' }, POINTS)).toBeUndefined();
  });

  it('measures across the date line', () => {
    const points = [
      { latitude: 0, longitude: 100 },
      { latitude: 0, longitude: -175 },
    ];
    expect(orderFor({ latitude: 0, longitude: 175 }, points)).toEqual([1, 0]);
  });
});
