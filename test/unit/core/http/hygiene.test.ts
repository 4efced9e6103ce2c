import { describe, expect, it } from 'vitest';
import { judgeRequest, judgeResponse, type RequestFacts } from '../../../../src/core/http/hygiene.js';
import { parseHead } from '../../../support/http-message.js';

const HOST = 'Host: www.example.com\r\n';

function judge(text: string): RequestFacts | string {
  const head = parseHead('request', text);
  if (typeof head === 'string') return head;
  const facts = judgeRequest(head);
  return facts.ok ? facts : facts.code;
}

function post(fields: string, version = '1.1'): string {
  return `POST / HTTP/${version}\r\n${HOST}${fields}\r\n`;
}

describe('judgeRequest() refuses', () => {
  it.each([
    [
      'TE and CL together',
      post('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n'),
      'length_and_encoding',
    ],
    [
      'CL and TE together',
      post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n'),
      'length_and_encoding',
    ],
    ['an empty TE with CL', post('Transfer-Encoding:\r\nContent-Length: 3\r\n'), 'length_and_encoding'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 'host_missing'],
    ['two equal Hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 'host_many'],
    ['two different Hosts', `GET / HTTP/1.1\r\n${HOST}Host: evil\r\n\r\n`, 'host_many'],
    ['a list of Hosts', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 'host_invalid'],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 'host_invalid'],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 'host_invalid'],
    ['a Host with user information', 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n', 'host_invalid'],
    ['a Host with a port that does not exist', 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n', 'host_invalid'],
    ['an absolute target without Host', 'GET http://a/ HTTP/1.1\r\n\r\n', 'host_missing'],
    ['an absolute target with user information', `GET http://u@a/ HTTP/1.1\r\n${HOST}\r\n`, 'target'],
    ['a folded line', `GET / HTTP/1.1\r\n${HOST} folded\r\n\r\n`, 'obs_fold'],
    ['a folded line with a tab', `GET / HTTP/1.1\r\n${HOST}\tfolded\r\n\r\n`, 'obs_fold'],
    ['a folded first line', `GET / HTTP/1.1\r\n ${HOST}\r\n`, 'obs_fold'],
    ['a space before a colon', post('Content-Length : 3\r\n'), 'space_before_colon'],
    ['a tab before a colon', post('Content-Length\t: 3\r\n'), 'space_before_colon'],
    ['a space inside a name', post('Content Length: 3\r\n'), 'header_name'],
    ['a line without a colon', post('nonsense\r\n'), 'header_name'],
    ['a line without a name', post(': x\r\n'), 'header_name'],
    ['a bare LF at the end of a line', `GET / HTTP/1.1\nHost: a\r\n\r\n`, 'bare_lf'],
    ['a bare LF at the end of the head', `GET / HTTP/1.1\r\n${HOST}\n`, 'bare_lf'],
    ['a bare CR in a value', post('X: a\rb\r\n'), 'bare_cr'],
    ['a bare CR in a name', post('X\rY: a\r\n'), 'bare_cr'],
    ['a bare CR in the request line', `GET /\r HTTP/1.1\r\n${HOST}\r\n`, 'bare_cr'],
    ['NUL in a value', post('X: a\0b\r\n'), 'nul'],
    ['NUL in a name', post('X\0: a\r\n'), 'nul'],
    ['NUL in the target', `GET /\0 HTTP/1.1\r\n${HOST}\r\n`, 'nul'],
    ['another control character', post('X: a\x01b\r\n'), 'header_value'],
    ['an unknown coding', post('Transfer-Encoding: gzip\r\n'), 'encoding_unknown'],
    ['an unknown coding before chunked', post('Transfer-Encoding: gzip, chunked\r\n'), 'encoding_unknown'],
    ['identity', post('Transfer-Encoding: identity\r\n'), 'encoding_unknown'],
    ['chunked with a parameter', post('Transfer-Encoding: chunked;q=1\r\n'), 'encoding_unknown'],
    ['an empty TE', post('Transfer-Encoding:\r\n'), 'encoding_invalid'],
    ['a TE of ",chunked"', post('Transfer-Encoding: ,chunked\r\n'), 'encoding_invalid'],
    ['chunked twice', post('Transfer-Encoding: chunked, chunked\r\n'), 'encoding_invalid'],
    [
      'chunked on two lines',
      post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
      'encoding_invalid',
    ],
    ['a coding after chunked', post('Transfer-Encoding: chunked, gzip\r\n'), 'encoding_invalid'],
    ['chunked with a vertical tab', post('Transfer-Encoding: \x0bchunked\r\n'), 'header_value'],
    ['TE on HTTP/1.0', post('Transfer-Encoding: chunked\r\n', '1.0'), 'encoding_on_http10'],
    ['a CL with a sign', post('Content-Length: +3\r\n'), 'length_invalid'],
    ['a negative CL', post('Content-Length: -3\r\n'), 'length_invalid'],
    ['a hexadecimal CL', post('Content-Length: 0x3\r\n'), 'length_invalid'],
    ['an empty CL', post('Content-Length:\r\n'), 'length_invalid'],
    ['a CL that is a list', post('Content-Length: 3, 3\r\n'), 'length_invalid'],
    ['a CL beyond exact numbers', post('Content-Length: 9999999999999999\r\n'), 'length_invalid'],
    ['a CL twice', post('Content-Length: 3\r\nContent-Length: 3\r\n'), 'length_many'],
    ['two different CLs', post('Content-Length: 3\r\nContent-Length: 4\r\n'), 'length_many'],
    ['a Connection that names Host', post('Connection: host\r\n'), 'connection_invalid'],
    ['a Connection that names CL', post('Connection: Content-Length\r\n'), 'connection_invalid'],
    ['a Connection that is no token list', post('Connection: "close"\r\n'), 'connection_invalid'],
    ['"#" in the target', `GET /a#b HTTP/1.1\r\n${HOST}\r\n`, 'target'],
    ['a bad escape in the path', `GET /%zz HTTP/1.1\r\n${HOST}\r\n`, 'target'],
    ['an encoded NUL in the path', `GET /%00 HTTP/1.1\r\n${HOST}\r\n`, 'target'],
    ['a relative target', `GET a HTTP/1.1\r\n${HOST}\r\n`, 'target'],
    ['"*" with GET', `GET * HTTP/1.1\r\n${HOST}\r\n`, 'target'],
    ['a byte over 127 in the target', `GET /\xe4 HTTP/1.1\r\n${HOST}\r\n`, 'request_line'],
    ['two spaces in the request line', `GET  / HTTP/1.1\r\n${HOST}\r\n`, 'request_line'],
    ['a space in the target', `GET /a b HTTP/1.1\r\n${HOST}\r\n`, 'request_line'],
    ['a trailing space after the version', `GET / HTTP/1.1 \r\n${HOST}\r\n`, 'request_line'],
    ['HTTP/0.9', 'GET /\r\n\r\n', 'request_line'],
    ['a lower-case version', `GET / http/1.1\r\n${HOST}\r\n`, 'request_line'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\n', 'version'],
    ['HTTP/1.2', `GET / HTTP/1.2\r\n${HOST}\r\n`, 'version'],
    ['CONNECT', `CONNECT a:443 HTTP/1.1\r\n${HOST}\r\n`, 'method'],
    ['TRACE', `TRACE / HTTP/1.1\r\n${HOST}\r\n`, 'method'],
  ])('%s', (_, request, code) => {
    expect(judge(request)).toBe(code);
  });
});

describe('judgeRequest() understands', () => {
  it.each<[string, string, Partial<RequestFacts>]>([
    [
      'a plain request',
      `GET /a?b HTTP/1.1\r\n${HOST}\r\n`,
      { method: 'GET', host: 'www.example.com', keepAlive: true },
    ],
    ['close', post('Connection: Close\r\n'), { keepAlive: false }],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', { host: null, http10: true, keepAlive: false }],
    ['HTTP/1.0 with keep-alive', 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', { keepAlive: true }],
    [
      'an absolute target, which overrides Host',
      `GET http://other:81/x HTTP/1.1\r\n${HOST}\r\n`,
      { host: 'other:81' },
    ],
    [
      'a Host with an IPv6 address',
      'GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n',
      { host: '[2001:db8::1]:80' },
    ],
    [
      'chunked in any case',
      post('transfer-encoding: Chunked\r\n'),
      { framing: { ok: true, kind: 'chunked', length: 0 } },
    ],
    ['a length', post('Content-Length: 0042\r\n'), { framing: { ok: true, kind: 'length', length: 42 } }],
    ['TE trailers among others', post('TE: gzip;q=0.5, Trailers\r\n'), { trailers: true }],
    ['TE without trailers', post('TE: gzip\r\n'), { trailers: false }],
    [
      'an upgrade',
      post('Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n'),
      { upgrade: 'websocket' },
    ],
    ['an upgrade that Connection does not name', post('Upgrade: websocket\r\n'), { upgrade: null }],
    ['an upgrade to h2c, and drops it', post('Connection: Upgrade\r\nUpgrade: h2c\r\n'), { upgrade: null }],
    [
      'an upgrade with a body, and drops it',
      post('Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n'),
      { upgrade: null },
    ],
    ['an empty line before the request', `\r\nGET / HTTP/1.1\r\n${HOST}\r\n`, { method: 'GET' }],
  ])('%s', (_, request, facts) => {
    expect(judge(request)).toMatchObject(facts);
  });
});

describe('judgeResponse()', () => {
  const get = judge(`GET / HTTP/1.1\r\n${HOST}\r\n`) as RequestFacts;
  const headRequest = { ...get, method: 'HEAD' };

  function respond(text: string, request = get) {
    const head = parseHead('response', text);
    if (typeof head === 'string') return head;
    const facts = judgeResponse(head, request);
    return facts.ok ? facts : facts.code;
  }

  it.each([
    [
      'both TE and CL',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n',
      'length_and_encoding',
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 'length_many'],
    ['a coding it does not know', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n', 'encoding_unknown'],
    ['chunked on HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'encoding_on_http10'],
    ['101 that nobody asked for', 'HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n', 'upgrade_unasked'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n', 'status_line'],
    ['a status over 599', 'HTTP/1.1 600 OK\r\n\r\n', 'status_line'],
    ['another protocol', 'HTTP/2.0 200 OK\r\n\r\n', 'version'],
    ['no HTTP at all', 'SSH-2.0-OpenSSH\r\n\r\n', 'status_line'],
  ])('refuses %s', (_, text, code) => {
    expect(respond(text)).toBe(code);
  });

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', headRequest, 'none'],
    ['204', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n', get, 'none'],
    ['304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', get, 'none'],
    ['103', 'HTTP/1.1 103 Early Hints\r\n\r\n', get, 'none'],
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', get, 'length'],
    ['chunked', 'HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n', get, 'chunked'],
    ['neither', 'HTTP/1.1 200 OK\r\n\r\n', get, 'close'],
  ])('frames the body of %s', (_, text, request, kind) => {
    expect(respond(text, request)).toMatchObject({ framing: { kind } });
  });
});
