/**
 * Which responses a shared cache may keep to give them later, when the origin fails (RFC 9111 §3 and §4.2.4, RFC 5861 §4).
 * Stricter than these: a response must say that it may be cached, and must not set a cookie.
 */

import type { Head } from './head.js';

/** How a response that is kept may be used. */
export interface StaleTerms {
  /** For so many seconds from now; Infinity: it sets no bound. */
  readonly seconds: number;
  /** Also for requests with cookies. */
  readonly isPublic: boolean;
  /** Only for requests with the same Accept-Encoding. */
  readonly byEncoding: boolean;
}

/** RFC 9111 §4.2.4: directives that forbid what is stale. `s-maxage` does too (§5.2.2.10). */
const FORBIDS: ReadonlySet<string> = new Set([
  'no-store',
  'no-cache',
  'private',
  'must-revalidate',
  'proxy-revalidate',
  's-maxage',
]);
const DIRECTIVES_MAX = 32;
const SECONDS = /^"?(\d{1,15})"?$/;

/** The terms of a response with status 200 to a GET; null if it may not be kept. */
export function staleTerms(request: Head, response: Head): StaleTerms | null {
  if (request.field('authorization', ',') !== null || request.field('range', ',') !== null) return null;
  if (response.field('set-cookie', ',') !== null || response.field('content-range', ',') !== null)
    return null;
  const said = directives(request.field('cache-control', ','));
  const control = directives(response.field('cache-control', ','));
  if (said === null || said.has('no-store') || control === null) return null;
  for (const name of control.keys()) if (FORBIDS.has(name)) return null;
  const isPublic = control.has('public');
  if (!isPublic && request.field('cookie', ';') !== null) return null;
  const maxAge = secondsOf(control.get('max-age'));
  const onError = secondsOf(control.get('stale-if-error'));
  if (maxAge === null || onError === null) return null;
  if (!isPublic && maxAge === undefined && onError === undefined) return null;
  const vary = response.field('vary', ',')?.trim().toLowerCase() ?? '';
  if (vary !== '' && vary !== 'accept-encoding') return null;
  const age = secondsOf(response.field('age', ',') ?? '0') ?? 0;
  const seconds = onError === undefined ? Number.POSITIVE_INFINITY : (maxAge ?? 0) + onError - age;
  return { seconds, isPublic, byEncoding: vary !== '' };
}

/** Whether a request may get what is kept on these terms. */
export function takesStale(request: Head, { isPublic }: StaleTerms): boolean {
  if (request.field('authorization', ',') !== null) return false;
  if (!isPublic && request.field('cookie', ';') !== null) return false;
  const said = directives(request.field('cache-control', ','));
  return said !== null && !said.has('no-store') && !said.has('no-cache');
}

/** By name, in lower case; null if there are too many. */
function directives(value: string | null): ReadonlyMap<string, string> | null {
  const found = new Map<string, string>();
  if (value === null) return found;
  const parts = value.toLowerCase().split(',', DIRECTIVES_MAX + 1);
  if (parts.length > DIRECTIVES_MAX) return null;
  for (const part of parts) {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim();
    if (name !== '') found.set(name, equals < 0 ? '' : part.slice(equals + 1).trim());
  }
  return found;
}

/** Undefined where it is not said, null where it is no number. */
function secondsOf(value: string | undefined): number | null | undefined {
  if (value === undefined) return undefined;
  const digits = SECONDS.exec(value)?.[1];
  return digits === undefined ? null : Number(digits);
}
