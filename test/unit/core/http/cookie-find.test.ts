import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findCookie, setsCookie } from '../../../../src/core/http/cookie-find.js';
import { Head } from '../../../../src/core/http/head.js';

function headOf(kind: 'request' | 'response', lines: readonly string[]): Head {
  const first = kind === 'request' ? 'GET / HTTP/1.1' : 'HTTP/1.1 200 OK';
  const bytes = Buffer.from(`${[first, ...lines].join('\r\n')}\r\n\r\n`, 'latin1');
  const head = new Head(kind);
  expect(head.parse(bytes, 0, bytes.length)).toBe(bytes.length);
  return head;
}

function found(lines: readonly string[], name: string): string | null {
  const head = headOf('request', lines);
  const range = { start: 0, end: 0 };
  if (!findCookie(head, name, range)) return null;
  return Buffer.from(head.bytes.subarray(range.start, range.end)).toString('latin1');
}

describe('findCookie()', () => {
  it.each<[string, readonly string[], string | null]>([
    ['alone', ['Cookie: s=abc'], 'abc'],
    ['among others', ['Cookie: a=1; s=abc; b=2'], 'abc'],
    ['without spaces', ['Cookie: a=1;s=abc;b=2'], 'abc'],
    ['behind a name that begins alike', ['Cookie: session=1; s=abc'], 'abc'],
    ['behind a name that ends alike', ['Cookie: as=1; s=abc'], 'abc'],
    ['in a second line, as HTTP/2 may split them', ['Cookie: a=1', 'Cookie: s=abc'], 'abc'],
    ['twice: the first counts', ['Cookie: s=abc; s=def'], 'abc'],
    ['empty', ['Cookie: s=; t=1'], ''],
    ['with equals signs in the value', ['Cookie: s=a=b'], 'a=b'],
    ['in another letter case', ['Cookie: S=abc'], null],
    ['as a value', ['Cookie: a=s=abc'], null],
    ['without a value', ['Cookie: s'], null],
    ['nowhere', ['Host: s=abc'], null],
    ['behind 4000 others', [`Cookie: ${'x=1;'.repeat(4000)}s=abc`], 'abc'],
  ])('finds a cookie %s', (_, lines, value) => {
    expect(found(lines, 's')).toBe(value);
  });
});

it('findCookie() finds what a plain reading finds, in any header', () => {
  const piece = fc.constantFrom('s', 'ss', 'a', '=', ';', '; ', ' ', '\t', '"', '==', 's=', 's=1', ';s=2');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('');
      const pairs = text.split(';').map((pair) => pair.replace(/^[ \t]+|[ \t]+$/g, ''));
      const expected = pairs.find((pair) => pair.startsWith('s='));
      const value = expected?.slice(2).replace(/[ \t]+$/, '') ?? null;
      expect(found([`Cookie: ${text}`], 's')).toBe(value);
    }),
  );
});

describe('setsCookie()', () => {
  it.each<[readonly string[], boolean]>([
    [['Set-Cookie: s=1; Path=/'], true],
    [['Set-Cookie: t=1', 'set-cookie: s=1'], true],
    [['Set-Cookie: s =1'], true],
    [['Set-Cookie: ss=1'], false],
    [['Set-Cookie: s'], false],
    [['Set-Cookie: t=s=1'], false],
    [['Cookie: s=1'], false],
    [[], false],
  ])('%j: %s', (lines, expected) => {
    expect(setsCookie(headOf('response', lines), 's')).toBe(expected);
  });
});
