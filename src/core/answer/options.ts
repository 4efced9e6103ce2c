import { EDNS_OPTION, RCODE } from '../dns/iana.js';
import { COOKIE_BYTES, isCookieLength, renewCookie, verifyCookie } from './cookie.js';
import { COUNTER } from './counters.js';
import type { Query } from './query.js';
import { REASON, REASONS } from './reason.js';

/**
 * EDNS options other than the client subnet: NSID, cookie, keepalive, padding, extended errors. All are rarer, so they
 * are kept off the way of a query without them: it only finds `wants` and `reason` to be 0.
 */

/** Bits of `query.wants`: what the answer's OPT is to hold beside the client subnet. */
export const WANTS = { NSID: 1, COOKIE: 2, KEEPALIVE: 4, PADDING: 8 } as const;

const OPTION_HEADER_BYTES = 4;
const KEEPALIVE_BYTES = 2;
/** RFC 8467 §4.1. */
const PADDING_BLOCK = 468;

/** Takes one option of a query; returns NOERROR, or FORMERR where it contradicts itself. Unknown ones are passed over. */
export function parseOption(query: Query, code: number, at: number, length: number): number {
  switch (code) {
    case EDNS_OPTION.NSID:
      if (query.identity.nsid.length > 0) query.wants |= WANTS.NSID;
      return RCODE.NOERROR;
    case EDNS_OPTION.COOKIE:
      return parseCookie(query, at, length);
    case EDNS_OPTION.TCP_KEEPALIVE:
      // RFC 7828 §3.3.2: over UDP it is ignored, whatever it holds.
      if (!query.stream || query.keepalive < 0) return RCODE.NOERROR;
      if (length !== 0 && length !== KEEPALIVE_BYTES) return RCODE.FORMERR;
      query.wants |= WANTS.KEEPALIVE;
      return RCODE.NOERROR;
    case EDNS_OPTION.PADDING:
      // Who can see the packet can read it as well, unless it is encrypted (RFC 7830 §6).
      if (query.encrypted) query.wants |= WANTS.PADDING;
      return RCODE.NOERROR;
    default:
      return RCODE.NOERROR;
  }
}

function parseCookie(query: Query, at: number, length: number): number {
  const { input, cookie, counters, identity } = query;
  if (identity.cookieKeys[0] === 0) return RCODE.NOERROR;
  if (!isCookieLength(length)) return RCODE.FORMERR;
  // Only the first one counts (RFC 7873 §5.2).
  if (query.wants & WANTS.COOKIE) return RCODE.NOERROR;
  for (let i = 0; i < length; i++) cookie[i] = input[at + i]!;
  query.cookieLength = length;
  query.cookieValid = verifyCookie(query);
  query.wants |= WANTS.COOKIE;
  const kind = query.cookieValid
    ? COUNTER.COOKIE_VALID
    : length === 8
      ? COUNTER.COOKIE_NEW
      : COUNTER.COOKIE_INVALID;
  counters[kind] = counters[kind]! + 1;
  return RCODE.NOERROR;
}

/** Bytes to set aside for the options that were asked for. Padding and extended errors take what is left. */
export function wantedLength(query: Query): number {
  const { wants, identity } = query;
  let length = 0;
  if (wants & WANTS.NSID) length += OPTION_HEADER_BYTES + identity.nsid.length;
  if (wants & WANTS.COOKIE) length += OPTION_HEADER_BYTES + COOKIE_BYTES;
  if (wants & WANTS.KEEPALIVE) length += OPTION_HEADER_BYTES + KEEPALIVE_BYTES;
  return length;
}

/** Appends the options to an OPT that ends at `query.at`; none passes `end`. */
export function writeOptions(query: Query, end: number): void {
  const { wants, identity, output } = query;
  if (wants & WANTS.NSID) writeOption(query, EDNS_OPTION.NSID, identity.nsid, identity.nsid.length);
  if (wants & WANTS.COOKIE) {
    renewCookie(query);
    writeOption(query, EDNS_OPTION.COOKIE, query.cookie, COOKIE_BYTES);
  }
  if (wants & WANTS.KEEPALIVE) {
    beginOption(query, EDNS_OPTION.TCP_KEEPALIVE, KEEPALIVE_BYTES);
    output[query.at++] = query.keepalive >> 8;
    output[query.at++] = query.keepalive & 0xff;
  }
  if (query.reason !== REASON.NONE) {
    const text = REASONS[query.reason]!;
    // A reason is worth no truncation.
    if (query.at + OPTION_HEADER_BYTES + text.length <= end) {
      writeOption(query, EDNS_OPTION.EXTENDED_ERROR, text, text.length);
    }
  }
  if (wants & WANTS.PADDING) writePadding(query, end);
}

/** Last of all: fills the message up to a multiple of PADDING_BLOCK, or to the limit (RFC 8467 §4.1). */
function writePadding(query: Query, end: number): void {
  const unpadded = query.at + OPTION_HEADER_BYTES - query.base;
  const blocks = Math.ceil(unpadded / PADDING_BLOCK) * PADDING_BLOCK;
  const length = Math.min(blocks, end - query.base) - unpadded;
  if (length < 0) return;
  beginOption(query, EDNS_OPTION.PADDING, length);
  query.output.fill(0, query.at, query.at + length);
  query.at += length;
}

function writeOption(query: Query, code: number, data: Uint8Array, length: number): void {
  beginOption(query, code, length);
  for (let i = 0; i < length; i++) query.output[query.at++] = data[i]!;
}

function beginOption(query: Query, code: number, length: number): void {
  query.outputView.setInt32(query.at, (code << 16) | length);
  query.at += OPTION_HEADER_BYTES;
}
