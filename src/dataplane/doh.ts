import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { COUNTER } from '../core/answer/counters.js';
import { freshnessSeconds } from '../core/dns/freshness.js';
import { addressBytes } from '../io/address.js';
import type { DatagramHandler } from '../io/tier.js';
import { STREAM_MESSAGE_MAX } from './responder.js';

const QUERY_BYTES_MAX = 4096;
const QUERY_TEXT_MAX = Math.ceil((QUERY_BYTES_MAX * 4) / 3);
const MEDIA_TYPE = 'application/dns-message';
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** An HTTP error, and what to tell. */
interface Refusal {
  readonly status: 400 | 404 | 405 | 413 | 415;
  readonly text: string;
}

/** DNS over HTTPS (RFC 8484): GET with `?dns=`, POST with a body, one query each. */
export class DohService {
  readonly #answer: DatagramHandler;
  readonly #path: string;
  readonly #counters: Float64Array;
  readonly #output = new Uint8Array(STREAM_MESSAGE_MAX);
  readonly #source = new Uint8Array(16);

  constructor(answer: DatagramHandler, path: string, counters: Float64Array) {
    this.#answer = answer;
    this.#path = path;
    this.#counters = counters;
  }

  /** Answers one request; of HTTP/1.1 too, whose objects have the same shape. */
  handle(request: Http2ServerRequest, response: Http2ServerResponse): void {
    request.on('error', () => {});
    response.on('error', () => {});
    const [path, search] = split(request.url);
    if (path !== this.#path) return this.#refuse(request, response, { status: 404, text: 'not found' });
    if (request.method === 'GET') {
      const query = queryOfGet(search);
      return query instanceof Uint8Array
        ? this.#respond(request, response, query)
        : this.#refuse(request, response, query);
    }
    if (request.method !== 'POST')
      return this.#refuse(request, response, { status: 405, text: 'use GET or POST' });
    const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
    if (type !== MEDIA_TYPE)
      return this.#refuse(request, response, { status: 415, text: `the body must be ${MEDIA_TYPE}` });
    if (Number(request.headers['content-length'] ?? 0) > QUERY_BYTES_MAX)
      return this.#refuse(request, response, TOO_LONG);
    this.#gather(request, response);
  }

  #gather(request: Http2ServerRequest, response: Http2ServerResponse): void {
    const parts: Buffer[] = [];
    let size = 0;
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= QUERY_BYTES_MAX) parts.push(part);
      else if (!response.headersSent) this.#refuse(request, response, TOO_LONG);
    });
    request.on('end', () => {
      if (size <= QUERY_BYTES_MAX) this.#respond(request, response, new Uint8Array(Buffer.concat(parts)));
    });
  }

  #respond(request: Http2ServerRequest, response: Http2ServerResponse, query: Uint8Array): void {
    const { remoteAddress = '', remoteFamily } = request.socket;
    // The peer has gone.
    if (!addressBytes(remoteAddress, this.#source)) return;
    const family = remoteFamily === 'IPv6' ? 6 : 4;
    const output = this.#output;
    const length = this.#answer(query, 0, query.length, output, 0, this.#source, 0, family);
    if (length === 0) return this.#refuse(request, response, { status: 400, text: 'not a DNS query' });
    response.writeHead(200, {
      'content-type': MEDIA_TYPE,
      'content-length': length,
      // Private: another client of a shared cache may be in another place and get another answer.
      'cache-control': `private, max-age=${freshnessSeconds(output, 0, length)}`,
    });
    response.end(Buffer.from(output.slice(0, length)));
  }

  #refuse(request: Http2ServerRequest, response: Http2ServerResponse, { status, text }: Refusal): void {
    // A body that nobody reads would keep its stream, and so the connection, open.
    request.resume();
    this.#counters[COUNTER.DOH_REFUSED] = this.#counters[COUNTER.DOH_REFUSED]! + 1;
    response.writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      ...(status === 405 ? { allow: 'GET, POST' } : {}),
    });
    response.end(`${text}\n`);
  }
}

const TOO_LONG: Refusal = { status: 413, text: `a query has at most ${QUERY_BYTES_MAX} bytes` };

function split(url: string): readonly [path: string, search: string] {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}

/** The message of `?dns=`, base64url without padding (RFC 8484 §6). */
function queryOfGet(search: string): Uint8Array | Refusal {
  const text = new URLSearchParams(search).get('dns');
  if (text === null) return { status: 400, text: 'the parameter dns is missing' };
  if (text.length > QUERY_TEXT_MAX) return TOO_LONG;
  if (!BASE64URL.test(text) || text.length % 4 === 1) {
    return { status: 400, text: 'the parameter dns must be base64url without padding' };
  }
  return new Uint8Array(Buffer.from(text, 'base64url'));
}
