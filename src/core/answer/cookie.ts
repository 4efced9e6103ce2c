import { sipHash } from '../dns/siphash.js';
import type { Query } from './query.js';

/**
 * DNS cookies (RFC 7873) with the server cookie that all implementations share (RFC 9018 §4):
 *
 *     version 1 (8 bits) | reserved 0 (24) | timestamp (32) | SipHash-2-4 (64)
 *
 * The hash is over client cookie, the first eight bytes of the server cookie, and the client's address.
 */

export const CLIENT_COOKIE_BYTES = 8;
const SERVER_COOKIE_BYTES = 16;
export const COOKIE_BYTES = CLIENT_COOKIE_BYTES + SERVER_COOKIE_BYTES;
/** Lengths of the option that RFC 7873 §4 allows beside 8. */
const FULL_BYTES_MIN = 16;
export const FULL_BYTES_MAX = 40;

/** RFC 9018 §4.3: an hour back, five minutes ahead; a cookie older than half an hour is replaced. */
const AGE_MAX_SECONDS = 3600;
const AHEAD_MAX_SECONDS = 300;
const RENEW_SECONDS = 1800;

const VERSION = 1;
const KEY_WORDS = 4;

/** Client cookie, eight bytes of server cookie, address. */
const signed = new Uint8Array(CLIENT_COOKIE_BYTES + 8 + 16);
const hash = new Uint8Array(8);

/** Whether an option of this many bytes is a cookie at all (RFC 7873 §5.2.2). */
export function isCookieLength(length: number): boolean {
  return length === CLIENT_COOKIE_BYTES || (length >= FULL_BYTES_MIN && length <= FULL_BYTES_MAX);
}

/** Whether the server cookie in `query.cookie` is one of ours, for this client, and not too old. */
export function verifyCookie(query: Query): boolean {
  const { cookie, cookieLength, identity } = query;
  if (cookieLength !== COOKIE_BYTES || cookie[8] !== VERSION) return false;
  const age = ageOf(query);
  if (age > AGE_MAX_SECONDS || age < -AHEAD_MAX_SECONDS) return false;
  const keys = identity.cookieKeys;
  for (let key = 0; key < keys[0]!; key++) {
    sign(query, key);
    // In constant time: how many bytes were right must not show.
    let difference = 0;
    for (let i = 0; i < 8; i++) difference |= hash[i]! ^ cookie[16 + i]!;
    if (difference === 0) return true;
  }
  return false;
}

/** Makes `query.cookie` the one to answer with: the same while it is fresh, or a new one. */
export function renewCookie(query: Query): void {
  const { cookie, nowSeconds } = query;
  if (query.cookieValid && ageOf(query) < RENEW_SECONDS && ageOf(query) >= 0) return;
  cookie[8] = VERSION;
  cookie[9] = 0;
  cookie[10] = 0;
  cookie[11] = 0;
  for (let i = 0; i < 4; i++) cookie[12 + i] = nowSeconds >>> (24 - 8 * i);
  sign(query, 0);
  for (let i = 0; i < 8; i++) cookie[16 + i] = hash[i]!;
}

/** In serial number arithmetic (RFC 9018 §4.3), so that 2106 passes quietly. */
function ageOf({ cookie, nowSeconds }: Query): number {
  const made = (cookie[12]! << 24) | (cookie[13]! << 16) | (cookie[14]! << 8) | cookie[15]!;
  return (nowSeconds - made) | 0;
}

function sign(query: Query, key: number): void {
  const { cookie, source, sourceAt, sourceFamily } = query;
  for (let i = 0; i < 16; i++) signed[i] = cookie[i]!;
  const addressBytes = sourceFamily === 4 ? 4 : 16;
  for (let i = 0; i < addressBytes; i++) signed[16 + i] = source[sourceAt + i]!;
  sipHash(query.identity.cookieKeys, 1 + key * KEY_WORDS, signed, 16 + addressBytes, hash, 0);
}
