import { expect, it } from 'vitest';
import {
  compressionEdits,
  compressionRefusal,
  DEFAULT_COMPRESSION,
} from '../../../../src/core/http/compression.js';
import { fieldEdits } from '../../../../src/core/http/field-edits.js';
import { Head } from '../../../../src/core/http/head.js';
import { judgeRequest, judgeResponse, type ResponseFacts } from '../../../../src/core/http/hygiene.js';
import { writeResponseHead } from '../../../../src/core/http/rewrite.js';

function response(lines: string, { status = 200, method = 'GET' } = {}) {
  const asked = new Head('request');
  const request = Buffer.from(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
  asked.parse(request, 0, request.length);
  const of = judgeRequest(asked);
  const head = new Head('response');
  const bytes = Buffer.from(`HTTP/1.1 ${status} OK\r\n${lines}\r\n`);
  expect(head.parse(bytes, 0, bytes.length)).toBe(bytes.length);
  if (!of.ok) throw new Error(of.message);
  const facts = judgeResponse(head, of);
  if (!facts.ok) throw new Error(facts.message);
  return { head, facts };
}

const HTML = 'Content-Type: text/html; charset=utf-8\r\n';
const BIG = `${HTML}Content-Length: 5000\r\n`;

interface Case {
  readonly status?: number;
  readonly method?: string;
}

const CASES: readonly (readonly [lines: string, refusal: string | null, options?: Case])[] = [
  [BIG, null],
  [BIG, null, { status: 404 }],
  [BIG, null, { method: 'HEAD' }],
  [`${HTML}Transfer-Encoding: chunked\r\n`, null],
  [HTML, null],
  [`${BIG}Content-Encoding: identity\r\n`, null],
  ['Content-Type: APPLICATION/Problem+JSON\r\n', null],
  [`${HTML}Content-Length: 1023\r\n`, 'size'],
  [`${HTML}Content-Length: 1023\r\n`, 'size', { method: 'HEAD' }],
  ['Content-Length: 5000\r\n', 'type'],
  ['Content-Type: image/png\r\n', 'type'],
  ['Content-Type: application/+json\r\n', 'type'],
  ['Content-Type: text/html, image/png\r\n', 'type'],
  [`${BIG}Content-Encoding: gzip\r\n`, 'coded'],
  [`${BIG}Content-Encoding: identity\r\nContent-Encoding: br\r\n`, 'coded'],
  [`${BIG}Cache-Control: public, NO-transform\r\n`, 'no_transform'],
  [`${BIG}Cache-Control: x="no-transforms"\r\n`, null],
  [`${BIG}Content-Range: bytes 0-4999/9000\r\n`, 'partial', { status: 206 }],
  [`${BIG}Content-Range: bytes */9000\r\n`, 'partial', { status: 416 }],
  [HTML, 'partial', { status: 304 }],
  [HTML, 'partial', { status: 204 }],
];

it.each(CASES.map(([lines, refusal, options = {}]) => ({ lines, refusal, options })))(
  'compressionRefusal() of $lines is $refusal',
  ({ lines, refusal, options }) => {
    const { head, facts } = response(lines, options);
    expect(compressionRefusal(head, facts, DEFAULT_COMPRESSION)).toBe(refusal);
  },
);

function written(head: Head, facts: ResponseFacts, edits: ReturnType<typeof compressionEdits>): string {
  const out = new Uint8Array(4096);
  const length = writeResponseHead(out, head, facts, { via: 'm', close: false, http10: false }, edits);
  return Buffer.from(out.subarray(0, length)).toString('latin1');
}

it('the head of a compressed response describes the compressed bytes only', () => {
  const { head, facts } = response(
    `${BIG}ETag: "a1"\r\nAccept-Ranges: bytes\r\nContent-MD5: x\r\nContent-Digest: y\r\nX: 1\r\n`,
  );
  expect(written(head, facts, compressionEdits(head, null, 'br', true))).toBe(
    `HTTP/1.1 200 OK\r\n${HTML}X: 1\r\nContent-Encoding: br\r\nVary: Accept-Encoding\r\n` +
      'ETag: W/"a1"\r\nTransfer-Encoding: chunked\r\nVia: 1.1 m\r\n\r\n',
  );
});

it('a response that was chunked stays chunked once', () => {
  const { head, facts } = response(`${HTML}Transfer-Encoding: chunked\r\n`);
  const text = written(head, facts, compressionEdits(head, null, 'gzip', false));
  expect(text.match(/transfer-encoding: chunked/gi)).toHaveLength(1);
});

it("a response that this client can't have compressed says that others can", () => {
  const { head, facts } = response(`${BIG}ETag: "a1"\r\n`);
  expect(written(head, facts, compressionEdits(head, null, null, false))).toBe(
    `HTTP/1.1 200 OK\r\n${BIG}ETag: "a1"\r\nVary: Accept-Encoding\r\nVia: 1.1 m\r\n\r\n`,
  );
});

it.each([
  ['Vary: *\r\n'],
  ['Vary: Origin, accept-encoding\r\n'],
  ['Vary: Origin\r\nVary: Accept-Encoding\r\n'],
])('Vary is not said again after %j', (vary) => {
  const { head } = response(`${BIG}${vary}`);
  expect(compressionEdits(head, null, null, false)).toBeNull();
  expect(compressionEdits(head, null, 'gzip', false)?.lines).not.toContain('Vary');
});

it.each([
  ['"x"', 'ETag: W/"x"\r\n'],
  ['W/"x"', 'ETag: W/"x"\r\n'],
  ['x', ''],
  ['"x"y"', ''],
])('the entity tag %s becomes %j', (tag, line) => {
  const { head } = response(`${BIG}ETag: ${tag}\r\n`);
  expect(compressionEdits(head, null, 'gzip', false)?.lines).toBe(
    `Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n${line}`,
  );
});

it('what a route changes stays changed', () => {
  const { head, facts } = response(`${BIG}Vary: Accept-Encoding\r\nServer: a\r\nETag: "b"\r\n`);
  const base = fieldEdits({
    set: [
      { name: 'Server', value: 'shop' },
      { name: 'ETag', value: '"own"' },
    ],
    add: [],
    remove: ['Vary'],
  });
  expect(written(head, facts, compressionEdits(head, base, 'gzip', true))).toBe(
    `HTTP/1.1 200 OK\r\n${HTML}Server: shop\r\nETag: "own"\r\nContent-Encoding: gzip\r\n` +
      'Vary: Accept-Encoding\r\nTransfer-Encoding: chunked\r\nVia: 1.1 m\r\n\r\n',
  );
});
