import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { COUNTER } from '../core/answer/counters.js';
import { freshnessSeconds } from '../core/dns/freshness.js';
import { addressBytes } from '../io/address.js';
import type { DatagramHandler } from '../io/tier.js';
import type { Doorkeeper } from './admission.js';
import { HttpHeads } from './http-heads.js';
import { STREAM_MESSAGE_MAX } from './responder.js';

const QUERY_BYTES_MAX = 4096;
const QUERY_TEXT_MAX = Math.ceil((QUERY_BYTES_MAX * 4) / 3);
const MEDIA_TYPE = 'application/dns-message';
const BASE64URL = /^[A-Za-z0-9_-]+$/;
/** For a body, from its head to its end. Honest ones come in one packet with it. */
const BODY_MS_MAX = 5000;
/** Bodies of which a part has come, on all connections. */
const BODIES_MAX = 4096;

/** An HTTP error, and what to tell. */
interface Refusal {
  readonly status: 400 | 404 | 405 | 408 | 413 | 415 | 503;
  readonly text: string;
}

export interface DohOptions {
  readonly path: string;
  /** Requests on one connection; then it is closed. */
  readonly maxQueries: number;
  /** Bytes of answers that may wait for a slow reader on one connection. */
  readonly writeQueueMax: number;
}

interface Conversation {
  requests: number;
  /** Bytes of answers that were not sent yet. */
  unsent: number;
}

interface Body {
  readonly request: Http2ServerRequest;
  readonly response: Http2ServerResponse;
  readonly sinceMs: number;
}

/** DNS over HTTPS (RFC 8484): GET with `?dns=`, POST with a body, one query each. */
export class DohService {
  readonly #answer: DatagramHandler;
  readonly #options: DohOptions;
  readonly #counters: Float64Array;
  readonly #door: Doorkeeper;
  readonly #heads: HttpHeads;
  readonly #output = new Uint8Array(STREAM_MESSAGE_MAX);
  readonly #source = new Uint8Array(16);
  /** By HTTP/2 session, or by the socket of HTTP/1.1. */
  readonly #conversations = new WeakMap<object, Conversation>();
  /** Bodies on their way, the oldest first. */
  readonly #bodies = new Set<Body>();
  #nowMs: number;

  constructor(
    answer: DatagramHandler,
    options: DohOptions,
    modules: { readonly counters: Float64Array; readonly door: Doorkeeper },
    nowMs: number,
  ) {
    this.#answer = answer;
    this.#options = options;
    this.#counters = modules.counters;
    this.#door = modules.door;
    this.#heads = new HttpHeads(modules.door);
    this.#nowMs = nowMs;
  }

  /** A connection whose handshake is done. */
  opened(socket: TLSSocket): void {
    this.#heads.opened(socket);
  }

