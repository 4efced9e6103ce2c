/**
 * Every reason for which an HTTP/1.1 message isn't let through, with the status that the client gets.
 * One table, so that the answer, the log, the counter and the test all name the same thing.
 */

const REASONS = {
  head_too_large: [431, 'the head is larger than 32 KiB'],
  too_many_headers: [431, 'the head has more than 100 header lines'],
  request_line: [400, 'the request line is not "METHOD target HTTP/1.1"'],
  status_line: [502, 'the status line is not "HTTP/1.1 NNN reason"'],
  version: [505, 'only HTTP/1.0 and HTTP/1.1 are spoken here'],
  header_name: [400, 'a header line has no valid field name'],
  header_value: [400, 'a header value has a control character'],
  space_before_colon: [400, 'white space stands between a field name and its colon'],
  obs_fold: [400, 'a header line is folded'],
  bare_lf: [400, 'a line ends in LF without CR'],
  bare_cr: [400, 'a CR stands without LF'],
  nul: [400, 'the head has a NUL byte'],
  method: [405, 'CONNECT and TRACE are not offered'],
  target: [400, 'the request target is not valid'],
  host_missing: [400, 'there is no Host header'],
  host_many: [400, 'there is more than one Host header'],
  host_invalid: [400, 'the Host is not one valid name or address with an optional port'],
  length_invalid: [400, 'Content-Length is not a plain decimal number'],
  length_many: [400, 'there is more than one Content-Length'],
  length_and_encoding: [400, 'both Transfer-Encoding and Content-Length are present'],
  encoding_on_http10: [400, 'Transfer-Encoding is not part of HTTP/1.0'],
  encoding_invalid: [400, 'Transfer-Encoding is empty or names chunked in a wrong place'],
  encoding_unknown: [501, 'the only transfer coding spoken here is chunked'],
  connection_invalid: [400, 'the Connection header is not a short list of tokens, or names a framing header'],
  pseudo_header: [400, 'a pseudo header is missing, repeated, not known or not valid'],
  hop_field: [400, 'a field of HTTP/1.1 connections is present'],
  authority_differs: [400, ':authority and Host are not the same'],
  upgrade_unasked: [502, 'the endpoint switched protocols without being asked'],
  chunk_size: [400, 'a chunk size is not plain hexadecimal'],
  chunk_extension: [400, 'chunk extensions are malformed or too long'],
  chunk_end: [400, 'a chunk does not end in CRLF'],
  trailer: [400, 'the trailer section is malformed, too long, or holds a framing field'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type RefusalCode = keyof typeof REASONS;

export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  /** The status for a client whose *request* is refused; a refused response is always a 502. */
  readonly status: number;
  readonly message: string;
}

/** The refusal for `code`: status and one sentence for people. */
export function refuse(code: RefusalCode): Refusal {
  const [status, message] = REASONS[code];
  return { ok: false, code, status, message };
}

/** Every code there is, for tables of counters and tests. */
export const REFUSAL_CODES = Object.keys(REASONS) as readonly RefusalCode[];
