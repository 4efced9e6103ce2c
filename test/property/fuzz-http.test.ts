import { describe, expect, it } from 'vitest';
import { REFUSAL_CODES } from '../../src/core/http/refusal.js';
import { forwardRequests } from '../support/fuzz-http-forward.js';
import { disagreement, HttpFuzz } from '../support/fuzz-http-run.js';
import { hasLlhttp } from '../support/fuzz-llhttp.js';
import { ProxyHeaderFuzz } from '../support/fuzz-proxy-header.js';

const SEED = 20_261_121;
/** Reasons that HTTP/1.1 does not have. */
const OF_HTTP2: ReadonlySet<string> = new Set(['pseudo_header', 'hop_field', 'authority_differs']);

describe('thousands of streams of HTTP with mistakes', () => {
  it('are refused, or forwarded so that two other parsers find the same messages', () => {
    const fuzz = new HttpFuzz(SEED);
    fuzz.run(0, 8_000);
    expect(fuzz.forwarded).toBeGreaterThan(5_000);
    // Every refusal there is happens: the mutations do not all end at the first line.
    const missed = REFUSAL_CODES.filter((code) => !fuzz.refusals.has(code) && !OF_HTTP2.has(code));
    expect(missed).toEqual([]);
  });
});

describe('thousands of PROXY headers with mistakes', () => {
  it('are read alike however they are cut, and taken only if they are exact', () => {
    const fuzz = new ProxyHeaderFuzz(SEED);
    fuzz.run(0, 5_000);
    for (const count of [fuzz.accepted, fuzz.refused, fuzz.incomplete]) expect(count).toBeGreaterThan(200);
  });
});

describe('the fuzzer', () => {
  const of = (text: string) => {
    const bytes = Buffer.from(text, 'latin1');
    return forwardRequests(bytes, [bytes.length]);
  };
  const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n';

  it('finds nothing wrong with what is right', () => {
    expect(hasLlhttp).toBe(true);
    expect(disagreement(of(GET + GET), 'request', ['GET'])).toBeNull();
  });

  it.each<[what: string, wire: string]>([
    [
      'strict parser: 1 lengths, 1 codings',
      'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['strict parser: Host []', 'GET /a HTTP/1.1\r\n\r\n'],
    ['strict parser found GET /a|GET /a, forwarded GET /a', GET + GET],
    ['strict parser found , forwarded GET /a', 'GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc'],
    ['strict parser: field line "X : 1"', 'GET /a HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n'],
  ])('finds out: %s', (what, wire) => {
    expect(disagreement({ ...of(GET), wire: Buffer.from(wire, 'latin1') }, 'request', ['GET'])).toBe(what);
  });
});
