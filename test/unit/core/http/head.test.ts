import { describe, expect, it } from 'vitest';
import { HEAD_BYTES_MAX, HEADERS_MAX, Head } from '../../../../src/core/http/head.js';
import { bytesOf, parseHead } from '../../../support/http-message.js';

function withHeaders(count: number): string {
  return `GET / HTTP/1.1\r\n${Array.from({ length: count }, (_, i) => `X-${i}: ${i}\r\n`).join('')}\r\n`;
}

describe('Head', () => {
  it('gives names and values without the white space around them', () => {
    const head = parseHead(
      'request',
      'GET /x HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Many: \t b  c \t\r\n\r\n',
    ) as Head;
    expect([head.method, head.target, head.minor]).toEqual(['GET', '/x', 1]);
    expect([0, 1, 2].map((i) => [head.name(i), head.value(i)])).toEqual([
      ['Host', 'a'],
      ['X-Empty', ''],
      ['X-Many', 'b  c'],
    ]);
  });

  it('takes 100 header lines and refuses 101', () => {
    expect((parseHead('request', withHeaders(HEADERS_MAX)) as Head).count).toBe(100);
    expect(parseHead('request', withHeaders(HEADERS_MAX + 1))).toBe('too_many_headers');
  });

  it('takes a head of 32 KiB and refuses one byte more', () => {
    const sized = (size: number): string => {
      const frame = 'GET / HTTP/1.1\r\nX: \r\n\r\n';
      return frame.replace('X: ', `X: ${'a'.repeat(size - frame.length)}`);
    };
    expect(parseHead('request', sized(HEAD_BYTES_MAX))).toBeInstanceOf(Head);
    expect(parseHead('request', sized(HEAD_BYTES_MAX + 1))).toBe('head_too_large');
  });

  it('refuses an endless line before it is complete', () => {
    const head = new Head('request');
    const bytes = new Uint8Array(HEAD_BYTES_MAX).fill(65);
    expect(head.parse(bytes, 0, bytes.length)).toBe(-1);
    expect(head.error).toBe('head_too_large');
  });

  it('stops at the end of the head: what follows belongs to the body', () => {
    const head = new Head('request');
    const bytes = bytesOf('??GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /second');
    expect(head.parse(bytes, 2, bytes.length)).toBe('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.length);
  });

  it('reads the next head after reset()', () => {
    const head = parseHead('request', withHeaders(3)) as Head;
    head.reset();
    const bytes = bytesOf('PUT /y HTTP/1.0\r\n\r\n');
    expect(head.parse(bytes, 0, bytes.length)).toBe(bytes.length);
    expect([head.method, head.count, head.minor]).toEqual(['PUT', 0, 0]);
  });

  it('gives a status line without a reason', () => {
    const head = parseHead('response', 'HTTP/1.1 404\r\n\r\n') as Head;
    expect([head.status, head.reason]).toEqual([404, '']);
  });
});
