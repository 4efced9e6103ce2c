/**
 * Characters of HTTP (RFC 9110 §5.6) as look-up tables, and comparisons on byte ranges that make no string.
 * A range is always `[start, end)`.
 */

import { copyWords, viewOf } from './words.js';

/** 1 for each `tchar` (RFC 9110 §5.6.2). */
export const TOKEN = charTable(
  "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
);

/** 1 for each byte allowed inside a field value: HTAB, SP, visible ASCII and obs-text (RFC 9110 §5.5). */
export const FIELD_VALUE = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 9 || (byte >= 32 && byte !== 127) ? 1 : 0,
);

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;
export const COMMA = 44;
export const SEMICOLON = 59;

/**
 * The range as a string, one character per byte. Ranges are at most a head long. Short texts that came lately are
 * not made again: hosts, methods and paths are mostly the same ones.
 */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > RECENT_BYTES_MAX) return newText(bytes, start, end);
  let hash = length;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  const slot = (hash ^ (hash >>> 15)) & (RECENT_SLOTS - 1);
  const recent = RECENT[slot]!;
  if (recent.length === length) {
    let i = 0;
    while (i < length && recent.charCodeAt(i) === bytes[start + i]) i++;
    if (i === length) return recent;
  }
  const text = newText(bytes, start, end);
  RECENT[slot] = text;
  return text;
}

const RECENT_BYTES_MAX = 64;
const RECENT_SLOTS = 1024;
/** By a hash of the text. Whoever sends many different ones only makes it useless. */
const RECENT: string[] = new Array<string>(RECENT_SLOTS).fill('');

function newText(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
}

/** Copies `bytes[start, end)` to `at` of another array; the index behind the copy. */
export function copyBytes(
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  if (length > SHORT) out.set(bytes.subarray(start, end), at);
  else if (length >= 8) copyWords(out, at, viewOf(bytes), start, end);
  else for (let i = start, to = at; i < end; i++, to++) out[to] = bytes[i]!;
  return at + length;
}

/** Up to here a loop is faster than making a view for `set`. */
const SHORT = 160;

/** Copies all of `text` to `at`; the index behind the copy. Without a view to be made, `set` costs as much as 16 steps of a loop. */
export function copyText(out: Uint8Array, at: number, text: Uint8Array): number {
  if (text.length > 16) out.set(text, at);
  else for (let i = 0; i < text.length; i++) out[at + i] = text[i]!;
  return at + text.length;
}

/** Text of one byte for each character. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  putText(bytes, 0, text);
  return bytes;
}

/** Writes text of one byte for each character to `out`, from `at`; where it ends. */
export function putText(out: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** True if the range equals `lower`, which must be lower-case ASCII, in any letter case. */
export function equalsIgnoreCase(bytes: Uint8Array, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    if (lowerByte(bytes[start + i]!) !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** True if every byte of a non-empty range is a `tchar`. */
export function isToken(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (TOKEN[bytes[i]!] === 0) return false;
  return end > start;
}

export function lowerByte(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte | 32 : byte;
}

/** Value of a hexadecimal digit, or -1. */
export function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/**
 * Calls `each` for every element of a comma-separated list, without its white space; empty elements too.
 * Quoted strings aren't known here: use it only where the grammar has none.
 */
export function eachListElement(
  bytes: Uint8Array,
  start: number,
  end: number,
  each: (start: number, end: number) => void,
): void {
  let from = start;
  for (let i = start; i <= end; i++) {
    if (i < end && bytes[i] !== COMMA) continue;
    let a = from;
    let b = i;
    while (a < b && isBlank(bytes[a]!)) a++;
    while (b > a && isBlank(bytes[b - 1]!)) b--;
    each(a, b);
    from = i + 1;
  }
}

export function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

function charTable(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)] = 1;
  return table;
}
