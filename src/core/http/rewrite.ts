/**
 * The head that goes to the next hop: hop-by-hop fields are removed (RFC 9110 §7.6.1), Via (§7.6.3),
 * X-Forwarded-* and Forwarded (RFC 7239) are added, and fields that a route changes. All other lines pass byte
 * for byte, in their order.
 */

import { copyBytes, copyText, latin1Bytes, putText } from './ascii.js';
import { FIELD } from './field.js';
import type { FieldEdits } from './field-edits.js';
import { type ForwardedTails, quoted } from './forwarded-tail.js';
import type { Head } from './head.js';
import type { RequestFacts, ResponseFacts } from './hygiene.js';
import type { RequestEdits } from './request-rewrite.js';
import { UsualRequest } from './usual-request.js';

const SP = 32;
/** Room for what stands around method, target, host and reason in the first lines. */
const FRONT_BYTES = 64;

/** What the proxy knows about the hop that sent a request. */
export interface ForwardContext {
  /** Address of the peer, without port or brackets. */
  readonly clientAddress: string;
  readonly proto: 'http' | 'https';
  /** The peer is a proxy of ours: what it says about earlier hops is kept. */
  readonly trusted: boolean;
  /** Our name in Via (RFC 9110 §7.6.3). */
  readonly via: string;
  /** The version in Via; that of the head where absent. */
  readonly received?: string;
  /** Absent: the fields that we add are made anew for each request. */
  readonly tails?: ForwardedTails;
}

/** How the response is passed on to the client. */
export interface ReplyContext {
  readonly via: string;
  /** The client's connection ends after this message. */
  readonly close: boolean;
  /** The client speaks HTTP/1.0: no chunked coding, and keep-alive must be said. */
  readonly http10: boolean;
  /** The version in Via; that of the head where absent. */
  readonly received?: string;
}

/**
 * Writes the request head for the endpoint to the start of `out`; returns its length, -1 if it does not fit.
 * `defaultHost` is for HTTP/1.0 requests without Host; `edits` are those of the route. What X-Forwarded-Host and
 * Forwarded say is the host that the client asked for, also where the endpoint gets another one.
 */
export function writeRequestHead(
  out: Uint8Array,
  head: Head,
  facts: RequestFacts,
  context: ForwardContext,
  defaultHost: string,
  edits: RequestEdits | null = null,
): number {
  const host = facts.host ?? defaultHost;
  const fields = edits === null ? null : edits.fields;
  const { clientAddress } = context;
  const usual = isUsual(facts, context, fields) ? context.tails.find(host, head.minor) : null;
  const other = usual === null ? requestTail(head, facts, host, context, fields) : '';
  const tailRoom = usual === null ? other.length : usual.room(clientAddress);
  const at = writeFront(out, head, facts, { host, edits, room: out.length - tailRoom });
  if (at < 0) return -1;
  return usual === null ? putText(out, at, other) : usual.write(out, at, clientAddress);
}

/**
 * What `writeRequestHead` writes without edits, for requests with this very head from any client that is not trusted; null if that is
 * not the same for all of them. `scratch`: memory to write in.
 */
export function usualRequest(
  scratch: Uint8Array,
  head: Head,
  facts: RequestFacts,
  context: ForwardContext,
  defaultHost: string,
): UsualRequest | null {
  if (!isUsual(facts, context, null)) return null;
  const host = facts.host ?? defaultHost;
  const length = writeFront(scratch, head, facts, { host, edits: null, room: scratch.length });
  if (length < 0) return null;
  return new UsualRequest(scratch.slice(0, length), context.tails.find(host, head.minor));
}

/** The request line, Host and the client's own fields; where they end, -1 if they take more than `room`. */
function writeFront(
  out: Uint8Array,
  head: Head,
  facts: RequestFacts,
  {
    host,
    edits,
    room,
  }: { readonly host: string; readonly edits: RequestEdits | null; readonly room: number },
): number {
  const target = edits === null ? facts.target.forwarded : edits.forwarded;
  const newHost = edits === null ? host : (edits.host ?? host);
  const front = facts.method.length + target.length + newHost.length + FRONT_BYTES;
  if (front + head.fieldBytes > room) return -1;
  let at = putText(out, 0, facts.method);
  out[at++] = SP;
  at = putText(out, at, target);
  at = putText(out, at, ' HTTP/1.1\r\nHost: ');
  at = putText(out, at, newHost);
  at = putText(out, at, facts.framing.kind === 'chunked' ? '\r\nTransfer-Encoding: chunked\r\n' : '\r\n');
  return copyFields(out, at, head, {
    named: facts.connection.named,
    dropped: droppedFromRequest,
    edits: edits === null ? null : edits.fields,
  });
}

/** Nothing about the request or its route changes the fields that requests to its host get. */
function isUsual(
  facts: RequestFacts,
  context: ForwardContext,
  fields: FieldEdits | null,
): context is ForwardContext & { readonly tails: ForwardedTails } {
  const { tails, trusted } = context;
  return tails !== undefined && !trusted && !facts.trailers && facts.upgrade === null && fields === null;
}

