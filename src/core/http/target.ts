/**
 * The request target (RFC 9112 §3.2) in the one form that is both routed on and forwarded: so a route can't be
 * passed by writing the same path in another way.
 */

import { isAuthority } from './authority.js';

export interface Target {
  /** `origin` has a path; `asterisk` is `OPTIONS *`. */
  readonly form: 'origin' | 'asterisk';
  /** Authority of an absolute-form target: it overrides Host (RFC 9112 §3.2.2). */
  readonly authority: string | null;
  /** Normalised, without the query; `/` for `asterisk`. */
  readonly path: string;
  /** What the next hop gets: path and query, or `*`. */
  readonly forwarded: string;
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/is;
/** A path of this shape has nothing to normalise: no percent sign, no segment that starts with a dot. */
const PLAIN_PATH = /^(?:\/(?!\.)[A-Za-z0-9\-_~!$&'()*+,;=:@.]*)+$/;
const UNRESERVED = /^[A-Za-z0-9\-._~]$/;
/** Bytes that RFC 3986 §3.3 doesn't allow raw in a path but that clients send; backslash is one of them. */
const RAW_BUT_ENCODED = /["<>[\\\]^`{|}]/g;

/** Reads a target of visible ASCII characters; null if it isn't valid for `method`. */
export function parseTarget(text: string, method: string): Target | null {
  if (text.includes('#')) return null;
  if (text === '*') {
    return method === 'OPTIONS' ? { form: 'asterisk', authority: null, path: '/', forwarded: '*' } : null;
  }
  if (text.startsWith('/')) return plainOrigin(text);
  const absolute = ABSOLUTE.exec(text);
  if (absolute === null || !isAuthority(absolute[1]!)) return null;
  const rest = absolute[2]!;
  if (rest === '' && method === 'OPTIONS') {
    return { form: 'asterisk', authority: absolute[1]!, path: '/', forwarded: '*' };
  }
  return originForm(rest.startsWith('/') ? rest : `/${rest}`, absolute[1]!);
}

const RECENT_LENGTH_MAX = 64;
const RECENT_MAX = 1024;
/** Targets that came lately: most clients ask for the same few. */
let recent = new Map<string, Target>();

function plainOrigin(text: string): Target | null {
  if (text.length > RECENT_LENGTH_MAX) return originForm(text, null);
  const known = recent.get(text);
  if (known !== undefined) return known;
  const target = originForm(text, null);
  if (target === null) return null;
  if (recent.size >= RECENT_MAX) recent = new Map();
  recent.set(text, target);
  return target;
}

function originForm(text: string, authority: string | null): Target | null {
  const question = text.indexOf('?');
  const raw = question < 0 ? text : text.slice(0, question);
  const path = PLAIN_PATH.test(raw) ? raw : normalisePath(raw);
  if (path === null) return null;
  const forwarded = question < 0 ? path : path + text.slice(question);
  return { form: 'origin', authority, path, forwarded };
}

/**
 * RFC 3986 §6.2.2: percent-encoded unreserved characters are decoded, other escapes get upper-case digits, dot
 * segments are removed. Doing it twice gives the same. An encoded slash stays encoded; a bad escape or an
 * encoded NUL makes the path invalid (null).
 */
export function normalisePath(raw: string): string | null {
  let bad = false;
  const decoded = raw
    .replace(/%(.{0,2})/g, (_, digits: string) => {
      if (!/^[0-9A-Fa-f]{2}$/.test(digits)) bad = true;
      const code = Number.parseInt(digits, 16);
      if (code === 0) bad = true;
      const character = String.fromCharCode(code);
      return UNRESERVED.test(character) ? character : `%${digits.toUpperCase()}`;
    })
    .replace(RAW_BUT_ENCODED, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  return bad ? null : removeDotSegments(decoded);
}

/** RFC 3986 §5.2.4; `..` at the root stays at the root. */
function removeDotSegments(path: string): string {
  const segments = path.split('/').slice(1);
  const kept: string[] = [];
  segments.forEach((segment, i) => {
    const last = i === segments.length - 1;
    if (segment === '.' || segment === '..') {
      if (segment === '..') kept.pop();
      if (last) kept.push('');
    } else {
      kept.push(segment);
    }
  });
  return `/${kept.join('/')}`;
}
