import { describe, expect, it } from 'vitest';
import { coalesceKey, isShareable } from '../../../../src/core/http/coalesce.js';
import { Head } from '../../../../src/core/http/head.js';
import { judgeRequest } from '../../../../src/core/http/hygiene.js';

function headOf(kind: 'request' | 'response', text: string): Head {
  const head = new Head(kind);
  const bytes = Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1');
  if (head.parse(bytes, 0, bytes.length) <= 0) throw new Error(`no head: ${head.error}`);
  return head;
}

function keyOf(line: string, ...fields: readonly string[]): string | null {
  const lines = [line, 'Host: www.example.com', ...fields];
  const head = headOf('request', `${lines.join('\n')}\n\n`);
  const facts = judgeRequest(head);
  if (!facts.ok) throw new Error(facts.message);
  return coalesceKey(head, facts);
}

const GET = 'GET /a?b=1 HTTP/1.1';

describe('coalesceKey()', () => {
  it('is the same for the same, whoever asks', () => {
    const one = keyOf(
      GET,
      'User-Agent: Firefox',
      'Accept: */*',
      'X-Forwarded-For: 192.0.2.1',
      'Connection: keep-alive',
    );
    expect(one).not.toBeNull();
    expect(keyOf(GET, 'User-Agent: curl', 'ACCEPT: */*', 'Sec-Fetch-Mode: cors')).toBe(one);
    expect(keyOf('GET /./a?b=1 HTTP/1.1', 'Accept: */*')).toBe(one);
  });

  it.each([
    ['another path', 'GET /c?b=1 HTTP/1.1', []],
    ['another query', 'GET /a?b=2 HTTP/1.1', []],
    ['another host', 'GET http://other.example.com/a?b=1 HTTP/1.1', []],
    ['Accept-Encoding', GET, ['Accept-Encoding: gzip']],
    ['Accept-Language', GET, ['Accept-Language: de']],
    ['what another proxy says of the host', GET, ['Forwarded: host=evil.example']],
    ['trailers', GET, ['TE: trailers']],
    ['Origin', GET, ['Origin: https://a.example']],
    ['a field that nobody knows', GET, ['X-Api-Key: secret']],
    ['a harmless Cache-Control', GET, ['Cache-Control: max-age=0']],
  ])('is another one for %s', (_, line, fields) => {
    const key = keyOf(line, ...fields);
    expect(key).not.toBeNull();
    expect(key).not.toBe(keyOf(GET));
  });

  it('can not be made to look like another one by what a client writes', () => {
    expect(keyOf(GET, 'X-A: 1', 'X-B: 2')).not.toBe(keyOf(GET, 'X-A: 1 X-B:2'));
    expect(keyOf(GET, 'X-A: 1', 'X-A: 2')).not.toBe(keyOf(GET, 'X-A: 1, 2'));
  });

  it.each([
    ['POST /a HTTP/1.1', ['Content-Length: 0']],
    ['HEAD /a HTTP/1.1', []],
    ['GET /a HTTP/1.0', ['Connection: keep-alive']],
    [GET, ['Connection: close']],
    [GET, ['Content-Length: 5']],
    [GET, ['Transfer-Encoding: chunked']],
    [GET, ['Connection: keep-alive, Accept', 'Accept: */*']],
    [GET, ['Connection: X-Any']],
    [GET, ['Cookie: a=1']],
    [GET, ['cookie: ']],
    [GET, ['Authorization: Bearer x']],
    [GET, ['Proxy-Authorization: Basic x']],
    [GET, ['Range: bytes=0-1']],
    [GET, ['If-None-Match: "x"']],
    [GET, ['If-Modified-Since: x']],
    [GET, ['If-Range: "x"']],
    [GET, ['Cache-Control: no-cache']],
    [GET, ['Cache-Control: max-age=0, No-Store']],
    [GET, ['Pragma: no-cache']],
    [GET, ['Connection: Upgrade', 'Upgrade: websocket']],
    [GET, ['Expect: 100-continue']],
  ])('lets %s with %j go alone', (line, fields) => {
    expect(keyOf(line, ...fields)).toBeNull();
  });
});

describe('isShareable()', () => {
  it.each([
    [true, 200, []],
    [true, 200, ['Cache-Control: max-age=60', 'Vary: Accept-Encoding, Origin', 'Content-Length: 3']],
    [true, 404, []],
    [true, 503, ['Retry-After: 5']],
    [false, 103, []],
    [false, 206, ['Content-Range: bytes 0-1/9']],
    [false, 304, []],
    [false, 401, []],
    [false, 403, []],
    [false, 429, []],
    [false, 200, ['Set-Cookie: session=1']],
    [false, 200, ['Cache-Control: max-age=1, private']],
    [false, 200, ['Cache-Control: No-Store']],
    [true, 200, ['Content-Type: text/html']],
    [false, 200, ['Content-Type: text/event-stream; charset=utf-8']],
    [false, 200, ['Content-Type: Multipart/x-mixed-replace']],
    [false, 200, ['Vary: *']],
    [false, 200, ['Vary: Accept, User-Agent']],
    [false, 200, ['Connection: close']],
  ])('says %s of %i with %j', (shared, status, fields) => {
    const lines = [`HTTP/1.1 ${status} x`, ...fields];
    expect(isShareable(headOf('response', `${lines.join('\n')}\n\n`))).toBe(shared);
  });
});
