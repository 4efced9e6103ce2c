/**
 * Values of cookies (RFC 6265 §5.4) and query parameters (URL Standard, application/x-www-form-urlencoded) as
 * routes compare them. If a name is there several times, the first counts.
 */

import { hexDigit } from './ascii.js';

/** The value of cookie `name` in a Cookie header's value, quotes included; null if there is none. */
export function cookieValue(cookies: string, name: string): string | null {
  let at = 0;
  while (at < cookies.length) {
    let end = cookies.indexOf(';', at);
    if (end < 0) end = cookies.length;
    while (at < end && isBlank(cookies, at)) at++;
    if (cookies.startsWith(name, at) && at + name.length < end) {
      let equals = at + name.length;
      while (equals < end && isBlank(cookies, equals)) equals++;
      if (equals < end && cookies.charCodeAt(equals) === EQUALS) return trimmed(cookies, equals + 1, end);
    }
    at = end + 1;
  }
  return null;
}

/**
 * The value of the parameter `name` in the query that starts at `start` of `target`, with escapes and plus signs
 * decoded, one character per byte; '' for a parameter without "="; null if there is none.
 */
export function queryValue(target: string, start: number, name: string): string | null {
  let at = start;
  while (at <= target.length) {
    let end = target.indexOf('&', at);
    if (end < 0) end = target.length;
    let equals = target.indexOf('=', at);
    if (equals < 0 || equals > end) equals = end;
    if (decoded(target, at, equals) === name) {
      return equals === end ? '' : decoded(target, equals + 1, end);
    }
    at = end + 1;
  }
  return null;
}

/** A percent sign without two hexadecimal digits stands for itself. */
function decoded(text: string, start: number, end: number): string {
  const raw = text.slice(start, end);
  if (!/[%+]/.test(raw)) return raw;
  return raw.replace(/\+|%([0-9A-Fa-f]{2})/g, (_, digits: string | undefined) =>
    digits === undefined
      ? ' '
      : String.fromCharCode(hexDigit(digits.charCodeAt(0)) * 16 + hexDigit(digits.charCodeAt(1))),
  );
}

function trimmed(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text, from)) from++;
  while (to > from && isBlank(text, to - 1)) to--;
  return text.slice(from, to);
}

const EQUALS = 61;

function isBlank(text: string, i: number): boolean {
  const code = text.charCodeAt(i);
  return code === 32 || code === 9;
}
