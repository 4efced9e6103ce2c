/** Words of a master file as names, numbers, times and text: from bytes to bytes. Errors are texts. */
import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from '../../dns/name.js';

/** Seconds; RFC 2181 §8. */
export const TTL_MAX = 2 ** 31 - 1;

/** Bytes that grow from the left, with room for the largest rdata. */
export interface Output {
  readonly bytes: Uint8Array;
  length: number;
}

/**
 * Writes the name in `from[start, end)` to `out`; `@` is the origin, and a name without a trailing dot is completed
 * with it. Returns what is wrong, or undefined.
 */
export function writeName(
  from: Uint8Array,
  start: number,
  end: number,
  origin: Uint8Array,
  out: Output,
): string | undefined {
  const { bytes } = out;
  const base = out.length;
  if (end - start === 1 && from[start] === 0x40) return append(origin, out);
  if (end - start === 1 && from[start] === DOT) {
    bytes[out.length++] = 0;
    return undefined;
  }
  if (start === end) return 'a name must not be empty; the root is "."';
  let labelAt = base;
  let at = base + 1;
  for (let i = start; i < end; i++) {
    let byte = from[i]!;
    if (byte === DOT) {
      if (at === labelAt + 1) return 'a label must not be empty (two dots in a row?)';
      bytes[labelAt] = at - labelAt - 1;
      labelAt = at++;
      continue;
    }
    if (byte === BACKSLASH) {
      const escaped = escapedByte(from, i, end);
      if (escaped < 0) return BAD_ESCAPE;
      byte = escaped & 0xff;
      i += escaped >> 8;
    } else if (byte <= 0x20 || byte >= 0x7f) {
      return 'a name has ASCII characters only; others are written \\DDD, and international names as xn--…';
    }
    if (at - labelAt > LABEL_BYTES_MAX) return 'a label has at most 63 bytes';
    if (at - base >= NAME_BYTES_MAX) return TOO_LONG;
    bytes[at++] = byte;
  }
  out.length = at;
  if (at === labelAt + 1) {
    if (at - base > NAME_BYTES_MAX) return TOO_LONG;
    bytes[labelAt] = 0;
    return undefined;
  }
  bytes[labelAt] = at - labelAt - 1;
  return at - base + origin.length > NAME_BYTES_MAX ? TOO_LONG : append(origin, out);
}

/** Writes text with its escapes resolved; at most `max` bytes. */
export function writeText(
  from: Uint8Array,
  start: number,
  end: number,
  max: number,
  out: Output,
): string | undefined {
  const limit = out.length + max;
  for (let i = start; i < end; i++) {
    let byte = from[i]!;
    if (byte === BACKSLASH) {
      const escaped = escapedByte(from, i, end);
      if (escaped < 0) return BAD_ESCAPE;
      byte = escaped & 0xff;
      i += escaped >> 8;
    }
    if (out.length >= limit) return `a text has at most ${max} bytes here`;
    out.bytes[out.length++] = byte;
  }
  return undefined;
}

/** Four decimal numbers without leading zeros. */
export function writeIPv4(from: Uint8Array, start: number, end: number, out: Output): string | undefined {
  let parts = 0;
  let n = -1;
  for (let i = start; i <= end; i++) {
    const byte = i === end ? DOT : from[i]!;
    if (byte === DOT) {
      if (n < 0 || parts === 4) return BAD_IPV4;
      out.bytes[out.length++] = n;
      parts++;
      n = -1;
      continue;
    }
    if (byte < ZERO || byte > NINE || n === 0) return BAD_IPV4;
    n = (n < 0 ? 0 : n * 10) + byte - ZERO;
    if (n > 255) return BAD_IPV4;
  }
  return parts === 4 ? undefined : BAD_IPV4;
}

/** A whole number of at most `max`; -1 for anything else. */
export function readNumber(from: Uint8Array, start: number, end: number, max: number): number {
  if (start === end) return -1;
  let n = 0;
  for (let i = start; i < end; i++) {
    const byte = from[i]!;
    if (byte < ZERO || byte > NINE) return -1;
    n = n * 10 + byte - ZERO;
    if (n > max) return -1;
  }
  return n;
}

/** Seconds: `3600`, or with units as in `1h30m`, in any case; -1 for anything else and beyond `max`. */
export function readTime(from: Uint8Array, start: number, end: number, max = TTL_MAX): number {
  let total = 0;
  let n = -1;
  for (let i = start; i < end; i++) {
    const byte = from[i]!;
    if (byte >= ZERO && byte <= NINE) n = (n < 0 ? 0 : n * 10) + byte - ZERO;
    else {
      const unit = UNITS[byte | 0x20];
      if (n < 0 || unit === undefined || byte < 0x41) return -1;
      total += n * unit;
      n = -1;
    }
    if (n > max || total > max) return -1;
  }
  if (start === end) return -1;
  total += Math.max(n, 0);
  return total <= max ? total : -1;
}

/** The text of a word, escapes left as they are; for messages and for what is rare. */
export function wordText(from: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(from[i]!);
  return text;
}

/** Whether the word is `upper`, in any case. */
export function isWord(from: Uint8Array, start: number, end: number, upper: string): boolean {
  if (end - start !== upper.length) return false;
  for (let i = 0; i < upper.length; i++) {
    const byte = from[start + i]!;
    if ((byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte) !== upper.charCodeAt(i)) return false;
  }
  return true;
}

/** The byte that `\X` or `\DDD` at `at` stands for, and above it how many bytes follow the backslash; -1 if none. */
function escapedByte(from: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return -1;
  const first = from[at + 1]!;
  if (first < ZERO || first > NINE) return first < 0x20 || first > 0x7e ? -1 : (1 << 8) | first;
  const n = at + 4 <= end ? readNumber(from, at + 1, at + 4, 255) : -1;
  return n < 0 ? -1 : (3 << 8) | n;
}

function append(name: Uint8Array, out: Output): undefined {
  for (let i = 0; i < name.length; i++) out.bytes[out.length++] = name[i]!;
  return undefined;
}

const DOT = 0x2e;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const NINE = 0x39;
export const BAD_ESCAPE = 'after "\\" comes a character, or three digits from 000 to 255';
const TOO_LONG = 'a name has at most 255 bytes in wire form';
const BAD_IPV4 = 'must be an IPv4 address such as 192.0.2.1';
const UNITS: Readonly<Record<number, number>> = { 115: 1, 109: 60, 104: 3600, 100: 86_400, 119: 604_800 };
