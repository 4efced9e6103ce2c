import { describe, expect, it } from 'vitest';
import { parseIPv4, parseIPv6, parsePrefix } from '../../../../src/core/dns/rdata/address.js';
import { type ClassOverride, compileTrie } from '../../../../src/core/geo/compile.js';
import { EMPTY_LOCATIONS, type LocationTrie } from '../../../../src/core/geo/location.js';
import { CLASS_LIMIT, type GeoTrie, lookup4, lookup6 } from '../../../../src/core/geo/trie.js';
import { trieOf } from '../../../support/mmdb-writer.js';

/** `class/depth` of an address. */
function find(trie: GeoTrie, text: string): string {
  const v4 = parseIPv4(text);
  const found =
    v4 === undefined
      ? lookup6(trie, Uint8Array.from([9, 9, 9, ...parseIPv6(text)!]), 3)
      : lookup4(trie, (v4[0]! << 24) | (v4[1]! << 16) | (v4[2]! << 8) | v4[3]!);
  return `${found >> 8}/${found & 0xff}`;
}

function override(text: string, cls: number): ClassOverride {
  const prefix = parsePrefix(text);
  if ('code' in prefix) throw new Error(prefix.message);
  return { prefix, cls };
}

/** A base in which the class of a location is the number in its records. */
function baseOf(...rows: readonly (readonly [prefix: string, cls: number])[]): [LocationTrie, Int32Array] {
  const base = trieOf(rows.map(([prefix, cls]) => ({ prefix, data: { asn: cls } })));
  return [base, Int32Array.from(base.locations, (location) => location.asn ?? 0)];
}