/** What we add behind the client's lines: what its Connection header names is gone, but never what a route sets. */
function requestTail(
  head: Head,
  facts: RequestFacts,
  host: string,
  context: ForwardContext,
  fields: FieldEdits | null,
): string {
  const via = `Via: ${context.received ?? `1.${head.minor}`} ${context.via}\r\n\r\n`;
  const lines = fields === null ? '' : fields.lines;
  return lines + hopFields(facts) + forwardedFields(head, host, context) + via;
}

/**
 * Writes the response head for the client, interim ones (1xx) too, to the start of `out`; returns its length, -1 if
 * it does not fit. `edits` are those of the route; interim responses stay as they are.
 */
export function writeResponseHead(
  out: Uint8Array,
  head: Head,
  facts: ResponseFacts,
  context: ReplyContext,
  edits: FieldEdits | null = null,
): number {
  const { status } = facts;
  const fields = status < 200 ? null : edits;
  const tail = responseTail(head, facts, context, fields);
  const reasonBytes = head.reasonEnd - head.reasonStart;
  if (FRONT_BYTES + reasonBytes + head.fieldBytes + tail.length > out.length) return -1;
  let at = putText(out, 0, 'HTTP/1.1 ');
  out[at++] = 48 + Math.trunc(status / 100);
  out[at++] = 48 + (Math.trunc(status / 10) % 10);
  out[at++] = 48 + (status % 10);
  out[at++] = SP;
  at = copyBytes(out, at, head.bytes, head.base + head.reasonStart, head.base + head.reasonEnd);
  at = putText(out, at, '\r\n');
  const dropped = status < 200 || status === 204 ? droppedWithoutBody : droppedFromResponse;
  at = copyFields(out, at, head, { named: facts.connection.named, dropped, edits: fields });
  return copyText(out, at, tail);
}

/** There are few different ones: by the answers to the questions that `responseTail` asks. */
const usualTails: Uint8Array[] = [];
let usualVia = '';

function responseTail(
  head: Head,
  facts: ResponseFacts,
  context: ReplyContext,
  fields: FieldEdits | null,
): Uint8Array {
  const { status } = facts;
  // A response to HEAD keeps its Transfer-Encoding, since it describes what GET would have got.
  const encoded =
    head.find(FIELD.transferEncoding) >= 0 && !context.http10 && status >= 200 && status !== 204;
  const closes = context.close && status >= 200;
  const usual = facts.upgrade === null && fields === null && context.received === undefined;
  if (!usual) return latin1Bytes(responseTailText(head, facts, context, { encoded, closes, fields }));
  if (usualVia !== context.via) {
    usualVia = context.via;
    usualTails.length = 0;
  }
  const which = (encoded ? 1 : 0) + (closes ? 2 : 0) + (context.http10 ? 4 : 0) + 8 * head.minor;
  usualTails[which] ??= latin1Bytes(responseTailText(head, facts, context, { encoded, closes, fields }));
  return usualTails[which];
}

function responseTailText(
  head: Head,
  facts: ResponseFacts,
  context: ReplyContext,
  {
    encoded,
    closes,
    fields,
  }: { readonly encoded: boolean; readonly closes: boolean; readonly fields: FieldEdits | null },
): string {
  let tail = fields === null ? '' : fields.lines;
  if (encoded) tail += 'Transfer-Encoding: chunked\r\n';
  tail += `Via: ${context.received ?? `1.${head.minor}`} ${context.via}\r\n`;
  if (facts.upgrade !== null) tail += `Connection: upgrade\r\nUpgrade: ${facts.upgrade}\r\n`;
  else if (closes) tail += 'Connection: close\r\n';
  else if (context.http10) tail += 'Connection: keep-alive\r\n';
  return `${tail}\r\n`;
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
  return (
    `X-Forwarded-For: ${earlierFor ? `${earlierFor}, ` : ''}${clientAddress}\r\n` +
    `X-Forwarded-Proto: ${said(FIELD.xForwardedProto, proto)}\r\n` +
    `X-Forwarded-Host: ${said(FIELD.xForwardedHost, host)}\r\n` +
    `Forwarded: ${earlierForwarded ? `${earlierForwarded}, ` : ''}for=${node};host=${quoted(host)};proto=${proto}\r\n`
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

interface Selection {
  readonly named: readonly string[];
  readonly dropped: Uint8Array;
  readonly edits: FieldEdits | null;
}

/** The lines that stay. Neighbours are copied in one piece. */
function copyFields(out: Uint8Array, start: number, head: Head, selection: Selection): number {
  const { count, nameStart, bytes, base } = head;
  const { named, dropped, edits } = selection;
  let at = start;
  let from = 0;
  for (let i = 0; i < count; i++) {
    if (!isDropped(head, i, dropped, named, edits)) continue;
    at = copyBytes(out, at, bytes, base + nameStart[from]!, base + nameStart[i]!);
    from = i + 1;
  }
  return from < count ? copyBytes(out, at, bytes, base + nameStart[from]!, base + nameStart[count]!) : at;
}

function isDropped(
  head: Head,
  i: number,
  dropped: Uint8Array,
  named: readonly string[],
  edits: FieldEdits | null,
): boolean {
  if (dropped[head.ids[i]!] === 1) return true;
  if (edits?.drops(head, i)) return true;
  for (let n = 0; n < named.length; n++) if (head.nameIs(i, named[n]!)) return true;
  return false;
}
