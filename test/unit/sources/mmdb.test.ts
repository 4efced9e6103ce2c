import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIPv4, parseIPv6 } from '../../../src/core/dns/rdata/address.js';
import { type LocationTrie, locate } from '../../../src/core/geo/location.js';
import { isSoundValue } from '../../../src/core/geo/mmdb-data.js';
import { readSearchTree } from '../../../src/core/geo/mmdb-tree.js';
import { readMmdb } from '../../../src/sources/mmdb.js';
import { double, type MmdbOptions, writeMmdb } from '../../support/mmdb-writer.js';

const CITY = {
  city: { names: { en: 'Springfield', de: 'Springfield' } },
  continent: { code: 'NA' },
  country: { iso_code: 'US', is_in_european_union: false, names: { en: 'United States' } },
  location: { latitude: double(39.8), longitude: double(-89.6), accuracy_radius: 20 },
  subdivisions: [{ iso_code: 'IL' }],
  geoname_id: 4_250_542n,
  offset: -5,
};
const V4 = [
  { prefix: '192.0.2.0/24', data: CITY },
  { prefix: '192.0.2.128/25', data: { country: { iso_code: 'CA' } } },
  { prefix: '198.51.100.7/32', data: { country_code: 'DE', asn: 64500 } },
];
const V6 = [...V4, { prefix: '2001:db8::/32', data: { country_code: 'FR' } }];

function at(trie: LocationTrie, text: string): unknown {
  const { id, length } = locate(trie, parseIPv4(text) ?? parseIPv6(text)!);
  return { ...trie.locations[id], length };
}

function read(file: Buffer): LocationTrie {
  const result = readMmdb(file, 'test.mmdb');
  if ('code' in result) throw new Error(result.message);
  return result.trie;
}

function codeOf(file: Buffer): string {
  const result = readMmdb(file, 'test.mmdb');
  return 'code' in result ? result.code : 'none';
}

describe('readMmdb()', () => {
  const kinds: MmdbOptions[] = [24, 28, 32].flatMap((recordSize) => [
    { recordSize: recordSize as 24, ipVersion: 4 },
    { recordSize: recordSize as 24, ipVersion: 6 },
    { recordSize: recordSize as 24, ipVersion: 6, hasAliases: true },
  ]);

  it.each(kinds)(
    'reads records of $recordSize bits, IP version $ipVersion, aliases: $hasAliases',
    (options) => {
      const trie = read(writeMmdb(options.ipVersion === 4 ? V4 : V6, options));
      const springfield = {
        continent: 'NA',
        country: 'US',
        subdivision: 'IL',
        latitude: 39.8,
        longitude: -89.6,
      };
      expect(at(trie, '192.0.2.1')).toEqual({ ...springfield, length: 25 });
      expect(at(trie, '::ffff:192.0.2.1')).toEqual({ ...springfield, length: 121 });
      expect(at(trie, '192.0.2.129')).toEqual({ country: 'CA', length: 25 });
      expect(at(trie, '198.51.100.7')).toEqual({ country: 'DE', asn: 64500, length: 32 });
      expect(at(trie, '198.51.100.6')).toEqual({ length: 32 });
      const france = options.ipVersion === 4 ? { length: 0 } : { country: 'FR', length: 32 };
      expect(at(trie, '2001:db8::1')).toEqual(france);
    },
  );

  it('gives the metadata', () => {
    const buildEpoch = new Date('2026-03-04T05:06:07Z');
    const result = readMmdb(writeMmdb(V6, { buildEpoch, databaseType: 'GeoLite2-City' }), 'test.mmdb');
    expect(result).toMatchObject({ metadata: { buildEpoch, databaseType: 'GeoLite2-City', ipVersion: 6 } });
  });

  it('gives equal locations one id, the unknown one 0', () => {
    const trie = read(
      writeMmdb([
        { prefix: '192.0.2.0/24', data: { country_code: 'US', note: 'a' } },
        { prefix: '198.51.100.0/24', data: { country_code: 'us', note: 'b' } },
        { prefix: '203.0.113.0/24', data: { note: 'c' } },
      ]),
    );
    expect(trie.locations).toEqual([{}, { country: 'US' }]);
    expect(at(trie, '203.0.113.1')).toMatchObject({ length: 24 });
  });

  it('reads a database in which one short prefix holds IPv4 and IPv6', () => {
    const trie = read(writeMmdb([{ prefix: '::/1', data: { country_code: 'US' } }]));
    expect(at(trie, '192.0.2.1')).toEqual({ country: 'US', length: 0 });
    expect(at(trie, '2001:db8::1')).toEqual({ country: 'US', length: 1 });
  });

  it('puts children behind their parents', () => {
    const { nodes } = read(writeMmdb(V6, { hasAliases: true }));
    expect([...nodes].filter((child, slot) => child >= 0 && child <= slot >> 1)).toEqual([]);
  });
});

