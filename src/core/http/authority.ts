/**
 * The value of a Host header or the authority of an absolute target (RFC 9110 §7.2, RFC 3986 §3.2).
 * Narrower than the RFC's reg-name on purpose: no percent-encoding and no sub-delimiters, since nothing but
 * attacks uses them and backends disagree about them.
 */

const AUTHORITY = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?$/;
const AUTHORITY_LENGTH_MAX = 262;

export function isAuthority(text: string): boolean {
  if (text === lastAuthority) return true;
  if (text.length > AUTHORITY_LENGTH_MAX || !fitsAuthority(text)) return false;
  lastAuthority = text;
  return true;
}

/** Most requests are for the host of the one before. */
let lastAuthority = '-';

function fitsAuthority(text: string): boolean {
  const match = AUTHORITY.exec(text);
  return match !== null && (match[1] === undefined || Number(match[1]) <= 65535);
}

/** The name without port, lower-case, without a trailing dot: what routes compare. */
export function hostName(authority: string): string {
  if (isPlainName(authority)) return authority;
  const colon = authority.endsWith(']') ? -1 : authority.lastIndexOf(':');
  const name = (colon < 0 ? authority : authority.slice(0, colon)).toLowerCase();
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

/** True if the name is already what `hostName` makes of it, as nearly always: then no string is made. */
function isPlainName(authority: string): boolean {
  const last = authority.length - 1;
  for (let i = 0; i <= last; i++) {
    const code = authority.charCodeAt(i);
    if (code === COLON || (code >= 65 && code <= 90)) return false;
  }
  return authority.charCodeAt(last) !== DOT;
}

const COLON = 58;
const DOT = 46;