describe('compileTrie() and the lookups', () => {
  it.each([
    ['a prefix longer than 16', '192.0.2.77', '1/24'],
    ['one address', '198.51.100.7', '2/32'],
    ['the neighbour of one address', '198.51.100.6', '0/32'],
    ['a prefix shorter than 16', '10.200.0.1', '3/8'],
    ['the other half of a prefix shorter than 16', '11.0.0.1', '0/8'],
    ['equal siblings as one', '172.16.5.5', '4/15'],
    ['an address above 127.255.255.255', '250.0.0.1', '5/5'],
    ['IPv6', '2001:db8:0:1::5', '6/64'],
    ['one IPv6 address', '2001:db8:1::1', '7/128'],
    ['IPv6 shorter than 16', '3fff::1', '8/12'],
  ])('find %s', (_what, address, expected) => {
    const [base, classOf] = baseOf(
      ['192.0.2.0/24', 1],
      ['198.51.100.7/32', 2],
      ['10.0.0.0/8', 3],
      ['172.16.0.0/16', 4],
      ['172.17.0.0/16', 4],
      ['248.0.0.0/5', 5],
      ['2001:db8:0:1::/64', 6],
      ['2001:db8:1::1/128', 7],
      ['3ff0::/12', 8],
    );
    expect(find(compileTrie(base, classOf, []), address)).toBe(expected);
  });

  it.each([
    ['mapped', '::ffff:192.0.2.1', '1/120'],
    ['NAT64', '64:ff9b::192.0.2.1', '1/120'],
    ['6to4', '2002:c000:201:1::1', '1/40'],
    ['Teredo, inverted', '2001:0:c633:6401:0:fbff:3fff:fdfe', '1/120'],
    ['6to4 of an unknown address', '2002:0101:0101::1', '0/17'],
    ['an address beside the mapped prefix', '::fffe:192.0.2.1', '9/96'],
    ['an address beside NAT64', '64:ff9b::1:c000:201', '9/96'],
    ['an address beside 6to4', '2003::1', '9/16'],
    ['an address beside Teredo', '2001:1::1', '9/32'],
    ['an address far from all of them', '8000::1', '9/1'],
  ])('look up %s addresses by the embedded IPv4 address', (_what, address, expected) => {
    const [base, classOf] = baseOf(['192.0.2.0/24', 1]);
    const trie = compileTrie(base, classOf, [override('::/0', 9)]);
    expect(find(trie, address)).toBe(expected);
  });

  it('let the longest override win, whatever the order, and the first of equal ones', () => {
    const [base, classOf] = baseOf(['192.0.2.0/24', 1], ['2001:db8::/32', 1]);
    const overrides = [
      override('192.0.2.128/25', 2),
      override('192.0.0.0/16', 3),
      override('192.0.2.192/26', 4),
      override('192.0.2.192/26', 5),
      override('2001:db8:8000::/33', 6),
    ];
    for (const list of [
      overrides,
      [overrides[2]!, overrides[3]!, overrides[1]!, overrides[0]!, overrides[4]!],
    ]) {
      const trie = compileTrie(base, classOf, list);
      expect(find(trie, '192.0.2.1')).toBe('3/25');
      expect(find(trie, '192.0.2.129')).toBe('2/26');
      expect(find(trie, '192.0.2.193')).toBe('4/26');
      expect(find(trie, '192.0.3.1')).toBe('3/24');
      expect(find(trie, '2001:db8:8000::1')).toBe('6/33');
      expect(find(trie, '2001:db8::1')).toBe('1/33');
    }
  });

  it('merge an override with neighbours of the same class', () => {
    const [base, classOf] = baseOf(['192.0.2.0/25', 1]);
    const trie = compileTrie(base, classOf, [override('192.0.2.128/26', 1), override('192.0.2.192/26', 1)]);
    expect(find(trie, '192.0.2.5')).toBe('1/24');
  });

  it('give one class everywhere a depth of 0', () => {
    const trie = compileTrie(EMPTY_LOCATIONS, Int32Array.of(7), []);
    expect(find(trie, '192.0.2.1')).toBe('7/0');
    expect(find(trie, '::ffff:192.0.2.1')).toBe('7/96');
    expect(find(trie, '2002::1')).toBe('7/16');
  });

  it('let an override of every IPv4 address leave no node of the base behind', () => {
    const [base, classOf] = baseOf(['192.0.2.0/24', 1], ['198.51.100.7/32', 2]);
    const trie = compileTrie(base, classOf, [override('0.0.0.0/0', 3)]);
    expect(find(trie, '198.51.100.7')).toBe('3/0');
    const without = compileTrie(EMPTY_LOCATIONS, Int32Array.of(0), []);
    expect(trie.nodes).toHaveLength(without.nodes.length);
  });

  it('hold more overrides than there is room for at first', () => {
    const overrides = Array.from({ length: 2000 }, (_, i) =>
      override(`2001:db8:${(i * 17).toString(16)}::${i.toString(16)}/128`, i + 1),
    );
    const trie = compileTrie(EMPTY_LOCATIONS, Int32Array.of(0), overrides);
    expect(find(trie, '2001:db8:0::0')).toBe('1/128');
    expect(find(trie, '2001:db8:84bf::7cf')).toBe('2000/128');
  });

  it('take the largest class and refuse a larger one', () => {
    const trie = compileTrie(EMPTY_LOCATIONS, Int32Array.of(CLASS_LIMIT - 1), []);
    expect(find(trie, '192.0.2.1')).toBe(`${CLASS_LIMIT - 1}/0`);
    expect(find(trie, '8000::')).toBe(`${CLASS_LIMIT - 1}/1`);
    expect(() => compileTrie(EMPTY_LOCATIONS, Int32Array.of(CLASS_LIMIT), [])).toThrow(RangeError);
    expect(() => compileTrie(EMPTY_LOCATIONS, Int32Array.of(0), [override('::/0', -1)])).toThrow(RangeError);
    expect(() => compileTrie(EMPTY_LOCATIONS, new Int32Array(0), [])).toThrow(RangeError);
  });

  it('leave the base as it was and put the result into shared memory', () => {
    const [base, classOf] = baseOf(['192.0.2.0/24', 1]);
    const before = base.nodes.slice();
    const trie = compileTrie(base, classOf, [override('192.0.2.0/25', 2)]);
    expect(base.nodes).toEqual(before);
    for (const view of [trie.v4, trie.v6, trie.nodes]) expect(view.buffer).toBeInstanceOf(SharedArrayBuffer);
  });
});
