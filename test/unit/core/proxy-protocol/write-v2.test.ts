import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../../src/core/proxy-protocol/crc32c.js';
import { describeConnection, sourceOf } from '../../../../src/core/proxy-protocol/header.js';
import {
  createProxyHeader,
  PROXY_HEADER_MAX,
  readProxyHeader,
} from '../../../../src/core/proxy-protocol/v2.js';
import { TLV_TYPE, writeProxyHeader } from '../../../../src/core/proxy-protocol/write-v2.js';

const CLIENT = { host: '192.0.2.7', port: 40_000 };
const SERVICE = { host: '198.51.100.1', port: 443 };

function headerOf(source = CLIENT, destination = SERVICE) {
  const header = createProxyHeader();
  describeConnection(source, destination, header);
  return header;
}

function written(header = headerOf(), tlvs: Parameters<typeof writeProxyHeader>[2] = []): Uint8Array {
  const into = new Uint8Array(PROXY_HEADER_MAX);
  return into.slice(0, writeProxyHeader(header, 'stream', tlvs, into, 0));
}

function length(bytes: Uint8Array): number {
  return readProxyHeader(bytes, 0, bytes.length, createProxyHeader());
}

describe('crc32c()', () => {
  it.each<[string, Uint8Array, number]>([
    ['the digits', Buffer.from('123456789'), 0xe3069283],
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ])('gives the value of RFC 3720 for %s', (_, bytes, expected) => {
    expect(crc32c(bytes, 0, bytes.length)).toBe(expected);
  });

  it('takes four bytes as zeros', () => {
    const bytes = new Uint8Array(32);
    bytes.fill(9, 10, 14);
    expect(crc32c(bytes, 0, 32, 10)).toBe(0x8a9136aa);
  });
});

describe('writeProxyHeader()', () => {
  it('writes addresses, ports and a checksum', () => {
    const bytes = written();
    expect([...bytes.subarray(12, 31)]).toEqual([
      ...[0x21, 0x11, 0, 19, 192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 1, 0xbb],
      ...[3, 0, 4],
    ]);
    expect(length(bytes)).toBe(35);
  });

  it('writes what a reader reads, of IPv6 and of mixed families', () => {
    const header = createProxyHeader();
    const bytes = written(headerOf({ host: '2001:db8::5', port: 1 }, SERVICE));
    expect(readProxyHeader(bytes, 0, bytes.length, header)).toBe(bytes.length);
    expect([header.family, sourceOf(header), header.destinationPort]).toEqual([
      6,
      { host: '2001:db8::5', port: 1 },
      443,
    ]);
    expect([...header.destination]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 198, 51, 100, 1]);
  });

  it('says LOCAL of what has no address', () => {
    const bytes = written(headerOf({ host: 'somewhere', port: 1 }));
    expect([bytes[12], bytes[13], length(bytes)]).toEqual([0x20, 0, bytes.length]);
  });

  it('carries TLVs, and leaves out what does not fit', () => {
    const name = Buffer.from('www.example.com');
    const tlvs = [
      { type: TLV_TYPE.AUTHORITY, value: name },
      { type: TLV_TYPE.ALPN, value: new Uint8Array(PROXY_HEADER_MAX) },
    ];
    const bytes = written(headerOf(), tlvs);
    expect(Buffer.from(bytes.subarray(31, 46)).toString()).toBe('www.example.com');
    expect(length(bytes)).toBe(53);
  });
});

describe('the checksum of a header', () => {
  it('makes every changed bit of addresses, ports and TLVs an error', () => {
    const whole = written(headerOf(), [{ type: TLV_TYPE.ALPN, value: Buffer.from('h2') }]);
    for (let bit = 16 * 8; bit < whole.length * 8; bit++) {
      const bytes = whole.slice();
      bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
      // A changed type of the checksum's TLV makes it another one, which nobody checks.
      const isType = bit >> 3 === whole.length - 7;
      if (!isType) expect(length(bytes), `bit ${bit}`).toBe(-1);
    }
  });

  it('is there at most once', () => {
    const one = [...written().subarray(28)];
    const bytes = Uint8Array.of(...written(), ...one);
    bytes[15] = 26;
    expect(length(bytes)).toBe(-1);
  });
});
