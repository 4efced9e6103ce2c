import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BodyMatch, HttpCheck } from '../../src/core/zone/check.js';
import { exchange } from '../../src/probe/http-exchange.js';

const CHECK: HttpCheck = {
  type: 'http',
  port: 80,
  path: '/',
  method: 'GET',
  status: [{ from: 200, to: 299 }],
  verify: true,
};

/** What an exchange says of these pieces, followed by the end of the connection. Throws as its handlers do. */
function judge(pieces: readonly Uint8Array[], check: HttpCheck): { ok: boolean; detail: string } | undefined {
  const socket = Object.assign(new EventEmitter(), { write: () => true, destroy: () => {} });
  let result: { ok: boolean; detail: string } | undefined;
  const decide = (ok: boolean, detail: string): void => {
    result ??= { ok, detail };
  };
  const end = exchange(socket as unknown as Socket, 'GET / HTTP/1.1\r\n\r\n', check, {
    decide,
    settle: decide,
    fail: (error) => decide(false, String(error)),
    impossible: (detail) => decide(false, detail),
    waitFor: () => {},
  });
  for (const piece of pieces) socket.emit('data', Buffer.from(piece));
  socket.emit('end');
  socket.emit('close');
  end();
  return result;
}

/** Cuts bytes at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length]
    .map((end, i) => bytes.subarray(at[i - 1] ?? 0, end))
    .filter(({ length }) => length);
}

const line = fc.constantFrom(
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 503 No\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.0 204\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'X: y\r\n',
  '\r\n',
  '\n',
  '5\r\nhello\r\n',
  '0\r\n\r\n',
  'hello',
  'HTTP/2',
);
const bytes = fc.oneof(
  fc.array(line, { maxLength: 12 }).map((lines) => Buffer.from(lines.join(''))),
  fc.uint8Array({ maxLength: 200 }),
);
const body = fc.constantFrom<BodyMatch | undefined>(undefined, { contains: 'ell' }, { matches: 'l+o$' });
const places = fc.array(fc.nat({ max: 400 }), { maxLength: 8 });

describe('the response to an http probe', () => {
  it('is judged once and for all, whatever it is and however it is cut, and never throws', () => {
    fc.assert(
      fc.property(bytes, places, body, (given, cuts, match) => {
        const check = { ...CHECK, ...(match && { body: match }) };
        const whole = judge([given], check);
        expect(whole).toBeDefined();
        expect(judge(cut(given, cuts), check)).toEqual(whole);
      }),
      { numRuns: 2000 },
    );
  });

  it('is good only with a status line that is', () => {
    fc.assert(
      fc.property(bytes, places, (given, cuts) => {
        const text = Buffer.from(given).toString('latin1');
        if (judge(cut(given, cuts), CHECK)?.ok) expect(text).toMatch(/HTTP\/1\.[01] 2\d\d/);
      }),
      { numRuns: 1000 },
    );
  });
});
