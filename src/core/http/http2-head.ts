/**
 * Heads of HTTP/2 as heads of HTTP/1.1, and back (RFC 9113 §8.2 and §8.3). Both versions then pass the same parser,
 * the same hygiene, the same routes and the same rewriting: no rule can be gone round by speaking the other version.
 */

import { latin1, latin1Bytes } from './ascii.js';
import type { RefusalCode } from './refusal.js';

/** Field names in lower case and values in turn, as they came; pseudo headers first. */
export type FieldList = readonly string[];

/** No byte that would end a line, or a name, too early. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const LINE_BREAKING = /[\0\r\n]/;
/** RFC 9113 §8.2.2; `te` is looked at by itself. */
const HOP_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
const PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path']);
/** RFC 9110 §6.5.1: fields that would change the message if the next hop merged them. */
const NEVER_TRAILERS: ReadonlySet<string> = new Set([
  ...HOP_FIELDS,
  'host',
  'content-length',
  'te',
  'trailer',
]);

/**
 * The HTTP/1.1 head of a request, one byte for each character, to be read by `Head` and `judgeRequest`; or why
 * there can be none. A body without a length becomes `Transfer-Encoding: chunked`.
 */
export function requestHead(fields: FieldList, hasBody: boolean): Uint8Array | RefusalCode {
  const pseudo = new Map<string, string>();
  let lines = '';
  let cookies = '';
  let host: string | null = null;
  let hasLength = false;
  let regular = false;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    if (LINE_BREAKING.test(value)) return 'header_value';
    if (name.startsWith(':')) {
      if (regular || !PSEUDO.has(name) || pseudo.has(name)) return 'pseudo_header';
      pseudo.set(name, value);
      continue;
    }
    regular = true;
    if (!NAME.test(name)) return 'header_name';
    if (HOP_FIELDS.has(name) || (name === 'te' && value.toLowerCase() !== 'trailers')) return 'hop_field';
    if (name === 'host') {
      if (host !== null) return 'host_many';
      host = value;
    } else if (name === 'cookie') {
      // RFC 9113 §8.2.3: crumbs must be one field again.
      cookies += cookies === '' ? value : `; ${value}`;
    } else {
      hasLength ||= name === 'content-length';
      lines += `${name}: ${value}\r\n`;
    }
  }
  const front = requestLines(pseudo, host);
  if (!front.ok) return front.code;
  if (cookies !== '') lines += `cookie: ${cookies}\r\n`;
  if (hasBody && !hasLength) lines += 'transfer-encoding: chunked\r\n';
  return latin1Bytes(`${front.text}${lines}\r\n`);
}

/** Request line and Host (RFC 9113 §8.3.1). */
function requestLines(
  pseudo: ReadonlyMap<string, string>,
  host: string | null,
): { readonly ok: true; readonly text: string } | { readonly ok: false; readonly code: RefusalCode } {
  const refused = (code: RefusalCode) => ({ ok: false, code }) as const;
  const method = pseudo.get(':method');
  if (method === undefined) return refused('pseudo_header');
  // RFC 9113 §8.5: it has neither scheme nor path. It is not offered, and not malformed.
  if (method === 'CONNECT') return refused('method');
  const path = pseudo.get(':path') ?? '';
  const scheme = pseudo.get(':scheme');
  if (scheme !== 'http' && scheme !== 'https') return refused('pseudo_header');
  // An absolute target would be a second authority.
  if (!path.startsWith('/') && path !== '*') return refused('pseudo_header');
  if (/[^!-~]/.test(path) || /[^!-~]/.test(method)) return refused('target');
  const authority = pseudo.get(':authority') ?? host;
  if (authority === null) return refused('host_missing');
  if (host !== null && host.toLowerCase() !== authority.toLowerCase()) return refused('authority_differs');
  return { ok: true, text: `${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\n` };
}

/** The HTTP/1.1 head of a response, to be read by `Head` and `judgeResponse`; or why there can be none. */
export function responseHead(fields: FieldList): Uint8Array | RefusalCode {
  let status: string | null = null;
  let lines = '';
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    if (LINE_BREAKING.test(value)) return 'header_value';
    if (name.startsWith(':')) {
      if (name !== ':status' || status !== null) return 'pseudo_header';
      status = value;
    } else if (!NAME.test(name)) {
      return 'header_name';
    } else if (HOP_FIELDS.has(name)) {
      return 'hop_field';
    } else {
      lines += `${name}: ${value}\r\n`;
    }
  }
  if (status === null || !/^[1-5]\d\d$/.test(status)) return 'status_line';
  return latin1Bytes(`HTTP/1.1 ${status} \r\n${lines}\r\n`);
}

/**
 * The regular fields of a head that this proxy wrote (`writeRequestHead`, `writeResponseHead`), without those that
 * belong to HTTP/1.1 connections. `host` is there like any other.
 */
export function fieldsOf(head: Uint8Array): string[] {
  return fieldsOfLines(latin1(head, 0, head.length).split('\r\n').slice(1), HOP_FIELDS);
}

/** The fields of the lines of a trailer section that `BodyDecoder` let through. */
export function trailerFields(text: string): string[] {
  return text === '' ? [] : fieldsOfLines(text.split('\r\n'), NEVER_TRAILERS);
}

/** What of a trailer section of HTTP/2 may be passed on; null if a field is not valid. */
export function checkedTrailers(fields: FieldList): string[] | null {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    if (!NAME.test(name) || LINE_BREAKING.test(value)) return null;
    if (!NEVER_TRAILERS.has(name)) kept.push(name, value);
  }
  return kept;
}

/** The value of the first field of that name (lower case), or null. */
export function fieldValue(fields: FieldList, name: string): string | null {
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]!;
  return null;
}

function fieldsOfLines(lines: readonly string[], dropped: ReadonlySet<string>): string[] {
  const fields: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    if (!dropped.has(name)) fields.push(name, line.slice(colon + 1).trim());
  }
  return fields;
}
