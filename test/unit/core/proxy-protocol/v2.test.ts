import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTrusted } from '../../../../src/core/proxy-protocol/trusted.js';
import { createProxyHeader, readProxyHeader } from '../../../../src/core/proxy-protocol/v2.js';
import { proxyHeader } from '../../../support/proxy-header.js';

const V4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 0, 53];
const V6 = [...Array.from({ length: 16 }, (_, i) => i + 1), ...Array<number>(16).fill(9), 1, 2, 0, 53];
const TLV = [0x04, 0, 2, 7, 7];

function read(bytes: Uint8Array) {
  const header = createProxyHeader();
  const length = readProxyHeader(bytes, 0, bytes.length, header);
  return [length, header.family, [...header.source.subarray(0, header.family === 4 ? 4 : 16)]];
}

describe('readProxyHeader()', () => {
  it.each<[string, Uint8Array, number, number]>([
    ['IPv4 over TCP', proxyHeader(0x21, 0x11, V4), 28, 4],
    ['IPv4 over UDP', proxyHeader(0x21, 0x12, V4), 28, 4],
    ['IPv6', proxyHeader(0x21, 0x21, V6), 52, 6],
    ['TLVs behind the addresses', proxyHeader(0x21, 0x11, [...V4, ...TLV, ...TLV]), 38, 4],
    ['LOCAL', proxyHeader(0x20, 0x00, []), 16, 0],
    ['LOCAL with anything behind', proxyHeader(0x20, 0x11, [1, 2, 3]), 19, 0],
    ['no family, with anything behind', proxyHeader(0x21, 0x00, [1, 2, 3]), 19, 0],
    ['unix', proxyHeader(0x21, 0x31, Array<number>(216).fill(0)), 232, 0],
  ])('reads %s', (_, bytes, length, family) => {
    expect(read(bytes).slice(0, 2)).toEqual([length, family]);
  });

  it('tells the source, not the destination', () => {
    expect(read(proxyHeader(0x21, 0x11, V4))[2]).toEqual([192, 0, 2, 7]);
    expect(read(proxyHeader(0x21, 0x21, V6))[2]).toEqual(V6.slice(0, 16));
  });

  it.each<[string, Uint8Array]>([
    ['version 1', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 4660 53\r\n')],
    ['a wrong version', proxyHeader(0x11, 0x11, V4)],
    ['an unknown command', proxyHeader(0x22, 0x11, V4)],
    ['an unknown family', proxyHeader(0x21, 0x41, V4)],
    ['an unknown transport', proxyHeader(0x21, 0x13, V4)],
    ['IPv4 addresses that are cut', proxyHeader(0x21, 0x11, V4.slice(0, 11))],
    ['IPv6 with the length of IPv4', proxyHeader(0x21, 0x21, V4)],
    ['a TLV longer than the header', proxyHeader(0x21, 0x11, [...V4, 4, 0, 9, 1])],
    ['half the head of a TLV', proxyHeader(0x21, 0x11, [...V4, 4, 0])],
    ['a header longer than anybody sends', proxyHeader(0x20, 0, Array<number>(1009).fill(0))],
    ['a DNS query', Uint8Array.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)],
  ])('refuses %s', (_, bytes) => {
    expect(read(bytes)[0]).toBe(-1);
  });

  it('asks for more at every place where a header may be cut', () => {
    const whole = proxyHeader(0x21, 0x21, [...V6, ...TLV]);
    for (let end = 0; end < whole.length; end++) expect(read(whole.slice(0, end))[0]).toBe(0);
    expect(read(Uint8Array.of(...whole, 1, 2, 3))[0]).toBe(whole.length);
  });

  it('never claims more bytes than there are, whatever they are', () => {
    const start = [...proxyHeader(0x21, 0x11, []).slice(0, 12)];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), fc.nat(8), (tail, isSigned, skip) => {
        const bytes = Uint8Array.of(...Array<number>(skip).fill(0), ...(isSigned ? start : []), ...tail);
        const length = readProxyHeader(bytes, skip, bytes.length, createProxyHeader());
        expect(length === -1 || length === 0 || (length >= 16 && skip + length <= bytes.length)).toBe(true);
      }),
    );
  });
});

describe('isTrusted()', () => {
  const prefixes = [
    { bytes: Uint8Array.of(10, 1, 0x80, 0), length: 17 },
    { bytes: Uint8Array.of(0x20, 1, ...Array<number>(14).fill(0)), length: 16 },
  ];
  it.each<[string, readonly number[], 4 | 6, boolean]>([
    ['inside', [10, 1, 0xff, 9], 4, true],
    ['one bit outside', [10, 1, 0x7f, 9], 4, false],
    ['inside, IPv6', [0x20, 1, 5, ...Array<number>(13).fill(3)], 6, true],
    ['outside, IPv6', [0x20, 2, 5, ...Array<number>(13).fill(3)], 6, false],
    ['an IPv4 address that begins like an IPv6 prefix', [0x20, 1, 0, 0], 4, false],
  ])('%s', (_, address, family, expected) => {
    expect(isTrusted(prefixes, Uint8Array.of(9, ...address), 1, family)).toBe(expected);
  });
});