  /** Answers one request; of HTTP/1.1 too, whose objects have the same shape. */
  handle(request: Http2ServerRequest, response: Http2ServerResponse): void {
    request.on('error', () => {});
    response.on('error', () => {});
    if (!isHttp2(request)) this.#heads.requested(request.socket as TLSSocket, response);
    const [path, search] = split(request.url);
    if (path !== this.#options.path) return this.#refuse(request, response, NOT_FOUND);
    if (request.method === 'GET') {
      const query = queryOfGet(search);
      return query instanceof Uint8Array
        ? this.#respond(request, response, query)
        : this.#refuse(request, response, query);
    }
    if (request.method !== 'POST') return this.#refuse(request, response, METHOD);
    const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
    if (type !== MEDIA_TYPE) return this.#refuse(request, response, TYPE);
    if (Number(request.headers['content-length'] ?? 0) > QUERY_BYTES_MAX)
      return this.#refuse(request, response, TOO_LONG);
    if (this.#bodies.size >= BODIES_MAX) return this.#refuse(request, response, TOO_MANY);
    this.#gather(request, response);
  }

  /** Refuses bodies, and closes connections with heads, that take too long. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#heads.tick(nowMs);
    for (const body of this.#bodies) {
      if (nowMs - body.sinceMs < BODY_MS_MAX) return;
      this.#bodies.delete(body);
      this.#refuse(body.request, body.response, TOO_SLOW);
    }
  }

  /** Bodies on their way. */
  get bodies(): number {
    return this.#bodies.size;
  }

  #gather(request: Http2ServerRequest, response: Http2ServerResponse): void {
    const body = { request, response, sinceMs: this.#nowMs };
    this.#bodies.add(body);
    const parts: Buffer[] = [];
    let size = 0;
    request.on('data', (part: Buffer) => {
      if (!this.#bodies.has(body)) return;
      size += part.length;
      if (size <= QUERY_BYTES_MAX) return void parts.push(part);
      this.#bodies.delete(body);
      this.#refuse(request, response, TOO_LONG);
    });
    request.on('end', () => {
      if (this.#bodies.delete(body)) {
        this.#respond(request, response, new Uint8Array(Buffer.concat(parts)));
      }
    });
    request.on('close', () => this.#bodies.delete(body));
  }

  #respond(request: Http2ServerRequest, response: Http2ServerResponse, query: Uint8Array): void {
    const { remoteAddress = '', remoteFamily } = request.socket;
    // The peer has gone.
    if (!addressBytes(remoteAddress, this.#source)) return;
    const family = remoteFamily === 'IPv6' ? 6 : 4;
    const output = this.#output;
    const length = this.#answer(query, 0, query.length, output, 0, this.#source, 0, family);
    if (length === 0) return this.#refuse(request, response, { status: 400, text: 'not a DNS query' });
    this.#door.asked(request.socket);
    const headers = {
      'content-type': MEDIA_TYPE,
      // Private: another client of a shared cache may be in another place and get another answer.
      'cache-control': `private, max-age=${freshnessSeconds(output, 0, length)}`,
    };
    this.#send(request, response, { status: 200, headers, body: Buffer.from(output.slice(0, length)) });
  }

  #refuse(request: Http2ServerRequest, response: Http2ServerResponse, { status, text }: Refusal): void {
    this.#counters[COUNTER.DOH_REFUSED] = this.#counters[COUNTER.DOH_REFUSED]! + 1;
    const headers = {
      'content-type': 'text/plain; charset=utf-8',
      ...(status === 405 ? { allow: 'GET, POST' } : {}),
    };
    this.#send(request, response, { status, headers, body: Buffer.from(`${text}\n`) });
  }

  #send(
    request: Http2ServerRequest,
    response: Http2ServerResponse,
    message: { readonly status: number; readonly headers: Record<string, string>; readonly body: Buffer },
  ): void {
    const { body } = message;
    const conversation = this.#conversationOf(request);
    const isLast = ++conversation.requests >= this.#options.maxQueries;
    const isUnread = hasBody(request) && !request.readableEnded;
    // A body that nobody takes would keep its stream, and so the connection, open.
    if (isUnread) request.resume();
    const close = !isHttp2(request) && (isLast || isUnread) ? { connection: 'close' } : {};
    response.writeHead(message.status, { ...message.headers, 'content-length': body.length, ...close });
    conversation.unsent += body.length;
    response.on('close', () => {
      conversation.unsent -= body.length;
    });
    response.end(body);
    // The rest of the body is not wanted (RFC 9113 §8.1).
    if (isUnread && isHttp2(request)) response.stream.close(constants.NGHTTP2_NO_ERROR);
    if (isLast && isHttp2(request)) request.stream.session?.close();
    if (conversation.unsent > this.#options.writeQueueMax) this.#door.tooSlow(request.socket);
  }

  #conversationOf(request: Http2ServerRequest): Conversation {
    const key = (isHttp2(request) && request.stream.session) || request.socket;
    const known = this.#conversations.get(key);
    if (known) return known;
    const conversation = { requests: 0, unsent: 0 };
    this.#conversations.set(key, conversation);
    return conversation;
  }
}

const NOT_FOUND: Refusal = { status: 404, text: 'not found' };
const METHOD: Refusal = { status: 405, text: 'use GET or POST' };
const TYPE: Refusal = { status: 415, text: `the body must be ${MEDIA_TYPE}` };
const TOO_LONG: Refusal = { status: 413, text: `a query has at most ${QUERY_BYTES_MAX} bytes` };
const TOO_SLOW: Refusal = { status: 408, text: `the body did not come within ${BODY_MS_MAX / 1000} seconds` };
const TOO_MANY: Refusal = { status: 503, text: 'too many requests at once' };

function isHttp2(request: Http2ServerRequest): boolean {
  return request.httpVersionMajor === 2;
}

function hasBody(request: Http2ServerRequest): boolean {
  if (isHttp2(request)) return !request.stream.endAfterHeaders;
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  return coding !== undefined || Number(length ?? 0) > 0;
}

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
