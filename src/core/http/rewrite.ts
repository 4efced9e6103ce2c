/**
 * The head that goes to the next hop: hop-by-hop fields are removed (RFC 9110 §7.6.1), Via (§7.6.3),
 * X-Forwarded-* and Forwarded (RFC 7239) are added. All other lines pass byte for byte, in their order.
 */

import { FIELD } from './field.js';
import type { Head } from './head.js';
import type { RequestFacts, ResponseFacts } from './hygiene.js';

/** What the proxy knows about the hop that sent a request. */
export interface ForwardContext {
  /** Address of the peer, without port or brackets. */
  readonly clientAddress: string;
  readonly proto: 'http' | 'https';
  /** The peer is a proxy of ours: what it says about earlier hops is kept. */
  readonly trusted: boolean;
  /** Our name in Via (RFC 9110 §7.6.3). */
  readonly via: string;
  /** Host for HTTP/1.0 requests that have none. */
  readonly defaultHost: string;
}

/** How the response is passed on to the client. */
export interface ReplyContext {
  readonly via: string;
  /** The client's connection ends after this message. */
  readonly close: boolean;
  /** The client speaks HTTP/1.0: no chunked coding, and keep-alive must be said. */
  readonly http10: boolean;
}

/** Bytes of the request head for the endpoint. */
export function writeRequestHead(head: Head, facts: RequestFacts, context: ForwardContext): Uint8Array {
  const host = facts.host ?? context.defaultHost;
  let front = `${facts.method} ${facts.target.forwarded} HTTP/1.1\r\nHost: ${host}\r\n`;
  if (facts.framing.kind === 'chunked') front += 'Transfer-Encoding: chunked\r\n';
  const via = `Via: 1.${head.minor} ${context.via}\r\n\r\n`;
  const tail = hopFields(facts) + forwardedFields(head, host, context) + via;
  return assemble(front, head, facts.connection.named, droppedFromRequest, tail);
}

/** Bytes of the response head for the client; interim responses (1xx) too. */
export function writeResponseHead(head: Head, facts: ResponseFacts, context: ReplyContext): Uint8Array {
  const front = `HTTP/1.1 ${facts.status} ${head.reason}\r\n`;
  let tail = '';
  // A response to HEAD keeps its Transfer-Encoding, since it describes what GET would have got.
  const encoded = head.find(FIELD.transferEncoding) >= 0 && !context.http10;
  if (encoded && facts.status >= 200 && facts.status !== 204) tail += 'Transfer-Encoding: chunked\r\n';
  tail += `Via: 1.${head.minor} ${context.via}\r\n`;
  if (facts.upgrade !== null) tail += `Connection: upgrade\r\nUpgrade: ${facts.upgrade}\r\n`;
  else if (context.close && facts.status >= 200) tail += 'Connection: close\r\n';
  else if (context.http10) tail += 'Connection: keep-alive\r\n';
  const dropped = facts.status < 200 || facts.status === 204 ? droppedWithoutBody : droppedFromResponse;
  return assemble(front, head, facts.connection.named, dropped, `${tail}\r\n`);
}

function hopFields(facts: RequestFacts): string {
  if (facts.upgrade !== null) return `Connection: upgrade\r\nUpgrade: ${facts.upgrade}\r\n`;
  return facts.trailers ? 'TE: trailers\r\nConnection: TE\r\n' : '';
}

/** Earlier hops are believed only if the peer is trusted: anyone can write these fields. */
function forwardedFields(head: Head, host: string, context: ForwardContext): string {
  const { clientAddress, proto, trusted } = context;
  const earlierFor = trusted ? joined(head, FIELD.xForwardedFor) : '';
  const earlierForwarded = trusted ? joined(head, FIELD.forwarded) : '';
  const said = (id: number, own: string): string => (trusted ? joined(head, id) || own : own);
  const node = clientAddress.includes(':') ? `"[${clientAddress}]"` : clientAddress;
  const quotedHost = /[:[\]]/.test(host) ? `"${host}"` : host;
  return (
    `X-Forwarded-For: ${earlierFor ? `${earlierFor}, ` : ''}${clientAddress}\r\n` +
    `X-Forwarded-Proto: ${said(FIELD.xForwardedProto, proto)}\r\n` +
    `X-Forwarded-Host: ${said(FIELD.xForwardedHost, host)}\r\n` +
    `Forwarded: ${earlierForwarded ? `${earlierForwarded}, ` : ''}for=${node};host=${quotedHost};proto=${proto}\r\n`
  );
}

/** The values of all lines of a list field as one list (RFC 9110 §5.3). */
function joined(head: Head, id: number): string {
  let all = '';
  for (let line = head.find(id); line >= 0; line = head.find(id, line + 1)) {
    const value = head.value(line);
    if (value !== '') all += all === '' ? value : `, ${value}`;
  }
  return all;
}

function idTable(...ids: readonly number[]): Uint8Array {
  const table = new Uint8Array(32);
  for (const id of ids) table[id] = 1;
  return table;
}

const HOP_BY_HOP = [
  FIELD.connection,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.te,
  FIELD.upgrade,
  FIELD.transferEncoding,
  FIELD.http2Settings,
];
const droppedFromRequest = idTable(
  ...HOP_BY_HOP,
  FIELD.host,
  FIELD.xForwardedFor,
  FIELD.xForwardedProto,
  FIELD.xForwardedHost,
  FIELD.forwarded,
);
const droppedFromResponse = idTable(...HOP_BY_HOP);
/** A 1xx or 204 must not have a Content-Length (RFC 9110 §8.6). */
const droppedWithoutBody = idTable(...HOP_BY_HOP, FIELD.contentLength);

/** Front, the lines that stay, and tail in one new array. Neighbouring lines are copied in one piece. */
function assemble(
  front: string,
  head: Head,
  named: readonly string[],
  dropped: Uint8Array,
  tail: string,
): Uint8Array {
  const linesLength =
    head.nameStart[head.count]! - (head.count > 0 ? head.nameStart[0]! : head.nameStart[head.count]!);
  const out = new Uint8Array(front.length + linesLength + tail.length);
  let at = put(out, 0, front);
  let i = 0;
  while (i < head.count) {
    if (isDropped(head, i, dropped, named)) {
      i++;
      continue;
    }
    const from = i;
    while (i < head.count && !isDropped(head, i, dropped, named)) i++;
    const lines = head.bytes.subarray(head.base + head.nameStart[from]!, head.base + head.nameStart[i]!);
    out.set(lines, at);
    at += lines.length;
  }
  return out.subarray(0, put(out, at, tail));
}

function isDropped(head: Head, i: number, dropped: Uint8Array, named: readonly string[]): boolean {
  if (dropped[head.ids[i]!] === 1) return true;
  for (let n = 0; n < named.length; n++) if (head.nameIs(i, named[n]!)) return true;
  return false;
}

function put(out: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return at + text.length;
}
