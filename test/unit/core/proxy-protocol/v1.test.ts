import { describe, expect, it } from 'vitest';
import { readProxyLine, writeProxyLine } from '../../../../src/core/proxy-protocol/v1.js';
import { createProxyHeader } from '../../../../src/core/proxy-protocol/v2.js';

const WORST = `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`;

function read(text: string) {
  const header = createProxyHeader();
  const bytes = Buffer.from(text, 'latin1');
  return { length: readProxyLine(bytes, 0, bytes.length, header), header };
}

describe('readProxyLine()', () => {
  it('reads addresses and ports of IPv4', () => {
    const { length, header } = read('PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\nGET /');
    expect(length).toBe(45);
    expect([
      header.family,
      [...header.source.subarray(0, 4)],
      [...header.destination.subarray(0, 4)],
    ]).toEqual([4, [192, 0, 2, 7], [198, 51, 100, 1]]);
    expect([header.sourcePort, header.destinationPort]).toEqual([40_000, 443]);
  });

  it.each([
    ['IPv6', 'PROXY TCP6 2001:db8::1 ::1 1 65535\r\n', 6],
    ['upper case and an embedded IPv4 address', 'PROXY TCP6 2001:DB8::A ::ffff:192.0.2.1 0 0\r\n', 6],
    ['UNKNOWN', 'PROXY UNKNOWN\r\n', 0],
    ['UNKNOWN with anything behind', 'PROXY UNKNOWN ffff::1 what ever 99999\r\n', 0],
    ['the longest line of UNKNOWN', `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`, 0],
  ])('reads %s', (_, text, family) => {
    const { length, header } = read(text);
    expect([length, header.family]).toEqual([text.length, family]);
  });

  it('reads the longest line of two IPv6 addresses, 104 bytes', () => {
    expect(WORST.length).toBe(104);
    expect(read(WORST).length).toBe(104);
  });

  it.each([
    ['a leading zero of a port', 'PROXY TCP4 192.0.2.7 198.51.100.1 040 443\r\n'],
    ['a leading zero of an address', 'PROXY TCP4 192.0.2.07 198.51.100.1 40 443\r\n'],
    ['a port beyond 65535', 'PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n'],
    ['a signed port', 'PROXY TCP4 192.0.2.7 198.51.100.1 +40 443\r\n'],
    ['IPv6 addresses of TCP4', 'PROXY TCP4 ::1 ::1 40 443\r\n'],
    ['IPv4 addresses of TCP6', 'PROXY TCP6 192.0.2.7 198.51.100.1 40 443\r\n'],
    ['two spaces', 'PROXY TCP4  192.0.2.7 198.51.100.1 40 443\r\n'],
    ['a space at the end', 'PROXY TCP4 192.0.2.7 198.51.100.1 40 443 \r\n'],
    ['a field too few', 'PROXY TCP4 192.0.2.7 198.51.100.1 40\r\n'],
    ['another protocol', 'PROXY UDP4 192.0.2.7 198.51.100.1 40 443\r\n'],
    ['lower case', 'proxy TCP4 192.0.2.7 198.51.100.1 40 443\r\n'],
    ['a bare line feed', 'PROXY TCP4 192.0.2.7 198.51.100.1 40 443\n'],
    ['a bare carriage return', 'PROXY UNKNOWN\rx'],
    ['NUL', 'PROXY UNKNOWN \0\r\n'],
    ['a tab', 'PROXY\tTCP4 192.0.2.7 198.51.100.1 40 443\r\n'],
    ['108 bytes', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`],
    ['107 bytes without an end', `PROXY UNKNOWN ${'x'.repeat(93)}`],
    ['an HTTP request', 'GET / HTTP/1.1\r\n'],
  ])('refuses %s', (_, text) => {
    expect(read(text).length).toBe(-1);
  });

  it('asks for more at every place where a line may be cut', () => {
    for (const text of [WORST, 'PROXY UNKNOWN\r\n']) {
      for (let end = 0; end < text.length; end++) expect(read(text.slice(0, end)).length, `${end}`).toBe(0);
    }
  });
});

describe('writeProxyLine()', () => {
  it.each([
    'PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n',
    'PROXY TCP6 2001:db8::1 ::1 1 65535\r\n',
    'PROXY UNKNOWN\r\n',
    WORST,
  ])('writes %j as it was read', (text) => {
    const into = new Uint8Array(200);
    const end = writeProxyLine(read(text).header, into, 3);
    expect(Buffer.from(into.subarray(3, end)).toString('latin1')).toBe(text);
  });
});
