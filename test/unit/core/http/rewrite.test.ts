import { describe, expect, it } from 'vitest';
import { ForwardedTails } from '../../../../src/core/http/forwarded-tail.js';
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
};

function forward(request: string, context: Partial<ForwardContext> = {}): string[] {
  const head = parseHead('request', request) as Head;
  const facts = judgeRequest(head) as RequestFacts;
  const all = { ...CONTEXT, ...context };
  const written = (one: ForwardContext): string => {
    const out = new Uint8Array(4096);
    return textOf(out.subarray(0, writeRequestHead(out, head, facts, one, 'pool')));
  };
  const text = written(all);
  // Kept tails change nothing but the time it takes.
  const tails = new ForwardedTails(all.proto, all.via);
  for (let times = 0; times < 2; times++) expect(written({ ...all, tails })).toBe(text);
  return text.split('\r\n');
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

  it('says no rather than write past the room that there is, with the usual fields too', () => {
    const head = parseHead('request', 'GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\n') as Head;
    const facts = judgeRequest(head) as RequestFacts;
    const tails = new ForwardedTails('http', 'meridian');
    for (const context of [CONTEXT, { ...CONTEXT, tails, clientAddress: '2001:db8::7' }]) {
      const whole = writeRequestHead(new Uint8Array(4096), head, facts, context, 'pool');
      for (let room = 0; room < whole + 100; room++) {
        const out = new Uint8Array(room + 100);
        const length = writeRequestHead(out.subarray(0, room), head, facts, context, 'pool');
        expect([-1, whole]).toContain(length);
        if (room < whole) expect(length).toBe(-1);
      }
    }
  });

  it('keeps the fields of a bounded number of hosts, each with its own', () => {
    const tails = new ForwardedTails('https', 'meridian');
    const first = tails.find('a.test', 1);
    expect(tails.find('a.test', 1)).toBe(first);
    for (let i = 0; i < 1_000; i++) {
      const out = new Uint8Array(1024);
      const end = tails.find(`h${i}.test`, i % 2).write(out, 0, '192.0.2.1');
      const text = textOf(out.subarray(0, end));
      expect(text).toContain(
        `X-Forwarded-Host: h${i}.test\r\nForwarded: for=192.0.2.1;host=h${i}.test;proto=https`,
      );
      expect(text).toContain(`Via: 1.${i % 2} meridian`);
    }
    expect(tails.find('a.test', 1)).not.toBe(first);
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
    const out = new Uint8Array(4096);
    const length = writeResponseHead(out, head, facts, { via: 'meridian', close, http10 });
    return textOf(out.subarray(0, length));
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
