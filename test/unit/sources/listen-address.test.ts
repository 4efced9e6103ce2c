import { describe, expect, it } from 'vitest';
import { formatListen, isLoopback, parseListen } from '../../../src/sources/listen-address.js';

describe('parseListen()', () => {
  it.each<[string, string, number, boolean]>([
    ['127.0.0.1:5300', '127.0.0.1', 5300, true],
    ['127.8.9.1:1', '127.8.9.1', 1, true],
    ['0.0.0.0:53', '0.0.0.0', 53, false],
    ['[::1]:8300', '::1', 8300, true],
    ['[0:0:0:0:0:0:0:1]:8300', '0:0:0:0:0:0:0:1', 8300, true],
    ['[::]:0', '::', 0, false],
    ['[2001:db8::1]:65535', '2001:db8::1', 65_535, false],
    ['[1::1]:53', '1::1', 53, false],
    ['[::ffff:127.0.0.1]:53', '::ffff:127.0.0.1', 53, false],
  ])('reads %s', (text, host, port, loopback) => {
    const listen = parseListen(text)!;
    expect(listen).toEqual({ host, port });
    expect(formatListen(listen)).toBe(text);
    expect(isLoopback(listen)).toBe(loopback);
  });

  it.each([
    '',
    ':53',
    '53',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0:53',
    '999.0.0.1:53',
    'localhost:53',
    '::1:53',
    '[127.0.0.1]:53',
    '[::1]',
    '[::g]:53',
    ' 127.0.0.1:53',
    `[${'1:'.repeat(5000)}]:53`,
  ])('refuses "%s"', (text) => {
    expect(parseListen(text)).toBeUndefined();
  });
});