describe('readMmdb() refuses', () => {
  const file = writeMmdb(V6, { recordSize: 32 });
  const marker = file.lastIndexOf('MaxMind.com') - 3;

  function changed(change: (copy: Buffer) => void): Buffer {
    const copy = Buffer.from(file);
    change(copy);
    return copy;
  }

  /** Changes the value of a metadata key by its last byte. */
  function withMetadata(key: string, value: number): Buffer {
    return changed((copy) => {
      const at = copy.indexOf(key, marker) + key.length;
      copy[at + (copy[at]! & 0x1f)] = value;
    });
  }

  it.each([
    ['an empty file', Buffer.alloc(0), 'no-metadata'],
    ['a text', Buffer.from('country,code\n'), 'no-metadata'],
    ['a file without its end', file.subarray(0, marker + 20), 'bad-metadata'],
    ['a file without its beginning', file.subarray(file.length - 250), 'truncated'],
    ['another format version', withMetadata('binary_format_major_version', 3), 'unsupported'],
    ['another record size', withMetadata('record_size', 20), 'unsupported'],
    ['another IP version', withMetadata('ip_version', 5), 'unsupported'],
    ['a node that leads to itself', changed((copy) => copy.writeUInt32BE(0, 0)), 'bad-tree'],
    ['a node that leads to a node twice', changed((copy) => copy.copy(copy, 4, 0, 4)), 'bad-tree'],
    ['a pointer past the data', changed((copy) => copy.writeUInt32BE(0xffff_ffff, 4)), 'bad-tree'],
    [
      'a pointer between tree and data',
      changed((copy) => copy.writeUInt32BE(copy.readUInt32BE(4) + 1, 4)),
      'bad-tree',
    ],
  ])('%s', (_what, broken, code) => {
    const result = readMmdb(broken, 'broken.mmdb');
    expect(result).toMatchObject({ code });
    expect('message' in result && result.message).toMatch(/^broken\.mmdb /);
  });

  it('an IPv6 tree under an IPv4 label', () => {
    expect(codeOf(withMetadata('ip_version', 4))).toBe('bad-tree');
  });

  it('data of which a pointer leads to itself', () => {
    // The first record is a map of one pair; its value becomes a pointer to the map.
    const first = file.indexOf('country_code') - 2;
    const circle = Buffer.of(0xe1, 0x41, 0x61, 0x20, 0x00);
    expect(codeOf(changed((copy) => circle.copy(copy, first)))).toBe('bad-data');
  });
});

describe('readSearchTree()', () => {
  it('ends on a chain of nodes that is deeper than an address', () => {
    const bytes = new Uint8Array(40 * 6 + 16 + 1);
    for (let n = 0; n < 40; n++) {
      bytes[6 * n + 2] = n + 1;
      bytes[6 * n + 5] = 40;
    }
    const layout = { nodeCount: 40, recordSize: 24, ipVersion: 4, dataEnd: bytes.length } as const;
    expect(readSearchTree(bytes, layout, () => 0)).toEqual({
      code: 'bad-tree',
      message: 'node 32 lies deeper than 32 bits',
    });
  });
});

