import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../../../src/core/dns/rdata/address.js';
import type { LocationTrie } from '../../../../src/core/geo/location.js';
import { compileAccess, DENIED } from '../../../../src/core/limit/access-trie.js';
import { ClientAddress } from '../../../../src/core/limit/client-address.js';
import { KeyHash } from '../../../../src/core/limit/key-hash.js';
import type { AccessListModel, AccessSide } from '../../../../src/core/limit/limit-model.js';

function keyOf(text: string, prefix4 = 32, prefix6 = 64): string {
  const [client, hash] = [new ClientAddress(), new KeyHash([1, 2])];
  client.read(text);
  hash.begin(7);
  client.addTo(hash, prefix4, prefix6);
  return `${hash.first} ${hash.second}`;
}

describe('ClientAddress', () => {
  it.each([
    ['192.0.2.1', 4],
    ['255.255.255.255', 4],
    ['::ffff:192.0.2.1', 4],
    ['2001:db8::1', 6],
    ['fe80::1%eth0', 6],
    ['', 0],
    ['192.0.2', 0],
    ['192.0.2.256', 0],
    ['192.0.2.1.5', 0],
    ['1..2.3', 0],
    ['unix:', 0],
    ['9'.repeat(100), 0],
  ])('reads %s as one of family %d', (text, family) => {
    const client = new ClientAddress();
    client.read('198.51.100.7');
    client.read(text);
    expect(client.family).toBe(family);
  });

  it('is the same key within a prefix, and another one outside', () => {
    expect(keyOf('192.0.2.1', 24)).toBe(keyOf('192.0.2.200', 24));
    expect(keyOf('192.0.2.1', 24)).not.toBe(keyOf('192.0.3.1', 24));
    expect(keyOf('192.0.2.1')).not.toBe(keyOf('192.0.2.2'));
    expect(keyOf('::ffff:192.0.2.1')).toBe(keyOf('192.0.2.1'));
    expect(keyOf('2001:db8:0:1::1')).toBe(keyOf('2001:db8:0:1:ffff::2'));
    expect(keyOf('2001:db8:0:1::1')).not.toBe(keyOf('2001:db8:0:2::1'));
    expect(keyOf('2001:db8:0:1::1', 32, 48)).toBe(keyOf('2001:db8:0:2::1', 32, 48));
    expect(keyOf('2001:db8::1', 32, 128)).not.toBe(keyOf('2001:db8::2', 32, 128));
    expect(keyOf('no address')).toBe(keyOf('unix:'));
  });
});

describe('KeyHash', () => {
  it('tells keys apart that would be the same one after the other', () => {
    const parts = (...texts: readonly string[]) => {
      const hash = new KeyHash([1, 2]);
      hash.begin(0);
      for (const text of texts) hash.text(text);
      return `${hash.first} ${hash.second}`;
    };
    const all = [['ab', 'c'], ['a', 'bc'], ['abc'], ['abc', ''], ['abc\0'], [''], ['', '']];
    expect(new Set(all.map((texts) => parts(...texts))).size).toBe(all.length);
  });

  it('is the same for bytes as for text, and another one with another secret', () => {
    const secret = new TextEncoder().encode('a key of an API that is longer than eight bytes');
    const [a, b, c] = [new KeyHash([1, 2]), new KeyHash([1, 2]), new KeyHash([1, 3])];
    for (const hash of [a, b, c]) hash.begin(5);
    a.bytes(secret, 0, secret.length);
    b.text(new TextDecoder().decode(secret));
    c.bytes(secret, 0, secret.length);
    expect([a.first, a.second]).toEqual([b.first, b.second]);
    expect([a.first, a.second]).not.toEqual([c.first, c.second]);
  });
});

describe('compileAccess()', () => {
  /** 10/8 is in DE and system 1, 11/8 in FR. */
  const locations: LocationTrie = {
    // Bits 0000101 and then 0 or 1.
    nodes: Int32Array.of(1, ~0, 2, ~0, 3, ~0, 4, ~0, ~0, 5, 6, ~0, ~0, 7, ~1, ~2),
    v4: 0,
    v6: ~0,
    locations: [{}, { country: 'DE', asn: 1 }, { country: 'FR' }],
  };
  const side = (
    of: { prefixes?: readonly string[]; countries?: readonly string[]; asns?: readonly number[] } = {},
  ) => ({
    countries: of.countries ?? [],
    asns: of.asns ?? [],
    prefixes: (of.prefixes ?? []).flatMap((text) => {
      const prefix = parsePrefix(text);
      return 'code' in prefix ? [] : [prefix];
    }),
  });
  const denied = (allow: AccessSide, deny: AccessSide, address: string): boolean => {
    const list: AccessListModel = { name: 'a', allow, deny };
    const client = new ClientAddress();
    client.read(address);
    return client.classIn(compileAccess(list, locations)) === DENIED;
  };

  it.each([
    [
      'a country',
      side(),
      side({ countries: ['DE'] }),
      { '10.1.1.1': true, '11.1.1.1': false, '12.1.1.1': false },
    ],
    ['a system', side(), side({ asns: [1] }), { '10.1.1.1': true, '11.1.1.1': false }],
    [
      'all but a country',
      side({ countries: ['DE'] }),
      side(),
      { '10.1.1.1': false, '11.1.1.1': true, '::1': true },
    ],
    [
      'a country, but for a prefix',
      side({ prefixes: ['10.1.0.0/16'] }),
      side({ countries: ['DE'], prefixes: ['10.1.1.0/24'] }),
      { '10.2.1.1': true, '10.1.2.1': false, '10.1.1.1': true },
    ],
    [
      'all but prefixes',
      side({ prefixes: ['192.0.2.0/24', '2001:db8::/32'] }),
      side(),
      { '192.0.2.1': false, '192.0.3.1': true, '2001:db8::1': false, '2001:db9::1': true },
    ],
    [
      'prefixes alone',
      side(),
      side({ prefixes: ['0.0.0.0/0'] }),
      { '1.1.1.1': true, '::ffff:1.1.1.1': true, '2001:db8::': false },
    ],
  ])('keeps out %s', (_what, allow, deny, cases) => {
    for (const [address, expected] of Object.entries(cases)) {
      expect(denied(allow, deny, address), address).toBe(expected);
    }
  });

  it('keeps out nobody whose address is none', () => {
    expect(denied(side(), side({ prefixes: ['0.0.0.0/0', '::/0'] }), 'unix:')).toBe(false);
  });
});
