import { isBlank, SEMICOLON } from './ascii.js';
import type { Head } from './head.js';

const EQUALS = 61;

/** Where a value stands in `head.bytes`; the caller uses the object again. */
export interface ValueRange {
  start: number;
  end: number;
}

/**
 * Finds the cookie `name` in the Cookie lines of a request (RFC 6265 §4.2.1); false if there is none. Of several with one
 * name the first counts. Makes no string.
 */
export function findCookie(head: Head, name: string, into: ValueRange): boolean {
  const { bytes, base } = head;
  for (let line = 0; line < head.count; line++) {
    if (!head.nameIs(line, 'cookie')) continue;
    if (nextCookie(bytes, base + head.valueStart[line]!, base + head.valueEnd[line]!, name, into))
      return true;
  }
  return false;
}

/**
 * Calls `judge` with the value of each cookie `name` until it answers 0 or more, and returns that; -1 where it never does.
 * Blanks around a value are not part of it.
 */
export function judgeCookies(
  head: Head,
  name: string,
  judge: (bytes: Uint8Array, start: number, end: number) => number,
): number {
  const { bytes, base } = head;
  for (let line = 0; line < head.count; line++) {
    if (!head.nameIs(line, 'cookie')) continue;
    const end = base + head.valueEnd[line]!;
    let at = base + head.valueStart[line]!;
    while (nextCookie(bytes, at, end, name, RANGE)) {
      at = RANGE.end;
      const found = judge(bytes, RANGE.start, RANGE.end);
      if (found >= 0) return found;
    }
  }
  return -1;
}

const RANGE: ValueRange = { start: 0, end: 0 };

/** True if a response sets the cookie `name` (RFC 6265 §4.1). */
export function setsCookie(head: Head, name: string): boolean {
  const { bytes, base } = head;
  for (let line = 0; line < head.count; line++) {
    if (!head.nameIs(line, 'set-cookie')) continue;
    const start = base + head.valueStart[line]!;
    let equals = start + name.length;
    const end = base + head.valueEnd[line]!;
    if (equals >= end || !startsWith(bytes, start, name)) continue;
    while (equals < end && isBlank(bytes[equals]!)) equals++;
    if (bytes[equals] === EQUALS && equals < end) return true;
  }
  return false;
}

/** The first one from `start` on, which may stand behind a value. */
function nextCookie(bytes: Uint8Array, start: number, end: number, name: string, into: ValueRange): boolean {
  for (let at = start; at < end; ) {
    while (at < end && isBlank(bytes[at]!)) at++;
    let stop = at;
    while (stop < end && bytes[stop] !== SEMICOLON) stop++;
    const equals = at + name.length;
    if (equals < stop && bytes[equals] === EQUALS && startsWith(bytes, at, name)) {
      let last = stop;
      while (last > equals + 1 && isBlank(bytes[last - 1]!)) last--;
      into.start = equals + 1;
      into.end = last;
      return true;
    }
    at = stop + 1;
  }
  return false;
}

function startsWith(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}
