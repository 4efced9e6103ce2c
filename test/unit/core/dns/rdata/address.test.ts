import { describe, expect, it } from 'vitest';
import {
  formatIPv6,
  maskBytes,
  parseIPv4,
  parseIPv6,
  parsePrefix,
} from '../../../../../src/core/dns/rdata/address.js';

describe('parseIPv4()', () => {
  it.each([
    '192.0.2',
    '192.0.2.1.',
    '192.0.2.256',
    '192.0.02.1',
    '1e1.0.0.1',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '',
    '١.٢.٣.٤',
  ])('refuses %j', (text) => {
    expect(parseIPv4(text)).toBeUndefined();
  });

  it('reads the bytes', () => {
    expect(parseIPv4('192.0.2.255')).toEqual(Uint8Array.of(192, 0, 2, 255));
  });
});

describe('parseIPv6() and formatIPv6()', () => {
  it.each([
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['fe80::', 'fe80::'],
  ])('%s is %s (RFC 5952)', (text, expected) => {
    expect(formatIPv6(parseIPv6(text)!)).toBe(expected);
  });

  it.each([
    ...['', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', 'g::', '::1%eth0'],
    ...[
      '[::1]',
      '1:2:3:4:5:6:7:8::',
      '::1.2.3',
      '1.2.3.4::',
      '::1.2.3.4:5',
      '1:2:3:4:5:6:7:1.2.3.4',
      '1:',
      ':1',
    ],
  ])('refuses %j', (text) => {
    expect(parseIPv6(text)).toBeUndefined();
  });
});

describe('parsePrefix()', () => {
  it('reads prefixes, and addresses as prefixes of full length', () => {
    expect(parsePrefix('10.0.0.0/8')).toEqual({ bytes: Uint8Array.of(10, 0, 0, 0), length: 8 });
    expect(parsePrefix('0.0.0.0/0')).toMatchObject({ length: 0 });
    expect(parsePrefix('::/0')).toMatchObject({ length: 0 });
    expect(parsePrefix('192.0.2.1')).toMatchObject({ length: 32 });
    expect(parsePrefix('2001:db8::1')).toMatchObject({ length: 128 });
  });

  it.each([
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/',
    '/8',
    '10/8',
    '::/129',
    '10.0.0.0/8/8',
    '',
  ])('refuses %j', (text) => {
    expect(parsePrefix(text)).toMatchObject({ code: 'bad-prefix' });
  });

  it('says what was meant when bits beyond the length are set', () => {
    expect(parsePrefix('10.1.2.3/12')).toMatchObject({ message: expect.stringContaining('10.0.0.0/12') });
  });

  it('maskBytes() clears beyond the length', () => {
    expect(maskBytes(Uint8Array.of(255, 255, 255, 255), 13)).toEqual(Uint8Array.of(255, 248, 0, 0));
    expect(maskBytes(Uint8Array.of(255, 255), 0)).toEqual(Uint8Array.of(0, 0));
    expect(maskBytes(Uint8Array.of(255, 255), 16)).toEqual(Uint8Array.of(255, 255));
  });
});
