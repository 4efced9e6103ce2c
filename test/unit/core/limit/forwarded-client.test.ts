import { describe, expect, it } from 'vitest';
import { Head } from '../../../../src/core/http/head.js';
import { forwardedClient } from '../../../../src/core/limit/forwarded-client.js';

const PEER = '10.0.0.1';

function clientOf(...lines: readonly string[]): string {
  const head = new Head('request');
  const text = ['GET / HTTP/1.1', 'Host: x', ...lines.map((line) => `X-Forwarded-For: ${line}`), '', ''];
  const bytes = Buffer.from(text.join('\r\n'), 'latin1');
  head.parse(bytes, 0, bytes.length);
  return forwardedClient(head, PEER);
}

describe('forwardedClient()', () => {
  it.each([
    ['one address', ['192.0.2.1'], '192.0.2.1'],
    ['the last one, which the trusted peer has written', ['203.0.113.9, 192.0.2.1'], '192.0.2.1'],
    ['of the last line', ['203.0.113.9', '192.0.2.1'], '192.0.2.1'],
    ['IPv6', ['2001:db8::1'], '2001:db8::1'],
    ['IPv4 with a port', ['192.0.2.1:50123'], '192.0.2.1'],
    ['IPv6 with a port', ['[2001:db8::1]:50123'], '2001:db8::1'],
    ['IPv6 in brackets', ['[2001:db8::1]'], '2001:db8::1'],
    ['IPv4 in IPv6', ['::ffff:192.0.2.1'], '::ffff:192.0.2.1'],
    ['IPv4 in IPv6 with a port', ['[::ffff:192.0.2.1]:80'], '::ffff:192.0.2.1'],
  ])('takes %s', (_, lines, expected) => {
    expect(clientOf(...lines)).toBe(expected);
  });

  it.each([
    ['none', []],
    ['an empty one', ['']],
    ['a comma at the end', ['192.0.2.1,']],
    ['a word', ['unknown']],
    ['an obfuscated name (RFC 7239 §6.3)', ['_hidden']],
    ['no whole address', ['192.0.2']],
    ['too large a number', ['192.0.2.256']],
    ['a port that is none', ['192.0.2.1:x']],
    ['an open bracket', ['[2001:db8::1']],
    ['IPv4 in brackets', ['[192.0.2.1]']],
    ['what is too long', [`192.0.2.1${'0'.repeat(60)}`]],
    ['other bytes', ['192.0.2.\xff']],
  ])(
    'takes the peer itself for %s: a list of clients must not be passed by what is no address',
    (_, lines) => {
      expect(clientOf(...lines)).toBe(PEER);
    },
  );
});
