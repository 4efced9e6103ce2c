import { describe, expect, it } from 'vitest';
import type { Head } from '../../../../src/core/http/head.js';
import { judgeRequest, judgeResponse, type RequestFacts } from '../../../../src/core/http/hygiene.js';
import {
  type ForwardContext,
  writeRequestHead,
  writeResponseHead,
} from '../../../../src/core/http/rewrite.js';
import { parseHead, textOf } from '../../../support/http-message.js';

const CONTEXT: ForwardContext = {
  clientAddress: '192.0.2.7',
  proto: 'http',
  trusted: false,
  via: 'meridian',
  defaultHost: 'pool',
};

function forward(request: string, context: Partial<ForwardContext> = {}): string[] {
  const head = parseHead('request', request) as Head;
  const facts = judgeRequest(head) as RequestFacts;
  return textOf(writeRequestHead(head, facts, { ...CONTEXT, ...context })).split('\r\n');
}

describe('writeRequestHead()', () => {
  it('removes the fields of this hop and those that Connection names', () => {
    const lines = forward(
      'GET / HTTP/1.1\r\nA: 1\r\nHost: h\r\nConnection: close, B\r\nB: 2\r\nb: 3\r\nKeep-Alive: 1\r\n' +
        'Proxy-Connection: x\r\nUpgrade: y\r\nTE: gzip\r\nC: 4\r\n\r\n',
    );
    expect(lines.slice(0, 4)).toEqual(['GET / HTTP/1.1', 'Host: h', 'A: 1', 'C: 4']);
    expect(lines.join()).not.toMatch(/B: |Keep-Alive|Connection|Upgrade|TE:/);
  });

  it('replaces what an untrusted peer says about itself', () => {
    const lines = forward(
      'GET / HTTP/1.1\r\nHost: h:8080\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n' +
        'X-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\n\r\n',
    );
    expect(lines.slice(2, 7)).toEqual([
      'X-Forwarded-For: 192.0.2.7',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Host: h:8080',
      'Forwarded: for=192.0.2.7;host="h:8080";proto=http',
      'Via: 1.1 meridian',
    ]);
  });

  it('adds to what a trusted peer says', () => {
    const lines = forward(
      'GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n' +
        'X-Forwarded-Proto: https\r\nForwarded: for=1.1.1.1\r\n\r\n',
      { trusted: true, clientAddress: '2001:db8::7' },
    );
    expect(lines.slice(2, 6)).toEqual([
      'X-Forwarded-For: 1.1.1.1, 2.2.2.2, 2001:db8::7',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: h',
      'Forwarded: for=1.1.1.1, for="[2001:db8::7]";host=h;proto=http',
    ]);
  });

  it('says the authority of an absolute target as Host', () => {
    expect(forward('GET http://real/x HTTP/1.1\r\nHost: other\r\n\r\n').slice(0, 2)).toEqual([
      'GET /x HTTP/1.1',
      'Host: real',
    ]);
  });

  it('gives HTTP/1.0 without Host the default one, and keeps an earlier Via', () => {
    const lines = forward('GET / HTTP/1.0\r\nVia: 1.1 first\r\n\r\n');
    expect(lines.slice(0, 3)).toEqual(['GET / HTTP/1.1', 'Host: pool', 'Via: 1.1 first']);
    expect(lines).toContain('Via: 1.0 meridian');
  });

  it('passes on TE: trailers and an upgrade, with the Connection they need', () => {
    expect(forward('GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n')).toEqual(
      expect.arrayContaining(['TE: trailers', 'Connection: TE']),
    );
    expect(forward('GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')).toEqual(
      expect.arrayContaining(['Connection: upgrade', 'Upgrade: websocket']),
    );
  });
});

describe('writeResponseHead()', () => {
  const request = judgeRequest(
    parseHead('request', 'GET / HTTP/1.1\r\nHost: h\r\n\r\n') as Head,
  ) as RequestFacts;

  function pass(response: string, close = false, http10 = false): string {
    const head = parseHead('response', response) as Head;
    const facts = judgeResponse(head, request);
    if (!facts.ok) throw new Error(facts.message);
    return textOf(writeResponseHead(head, facts, { via: 'meridian', close, http10 }));
  }

  it.each([
    [
      'chunked',
      'HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nKeep-Alive: 5\r\n\r\n',
      'HTTP/1.1 200 Fine\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\nVia: 1.1 meridian\r\n\r\n',
    ],
    [
      '204, which has no length',
      'HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 204 No\r\nVia: 1.1 meridian\r\n\r\n',
    ],
    [
      'two cookies, as two lines',
      'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\nVia: 1.1 meridian\r\n\r\n',
    ],
  ])('passes on %s', (_, response, expected) => {
    expect(pass(response)).toBe(expected);
  });

  it('says what becomes of the connection', () => {
    const response = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
    expect(pass(response)).not.toContain('Connection');
    expect(pass(response, true)).toContain('\r\nConnection: close\r\n');
    expect(pass(response, false, true)).toContain('\r\nConnection: keep-alive\r\n');
  });
});
