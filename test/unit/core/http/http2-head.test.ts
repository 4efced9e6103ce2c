import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Head } from '../../../../src/core/http/head.js';
import {
  checkedTrailers,
  fieldsOf,
  fieldValue,
  requestHead,
  responseHead,
  trailerFields,
} from '../../../../src/core/http/http2-head.js';
import { judgeRequest } from '../../../../src/core/http/hygiene.js';

const GET = [':method', 'GET', ':scheme', 'https', ':path', '/a?b', ':authority', 'x.test'];

function text(head: Uint8Array | string): string {
  return typeof head === 'string' ? `refused: ${head}` : Buffer.from(head).toString('latin1');
}

describe('requestHead()', () => {
  it('writes a head that HTTP/1.1 reads', () => {
    const head = requestHead([...GET, 'x-a', 'é', 'x-a', '2', 'te', 'trailers'], false);
    expect(text(head)).toBe('GET /a?b HTTP/1.1\r\nhost: x.test\r\nx-a: é\r\nx-a: 2\r\nte: trailers\r\n\r\n');
  });

  it.each([
    ['a body without a length', [], true, 'transfer-encoding: chunked'],
    ['a body with a length', ['content-length', '3'], true, 'content-length: 3'],
    ['crumbs of a cookie', ['cookie', 'a=1', 'x', 'y', 'cookie', 'b=2'], false, 'cookie: a=1; b=2'],
  ])('for %s', (_name, fields, hasBody, line) => {
    expect(text(requestHead([...GET, ...fields], hasBody))).toContain(`\r\n${line}\r\n`);
  });

  it('takes the Host where there is no :authority', () => {
    const head = requestHead([...GET.slice(0, 6), 'host', 'y.test'], false);
    expect(text(head)).toContain('\r\nhost: y.test\r\n');
  });

  const without = (name: string) => {
    const at = GET.indexOf(name);
    return GET.toSpliced(at, 2);
  };

  it.each([
    ['no method', without(':method'), 'pseudo_header'],
    ['no scheme', without(':scheme'), 'pseudo_header'],
    ['another scheme', [...without(':scheme'), ':scheme', 'ftp'], 'pseudo_header'],
    ['no path', without(':path'), 'pseudo_header'],
    ['an absolute path', [...without(':path'), ':path', 'http://y.test/'], 'pseudo_header'],
    ['a space in the path', [...without(':path'), ':path', '/a b'], 'target'],
    ['a space in the method', [...without(':method'), ':method', 'GET /x'], 'target'],
    ['CONNECT', [':method', 'CONNECT', ':authority', 'x.test:80'], 'method'],
    ['a pseudo header twice', [...GET, ':path', '/b'], 'pseudo_header'],
    ['an unknown one', [...GET, ':protocol', 'websocket'], 'pseudo_header'],
    ['one behind other fields', ['x', 'y', ...GET], 'pseudo_header'],
    ['no authority', without(':authority'), 'host_missing'],
    ['Host other than :authority', [...GET, 'host', 'y.test'], 'authority_differs'],
    ['two Hosts', [...GET, 'host', 'x.test', 'host', 'x.test'], 'host_many'],
    ['an upper-case name', [...GET, 'X-A', '1'], 'header_name'],
    ['a colon in a name', [...GET, 'x:a', '1'], 'header_name'],
    ['an empty name', [...GET, '', '1'], 'header_name'],
    ['a line break in a name', [...GET, 'a\r\nb', '1'], 'header_name'],
    ['a line break in a value', [...GET, 'a', '1\r\nb: 2'], 'header_value'],
    ['a line break in the path', [...without(':path'), ':path', '/\r\nx: y'], 'header_value'],
    ['NUL', [...GET, 'a', '\0'], 'header_value'],
    ['connection', [...GET, 'connection', 'close'], 'hop_field'],
    ['transfer-encoding', [...GET, 'transfer-encoding', 'chunked'], 'hop_field'],
    ['upgrade', [...GET, 'upgrade', 'websocket'], 'hop_field'],
    ['te other than trailers', [...GET, 'te', 'gzip'], 'hop_field'],
  ])('refuses %s', (_name, fields, code) => {
    expect(requestHead(fields, false)).toBe(code);
  });

  it('never lets a field become another one: what is parsed is what came', () => {
    const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
    const string = fc.array(byte, { maxLength: 12 }).map((bytes) => bytes.join(''));
    const name = fc.oneof(string, fc.constantFrom('host', 'te', 'cookie', 'content-length', ':path', 'x-a'));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, string), { maxLength: 6 }), fc.boolean(), (pairs, hasBody) => {
        const bytes = requestHead([...GET, ...pairs.flat()], hasBody);
        if (typeof bytes === 'string') return;
        const head = new Head('request');
        const length = head.parse(bytes, 0, bytes.length);
        if (length < 0) return;
        // The first empty line is the last: nothing was smuggled behind the head.
        expect(length).toBe(bytes.length);
        const added = hasBody && !pairs.some(([one]) => one === 'content-length') ? 1 : 0;
        const cookies = pairs.filter(([one]) => one === 'cookie').length;
        const hosts = pairs.filter(([one]) => one === 'host').length;
        expect(head.count).toBe(
          1 + pairs.length - hosts - Math.max(cookies - 1, 0) + added - emptyCookie(pairs),
        );
        judgeRequest(head);
      }),
      { numRuns: 2000 },
    );
  });
});

/** Cookies that are all empty make no field. */
function emptyCookie(pairs: readonly (readonly [string, string])[]): number {
  const cookies = pairs.filter(([name]) => name === 'cookie');
  return cookies.length > 0 && cookies.every(([, value]) => value === '') ? 1 : 0;
}

describe('responseHead()', () => {
  it('writes a head that HTTP/1.1 reads', () => {
    expect(text(responseHead([':status', '200', 'a', 'b']))).toBe('HTTP/1.1 200 \r\na: b\r\n\r\n');
  });

  it.each([
    ['no status', ['a', 'b'], 'status_line'],
    ['a long status', [':status', '2000'], 'status_line'],
    ['two', [':status', '200', ':status', '200'], 'pseudo_header'],
    ['a field of the connection', [':status', '200', 'connection', 'close'], 'hop_field'],
    ['a line break', [':status', '200', 'a', 'b\r\nc: d'], 'header_value'],
    ['a bad name', [':status', '200', 'a b', 'c'], 'header_name'],
  ])('refuses %s', (_name, fields, code) => {
    expect(responseHead(fields)).toBe(code);
  });
});

describe('fields', () => {
  it('of a written head, without those of the connection', () => {
    const head = Buffer.from(
      'GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: TE\r\nTE: trailers\r\nX-A:  b \r\n\r\n',
    );
    expect(fieldsOf(head)).toEqual(['host', 'x', 'te', 'trailers', 'x-a', 'b']);
  });

  it('of trailers, without those that would change the message', () => {
    expect(trailerFields('X-Sum: 7\r\nKeep-Alive: 1\r\n')).toEqual(['x-sum', '7']);
    expect(trailerFields('')).toEqual([]);
    expect(checkedTrailers(['grpc-status', '0', 'content-length', '3', 'host', 'x'])).toEqual([
      'grpc-status',
      '0',
    ]);
    expect(checkedTrailers([':status', '200'])).toBeNull();
    expect(checkedTrailers(['a', 'b\nc'])).toBeNull();
  });

  it('are found by name', () => {
    expect(fieldValue(['a', '1', 'b', '2', 'b', '3'], 'b')).toBe('2');
    expect(fieldValue(['a', 'b'], 'b')).toBeNull();
  });
});
