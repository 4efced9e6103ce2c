import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyDecoder } from '../../src/core/http/framing.js';
import { Head } from '../../src/core/http/head.js';
import { judgeRequest } from '../../src/core/http/hygiene.js';
import { writeRequestHead } from '../../src/core/http/rewrite.js';
import { normalisePath } from '../../src/core/http/target.js';
import { ByteWindow } from '../../src/core/http/window.js';
import { bytesOf, textOf } from '../support/http-message.js';

const CONTEXT = {
  clientAddress: '192.0.2.1',
  proto: 'http',
  trusted: true,
  via: 'm',
} as const;

const chunkedBody = fc
  .tuple(
    fc.array(fc.tuple(fc.string({ minLength: 1, maxLength: 40 }), fc.stringMatching(/^(;[a-z]{1,4})?$/)), {
      maxLength: 8,
    }),
    fc.array(fc.stringMatching(/^X-[a-z]{1,8}: [ -~]{0,20}$/), { maxLength: 3 }),
  )
  .map(([chunks, trailers]) => {
    const parts = chunks.map(([data, extension]) => {
      const ascii = data.replace(/[^ -~]/g, '.');
      return { data: ascii, wire: `${ascii.length.toString(16)}${extension}\r\n${ascii}\r\n` };
    });
    const end = `0\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`;
    return { data: parts.map((p) => p.data).join(''), wire: parts.map((p) => p.wire).join('') + end };
  });

/** The text cut at random places. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => text.slice(from, at[i] ?? text.length));
}

const cuts = fc.array(fc.nat(10_000), { maxLength: 20 });

describe('BodyDecoder', () => {
  it('gives the same result for every split of the bytes', () => {
    fc.assert(
      fc.property(chunkedBody, cuts, ({ data, wire }, at) => {
        const decoder = new BodyDecoder();
        decoder.begin({ ok: true, kind: 'chunked', length: 0 });
        let got = '';
        let used = 0;
        for (const piece of pieces(`${wire}NEXT`, at)) {
          const bytes = bytesOf(piece);
          used += decoder.feed(bytes, 0, bytes.length, (part, start, end) => {
            got += textOf(part.subarray(start, end));
          });
        }
        expect({ got, used, done: decoder.done, error: decoder.error }).toEqual({
          got: data,
          used: wire.length,
          done: true,
          error: null,
        });
      }),
    );
  });

  it('takes any bytes without an exception and never more than there are', () => {
    fc.assert(
      fc.property(chunkedBody, fc.nat(), fc.integer({ min: 0, max: 255 }), ({ wire }, at, byte) => {
        const bytes = bytesOf(wire);
        bytes[at % bytes.length] = byte;
        const decoder = new BodyDecoder();
        decoder.begin({ ok: true, kind: 'chunked', length: 0 });
        expect(decoder.feed(bytes, 0, bytes.length)).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

const VALID =
  'POST /a/../b?c HTTP/1.1\r\nHost: www.example.com\r\nTransfer-Encoding: chunked\r\nConnection: close, X-A\r\n' +
  'X-A: 1\r\nTE: trailers\r\nX-Forwarded-For: 192.0.2.9\r\nAccept: */*\r\n\r\n';

describe('Head', () => {
  it('gives the same result for every split of the bytes', () => {
    fc.assert(
      fc.property(cuts, (at) => {
        const head = new Head('request');
        const window = new ByteWindow();
        let length = 0;
        for (const piece of pieces(VALID, at)) {
          expect(length).toBe(0);
          append(window, bytesOf(piece));
          length = head.parse(window.bytes, window.start, window.end);
          if (length > 0) break;
        }
        expect(length).toBe(VALID.length);
        expect(head.count).toBe(7);
        expect(judgeRequest(head)).toMatchObject({ ok: true, trailers: true, keepAlive: false });
      }),
    );
  });

  it('never throws on a mutated head, and what passes is forwarded as one valid head', () => {
    const mutation = fc.tuple(
      fc.nat(VALID.length - 1),
      fc.constantFrom(0, 9, 10, 13, 32, 44, 58, 65, 127, 200),
      fc.nat(2),
    );
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
        const values = Array.from(bytesOf(VALID));
        for (const [at, byte, kind] of mutations)
          values.splice(at, kind === 1 ? 0 : 1, ...(kind === 2 ? [] : [byte]));
        const bytes = Uint8Array.from(values);
        const head = new Head('request');
        if (head.parse(bytes, 0, bytes.length) <= 0) return;
        const facts = judgeRequest(head);
        if (!facts.ok) return;
        const out = new Uint8Array(4096);
        const written = out.subarray(0, writeRequestHead(out, head, facts, CONTEXT, 'd'));
        const again = new Head('request');
        expect(again.parse(written, 0, written.length)).toBe(written.length);
        const forwarded = judgeRequest(again);
        expect(forwarded).toMatchObject({
          ok: true,
          method: facts.method,
          host: facts.host ?? 'd',
          framing: facts.framing,
        });
      }),
      { numRuns: 500 },
    );
  });

  it('takes random bytes without an exception', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom('request', 'response'),
        (bytes, kind) => {
          const head = new Head(kind as 'request' | 'response');
          expect(head.parse(bytes, 0, bytes.length)).toBeLessThanOrEqual(bytes.length);
        },
      ),
    );
  });
});

describe('normalisePath()', () => {
  it('is stable: the normal form of a normal form is itself', () => {
    const segment = fc.constantFrom(
      '.',
      '..',
      '%2e',
      '%2E%2e',
      'a',
      '%41',
      '%2f',
      '',
      '\\',
      '%25',
      '%252e',
      '~',
    );
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 12 }), (segments) => {
        const normal = normalisePath(`/${segments.join('/')}`)!;
        expect(normalisePath(normal)).toBe(normal);
        expect(normal.split('/')).not.toContain('..');
      }),
    );
  });
});

describe('ByteWindow', () => {
  it('holds what was appended and not yet consumed, when the array it came in is used again', () => {
    const step = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 50 }).map((bytes) => ({ bytes })),
      fc.nat(60).map((count) => ({ count })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const window = new ByteWindow();
        let model: number[] = [];
        for (const one of steps) {
          if ('bytes' in one) {
            model.push(...one.bytes);
            append(window, one.bytes);
          } else {
            const count = Math.min(one.count, window.length);
            window.consume(count);
            model = model.slice(count);
          }
          expect([...window.bytes.subarray(window.start, window.end)]).toEqual(model);
        }
      }),
    );
  });

  it('shows bytes that came into an empty window where they are', () => {
    const window = new ByteWindow();
    const bytes = bytesOf('..abc..');
    window.append(bytes, 2, 5);
    expect([window.bytes, window.start, window.end]).toEqual([bytes, 2, 5]);
    expect(window.bytes).toBe(bytes);
  });
});

/** As a connection does it: the array is overwritten afterwards. */
function append(window: ByteWindow, bytes: Uint8Array): void {
  const buffer = new Uint8Array(bytes.length + 10);
  buffer.set(bytes, 5);
  if (bytes.length > 0) window.append(buffer, 5, 5 + bytes.length);
  window.settle();
  buffer.fill(0xff);
}
