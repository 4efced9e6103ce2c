import { describe, expect, it } from 'vitest';
import { Head } from '../../../../src/core/http/head.js';
import { staleTerms, takesStale } from '../../../../src/core/http/stale-rules.js';

function headOf(first: string, lines: readonly string[]): Head {
  const bytes = Buffer.from(`${[first, ...lines].join('\r\n')}\r\n\r\n`, 'latin1');
  const head = new Head(first.startsWith('HTTP/') ? 'response' : 'request');
  head.parse(bytes, 0, bytes.length);
  return head;
}

const request = (...lines: readonly string[]) => headOf('GET / HTTP/1.1', lines);
const response = (...lines: readonly string[]) => headOf('HTTP/1.1 200 OK', lines);

describe('staleTerms()', () => {
  it.each([
    [['Cache-Control: max-age=60'], { seconds: Infinity, isPublic: false, byEncoding: false }],
    [['Cache-Control: public'], { seconds: Infinity, isPublic: true, byEncoding: false }],
    [['Cache-Control: max-age=60, stale-if-error=600'], { seconds: 660, isPublic: false, byEncoding: false }],
    [['Cache-Control: stale-if-error=600', 'Age: 100'], { seconds: 500, isPublic: false, byEncoding: false }],
    [
      ['cache-control: PUBLIC , Max-Age="9"', 'Vary: Accept-Encoding'],
      { seconds: Infinity, isPublic: true, byEncoding: true },
    ],
    [
      ['Cache-Control: max-age=60, stale-if-error=1000000000000'],
      { seconds: 1_000_000_000_060, isPublic: false, byEncoding: false },
    ],
  ])('%j may be kept', (lines, expected) => {
    expect(staleTerms(request(), response(...lines))).toEqual(expected);
  });

  it.each([
    [[]],
    [['Cache-Control: no-store, max-age=60']],
    [['Cache-Control: no-cache="Set-Cookie", max-age=60']],
    [['Cache-Control: private, max-age=60']],
    [['Cache-Control: max-age=60, must-revalidate']],
    [['Cache-Control: max-age=60, proxy-revalidate']],
    [['Cache-Control: s-maxage=60']],
    [['Cache-Control: max-age=60', 'Cache-Control: no-store']],
    [['Cache-Control: max-age=60', 'Set-Cookie: a=b']],
    [['Cache-Control: max-age=60', 'Vary: *']],
    [['Cache-Control: max-age=60', 'Vary: Cookie']],
    [['Cache-Control: max-age=60', 'Vary: Accept-Encoding, Cookie']],
    [['Cache-Control: max-age=60', 'Content-Range: bytes 0-1/2']],
    [['Cache-Control: max-age=soon']],
    [['Cache-Control: max-age=9999999999999999']],
    [[`Cache-Control: max-age=60${',x'.repeat(100)}`]],
  ])('%j may not', (lines) => {
    expect(staleTerms(request(), response(...lines))).toBeNull();
  });

  it.each([
    ['Authorization: Basic eA==', false, false],
    ['Range: bytes=0-1', false, false],
    ['Cache-Control: no-store', false, false],
    ['Cookie: session=1', false, true],
    ['X-Other: 1', true, true],
  ])('to a request with %s', (line, plain, whenPublic) => {
    const kept = (control: string) =>
      staleTerms(request(line), response(`Cache-Control: ${control}`)) !== null;
    expect([kept('max-age=60'), kept('public, max-age=60')]).toEqual([plain, whenPublic]);
  });
});

describe('takesStale()', () => {
  it.each([
    ['Authorization: Basic eA==', false, false],
    ['Cache-Control: no-cache', false, false],
    ['Cache-Control: no-store', false, false],
    ['Cookie: session=1', false, true],
    ['X-Other: 1', true, true],
  ])('a request with %s', (line, plain, whenPublic) => {
    const terms = { seconds: 60, byEncoding: false };
    const takes = (isPublic: boolean) => takesStale(request(line), { ...terms, isPublic });
    expect([takes(false), takes(true)]).toEqual([plain, whenPublic]);
  });
});