describe('isSoundValue()', () => {
  function isSound(...bytes: number[]): boolean {
    const section = { bytes: Uint8Array.from(bytes), start: 0, end: bytes.length };
    return isSoundValue(section, 0, { left: 1000, checked: new Set() });
  }

  it.each([
    ['a text', [0x42, 0x55, 0x53], true],
    ['a text that ends behind the section', [0x43, 0x55, 0x53], false],
    ['a map', [0xe1, 0x41, 0x61, 0xa1, 5], true],
    ['a map with a number as key', [0xe1, 0xa1, 5, 0xa1, 5], false],
    ['a map that ends early', [0xe2, 0x41, 0x61, 0xa1, 5], false],
    ['a double of four bytes', [0x64, 0, 0, 0, 0], false],
    ['an extended type that is none', [0x00, 0x00], false],
    ['the end marker', [0x00, 0x06], false],
    ['a list of sixteen million in five bytes', [0x1f, 0x04, 0xff, 0xff, 0xff], false],
    ['a pointer to itself', [0x20, 0x00], false],
    ['a list that holds itself', [0x01, 0x04, 0x20, 0x00], false],
    ['a pointer cut off', [0x38, 0x00], false],
    ['lists in lists', Array.from({ length: 40 }, () => [0x01, 0x04]).flat(), false],
    ['nothing', [], false],
  ])('judges %s', (_what, bytes, expected) => {
    expect(isSound(...bytes)).toBe(expected);
  });

  it('stops at the budget where pointers multiply', () => {
    // Each list of two points twice to the next; the last one is a text. Unchecked it stands for 2^6 texts.
    const bytes: number[] = [];
    for (let i = 0; i < 6; i++) bytes.push(0x02, 0x04, 0x20, 6 * (i + 1), 0x20, 6 * (i + 1));
    bytes.push(0x41, 0x61);
    const section = { bytes: Uint8Array.from(bytes), start: 0, end: bytes.length };
    const budget = { left: 1000, checked: new Set<number>() };
    expect(isSoundValue(section, 0, budget)).toBe(true);
    expect(budget.left).toBeGreaterThan(950);
    expect(isSoundValue(section, 0, { left: 5, checked: new Set() })).toBe(false);
  });
});

describe('readMmdb() of broken files ends in a value', () => {
  const files = [24, 28, 32].map((recordSize) =>
    writeMmdb(V6, { recordSize: recordSize as 24, hasAliases: true }),
  );

  /** Whatever was read must be usable: look-ups end, and find a location. */
  function probe(file: Buffer): void {
    const result = readMmdb(file, 'x');
    if ('code' in result) return;
    for (const address of ['0.0.0.0', '192.0.2.1', '255.255.255.255', '::', '2001:db8::', 'ffff::']) {
      const { id } = locate(result.trie, parseIPv4(address) ?? parseIPv6(address)!);
      expect(result.trie.locations[id]).toBeDefined();
    }
  }

  it.each(files)('cut off anywhere (%#)', (file) => {
    for (let length = 0; length < file.length; length++) probe(file.subarray(0, length));
    for (let start = 1; start < file.length; start++) probe(file.subarray(start));
  });

  it.each(files)('with any byte changed (%#)', (file) => {
    for (let at = 0; at < file.length; at++) {
      for (const flip of [0x01, 0x20, 0x80, 0xff]) {
        const copy = Buffer.from(file);
        copy[at]! ^= flip;
        probe(copy);
      }
    }
  });

  it('with several bytes changed', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    const changes = fc.array(change, { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom(...files), changes, (file, list) => {
        const copy = Buffer.from(file);
        for (const [at, byte] of list) copy[at % copy.length] = byte;
        probe(copy);
      }),
      { numRuns: 1000, seed: 20261121 },
    );
  });
});
