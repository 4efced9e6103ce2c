/**
 * The value of the cookie that keeps a client at an endpoint. 21 bytes, as 28 characters of base64url (RFC 4648 §5):
 *
 *     version 1 (8 bits) | issued, seconds since 1970 (32) | masked id (64) | tag (64)
 *
 * The tag is SipHash-2-4 over version, time and id. The mask is SipHash-2-4 over the tag: so the id shows to nobody, and
 * cookies of one endpoint, made at different times, don't look alike. The id is a hash of pool and endpoint: it is the same
 * in every worker and proxy, after a reload, and in whatever order the endpoints are written.
 */

import { sipHash } from '../dns/siphash.js';

export const STICKY_CHARACTERS = 28;

/** What `readStickyCookie` says. A cookie that is too old is the caller's to refuse. */
export const STICKY_COOKIE = { GOOD: 0, FORGED: 1 } as const;

/** A cookie that was read: valid until the next one is. */
export interface StickyCookie {
  idLow: number;
  idHigh: number;
  /** Seconds since 1970. */
  issued: number;
}

const VERSION = 1;
const BYTES = 21;
const ID_AT = 5;
const TAG_AT = 13;
const KEY_WORDS = 4;
const NO_KEY = new Int32Array(KEY_WORDS);
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const DIGITS = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const VALUES = valuesOf(DIGITS);

const raw = new Uint8Array(24);
const hash = new Uint8Array(8);

/** The id of an endpoint: two words. Names are ASCII; of pool and endpoint together at most 512 characters count. */
export function stickyId(pool: string, endpoint: string): readonly [low: number, high: number] {
  const text = `${pool}\n${endpoint}`.slice(0, 512);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const out = new Uint8Array(8);
  sipHash(NO_KEY, 0, bytes, bytes.length, out, 0);
  return [wordAt(out, 0), wordAt(out, 4)];
}

/**
 * Writes STICKY_CHARACTERS bytes to `out`.
 *
 * @param keys `[count, key, key, …]` as `createCookieKeys` makes it; the first one signs.
 */
export function writeStickyCookie(
  out: Uint8Array,
  at: number,
  keys: Int32Array,
  idLow: number,
  idHigh: number,
  issued: number,
): void {
  raw[0] = VERSION;
  for (let i = 0; i < 4; i++) raw[1 + i] = issued >>> (24 - 8 * i);
  putWord(raw, ID_AT, idLow);
  putWord(raw, ID_AT + 4, idHigh);
  sipHash(keys, 1, raw, TAG_AT, hash, 0);
  for (let i = 0; i < 8; i++) raw[TAG_AT + i] = hash[i]!;
  sipHash(keys, 1, hash, 8, hash, 0);
  for (let i = 0; i < 8; i++) raw[ID_AT + i] = raw[ID_AT + i]! ^ hash[i]!;
  for (let i = 0, to = at; i < BYTES; i += 3, to += 4) {
    const bits = (raw[i]! << 16) | (raw[i + 1]! << 8) | raw[i + 2]!;
    out[to] = DIGITS[bits >>> 18]!;
    out[to + 1] = DIGITS[(bits >>> 12) & 63]!;
    out[to + 2] = DIGITS[(bits >>> 6) & 63]!;
    out[to + 3] = DIGITS[bits & 63]!;
  }
}

/** Reads a value that came from anybody into `into`. Takes the same time however much of it is right. */
export function readStickyCookie(
  bytes: Uint8Array,
  start: number,
  end: number,
  keys: Int32Array,
  into: StickyCookie,
): number {
  if (end - start !== STICKY_CHARACTERS || !decode(bytes, start) || raw[0] !== VERSION) {
    return STICKY_COOKIE.FORGED;
  }
  const maskedLow = wordAt(raw, ID_AT);
  const maskedHigh = wordAt(raw, ID_AT + 4);
  for (let key = 0; key < keys[0]!; key++) {
    const keyAt = 1 + key * KEY_WORDS;
    for (let i = 0; i < 8; i++) hash[i] = raw[TAG_AT + i]!;
    sipHash(keys, keyAt, hash, 8, hash, 0);
    const low = maskedLow ^ wordAt(hash, 0);
    const high = maskedHigh ^ wordAt(hash, 4);
    putWord(raw, ID_AT, low);
    putWord(raw, ID_AT + 4, high);
    sipHash(keys, keyAt, raw, TAG_AT, hash, 0);
    let difference = 0;
    for (let i = 0; i < 8; i++) difference |= hash[i]! ^ raw[TAG_AT + i]!;
    if (difference !== 0) continue;
    into.idLow = low;
    into.idHigh = high;
    into.issued = ((raw[1]! << 24) | (raw[2]! << 16) | (raw[3]! << 8) | raw[4]!) >>> 0;
    return STICKY_COOKIE.GOOD;
  }
  return STICKY_COOKIE.FORGED;
}

/** 28 digits are exactly 21 bytes: each value has one text only. */
function decode(bytes: Uint8Array, start: number): boolean {
  let wrong = 0;
  for (let i = 0, from = start; i < BYTES; i += 3, from += 4) {
    const a = VALUES[bytes[from]!]!;
    const b = VALUES[bytes[from + 1]!]!;
    const c = VALUES[bytes[from + 2]!]!;
    const d = VALUES[bytes[from + 3]!]!;
    wrong |= a | b | c | d;
    raw[i] = (a << 2) | (b >>> 4);
    raw[i + 1] = (b << 4) | (c >>> 2);
    raw[i + 2] = (c << 6) | d;
  }
  return wrong < 64;
}

function valuesOf(digits: Uint8Array): Uint8Array {
  const values = new Uint8Array(256).fill(255);
  digits.forEach((digit, value) => {
    values[digit] = value;
  });
  return values;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = word >>> (8 * i);
}
