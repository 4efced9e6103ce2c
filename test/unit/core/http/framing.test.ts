import { describe, expect, it } from 'vitest';
import { BodyDecoder, type Framing } from '../../../../src/core/http/framing.js';
import { bytesOf, textOf } from '../../../support/http-message.js';

const CHUNKED: Framing = { ok: true, kind: 'chunked', length: 0 };

function decode(framing: Framing, text: string) {
  const decoder = new BodyDecoder();
  decoder.begin(framing);
  const bytes = bytesOf(text);
  let data = '';
  const used = decoder.feed(bytes, 0, bytes.length, (part, start, end) => {
    data += textOf(part.subarray(start, end));
  });
  return { data, used, done: decoder.done, error: decoder.error };
}

describe('BodyDecoder', () => {
  it.each([
    ['chunks', '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nNEXT', 'hello world'],
    [
      'upper and lower hexadecimal and leading zeros',
      '00A\r\n0123456789\r\n0a\r\nabcdefghij\r\n0\r\n\r\nNEXT',
      '0123456789abcdefghij',
    ],
    ['extensions', '1;a=b;c="d e"\r\nx\r\n0;z\r\n\r\nNEXT', 'x'],
    ['trailers', '1\r\nx\r\n0\r\nX-A: 1\r\nX-B:\r\n\r\nNEXT', 'x'],
  ])('reads %s and leaves what follows', (_, text, data) => {
    expect(decode(CHUNKED, text)).toEqual({ data, used: text.length - 4, done: true, error: null });
  });

  it.each([
    ['no size', '\r\n', 'chunk_size'],
    ['a sign', '+5\r\n', 'chunk_size'],
    ['a prefix', '0x5\r\n', 'chunk_size'],
    ['a space before the size', ' 5\r\n', 'chunk_size'],
    ['a space after the size', '5 \r\n', 'chunk_size'],
    ['a size that overflows', 'fffffffffffffffff\r\n', 'chunk_size'],
    ['a size of 13 digits', '1000000000000\r\n', 'chunk_size'],
    ['a bare LF after the size', '5\nhello', 'chunk_size'],
    ['a bare CR after the size', '5\rhello', 'chunk_size'],
    ['a bare LF in an extension', '5;a\nhello', 'chunk_extension'],
    ['an endless extension', `5;${'a'.repeat(20_000)}`, 'chunk_extension'],
    ['more data than its size', '1\r\nxy\r\n', 'chunk_end'],
    ['a bare LF after the data', '1\r\nx\n0\r\n\r\n', 'chunk_end'],
    ['a bare LF at the end', '0\r\n\n', 'trailer'],
    ['a folded trailer', '0\r\nX: 1\r\n y\r\n\r\n', 'trailer'],
    ['a space before the colon of a trailer', '0\r\nX : 1\r\n\r\n', 'trailer'],
    ['a trailer without a colon', '0\r\nX\r\n\r\n', 'trailer'],
    ['a trailer that frames', '0\r\nContent-Length: 1\r\n\r\n', 'trailer'],
    ['a trailer that frames, in capitals', '0\r\nTRANSFER-ENCODING: x\r\n\r\n', 'trailer'],
    ['a trailer of Host', '0\r\nhost: x\r\n\r\n', 'trailer'],
    ['endless trailers', `0\r\n${'X: 1\r\n'.repeat(200)}`, 'trailer'],
    ['a trailer line without end', `0\r\nX: ${'a'.repeat(40_000)}`, 'trailer'],
  ])('refuses %s', (_, text, code) => {
    expect(decode(CHUNKED, text)).toMatchObject({ done: false, error: code });
  });

  it('adds up extensions over all chunks', () => {
    const chunk = `1;${'a'.repeat(4_000)}\r\nx\r\n`;
    expect(decode(CHUNKED, chunk.repeat(3)).error).toBeNull();
    expect(decode(CHUNKED, chunk.repeat(6)).error).toBe('chunk_extension');
  });

  it('counts a length and leaves what follows', () => {
    const framing: Framing = { ok: true, kind: 'length', length: 5 };
    expect(decode(framing, 'helloNEXT')).toEqual({ data: 'hello', used: 5, done: true, error: null });
  });

  it('takes everything until close and is never done by itself', () => {
    const framing: Framing = { ok: true, kind: 'close', length: 0 };
    expect(decode(framing, 'abc')).toEqual({ data: 'abc', used: 3, done: false, error: null });
  });

  it('is done at once without a body', () => {
    for (const kind of ['none', 'length'] as const) {
      expect(decode({ ok: true, kind, length: 0 }, 'NEXT')).toMatchObject({ used: 0, done: true });
    }
  });
});
