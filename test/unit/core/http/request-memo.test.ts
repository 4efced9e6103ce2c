import { describe, expect, it } from 'vitest';
import { Head } from '../../../../src/core/http/head.js';
import { judgeRequest, judgeResponse } from '../../../../src/core/http/hygiene.js';
import { KNOWN_BYTES_MAX, RequestMemo } from '../../../../src/core/http/request-memo.js';
import { ResponseMemo } from '../../../../src/core/http/response-memo.js';

const GET = 'GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n';

/** What a connection does: looks, and reads what is not known. The target that was found, or what was done instead. */
function ask(
  memo: RequestMemo<string>,
  text: string,
  bytes: Uint8Array = Buffer.from(text, 'latin1'),
): string {
  const known = memo.find(bytes, 0, bytes.length);
  if (known !== null) {
    expect(Buffer.from(known.head.bytes).toString('latin1')).toBe(text);
    expect(known.length).toBe(text.length);
    return `known ${known.target}`;
  }
  const head = new Head('request');
  const length = head.parse(bytes, 0, bytes.length);
  const facts = judgeRequest(head);
  if (!facts.ok) throw new Error(facts.message);
  if (!memo.wants(length, bytes.length, facts)) return 'read';
  memo.learn(head, length, { facts, target: facts.target.path, usual: null });
  return 'learned';
}

const asked = (text: string): string[] => {
  const memo = new RequestMemo<string>();
  return [1, 2, 3].map(() => ask(memo, text));
};

describe('RequestMemo', () => {
  it('knows a request from its third time on', () => {
    expect(asked(GET)).toEqual(['read', 'learned', 'known /a']);
  });

  it.each([
    ['a body', GET.replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\nxy')],
    ['an empty body', GET.replace('\r\n\r\n', '\r\nContent-Length: 0\r\n\r\n')],
    ['chunks', GET.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n')],
    ['an upgrade', GET.replace('\r\n\r\n', '\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')],
    ['another one behind it', GET + GET],
    ['too long a head', GET.replace('\r\n\r\n', `\r\nX: ${'x'.repeat(KNOWN_BYTES_MAX)}\r\n\r\n`)],
  ])('reads a request with %s each time', (_, text) => {
    expect(asked(text)).toEqual(['read', 'read', 'read']);
  });

  it('knows a head of the longest length', () => {
    const text = GET.replace('\r\n\r\n', `\r\nX: ${'x'.repeat(KNOWN_BYTES_MAX - GET.length - 5)}\r\n\r\n`);
    expect(text.length).toBe(KNOWN_BYTES_MAX);
    expect(asked(text)).toEqual(['read', 'learned', 'known /a']);
  });

  it('keeps the bytes, also where the memory that they came in is used for others', () => {
    const memo = new RequestMemo<string>();
    const bytes = Buffer.alloc(200).subarray(50, 50 + GET.length);
    for (const expected of ['read', 'learned', 'known /a']) {
      bytes.write(GET, 'latin1');
      expect(ask(memo, GET, bytes)).toBe(expected);
      bytes.fill(120);
    }
  });

  it.each(Array.from({ length: 8 }, (_, i) => i))(
    'tells requests apart that differ in one byte (%i)',
    (i) => {
      const memo = new RequestMemo<string>();
      const at = GET.indexOf('/a') + 1;
      const other = `${GET.slice(0, at)}${String.fromCharCode(97 ^ (1 << Math.min(i, 4)))}${GET.slice(at + 1)}`;
      for (const _ of [1, 2, 3]) ask(memo, GET);
      expect(ask(memo, other)).toBe('read');
      expect(ask(memo, GET)).toBe('known /a');
    },
  );

  it('forgets and confuses: of more requests than it has room for it knows some, and takes none for another one', () => {
    const memo = new RequestMemo<string>();
    const texts = Array.from({ length: 500 }, (_, i) => GET.replace('/a', `/${i}`));
    const answers = texts.map((text) => [1, 2, 3].map(() => ask(memo, text)));
    expect(answers.every(([, , last], i) => last === `known /${i}`)).toBe(true);
    const known = texts.filter((text, i) => ask(memo, text) === `known /${i}`).length;
    expect(known).toBeGreaterThan(60);
    expect(known).toBeLessThanOrEqual(128);
  });

  it('never gives up a request that is asked for in between', () => {
    const memo = new RequestMemo<string>();
    for (const _ of [1, 2, 3]) ask(memo, GET);
    for (let i = 0; i < 2_000; i++) {
      ask(memo, GET.replace('/a', `/${i % 1_000}`));
      expect(ask(memo, GET)).toBe('known /a');
    }
  });
});

const OK = 'HTTP/1.1 200 OK\r\nDate: 1\r\nContent-Length: 2\r\n\r\n';

function answer(memo: ResponseMemo, text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  const known = memo.find(bytes, 0, bytes.length);
  if (known !== null) return `known ${known.facts.status}, ${known.length}`;
  const head = new Head('response');
  const length = head.parse(bytes, 0, bytes.length);
  if (length === 0) return 'more';
  const request = new Head('request');
  request.parse(Buffer.from(GET), 0, GET.length);
  const asked = judgeRequest(request);
  const facts = asked.ok ? judgeResponse(head, asked) : asked;
  if (!facts.ok) throw new Error(facts.message);
  if (!memo.wants(bytes, 0, length, facts)) return 'read';
  memo.learn(head, length, facts, null);
  return 'learned';
}

describe('ResponseMemo', () => {
  it('knows a head from its third time on, whatever body follows, until another one came twice', () => {
    const memo = new ResponseMemo();
    const later = OK.replace('Date: 1', 'Date: 2');
    expect([OK, OK, `${OK}ab`, `${OK}c`].map((text) => answer(memo, text))).toEqual([
      'read',
      'learned',
      `known 200, ${OK.length}`,
      `known 200, ${OK.length}`,
    ]);
    expect([OK.slice(0, -1), later, OK, later, later, later].map((text) => answer(memo, text))).toEqual([
      'more',
      'read',
      `known 200, ${OK.length}`,
      'learned',
      `known 200, ${OK.length}`,
      `known 200, ${OK.length}`,
    ]);
  });

  it.each([
    ['an interim head', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ['too long a head', OK.replace('\r\n\r\n', `\r\nX: ${'x'.repeat(1024)}\r\n\r\n`)],
  ])('reads %s each time', (_, text) => {
    const memo = new ResponseMemo();
    expect([1, 2, 3].map(() => answer(memo, text))).toEqual(['read', 'read', 'read']);
  });
});
