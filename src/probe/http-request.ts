import { isIP } from 'node:net';
import type { HttpCheck } from '../core/zone/check.js';

const USER_AGENT = 'meridian-probe';
/** What could end a line or a field early; a monitor's schema lets none of it through. */
const UNSAFE = /[^\t -~]/;
const UNSAFE_PATH = /[^!-~]/;

/** The request of an HTTP/1.1 probe as text. Throws where the settings can't be put into one. */
export function requestText(host: string, check: HttpCheck): string {
  const fields = requestFields(check);
  const authority = check.host ?? authorityOf(host, check);
  const lines = [`${check.method} ${safePath(check.path)} HTTP/1.1`, `Host: ${safe(authority)}`];
  for (const [name, value] of fields) lines.push(`${safe(name)}: ${safe(value)}`);
  // A POST without a body says so, or some servers wait for one (RFC 9110 §8.6).
  if (check.method === 'POST') lines.push('Content-Length: 0');
  lines.push('Connection: close', '', '');
  return lines.join('\r\n');
}

/** The monitor's fields, with a User-Agent and an Accept unless it has them. */
export function requestFields(check: HttpCheck): readonly (readonly [name: string, value: string])[] {
  const given = check.headers ?? [];
  const has = (name: string): boolean => given.some(([other]) => other.toLowerCase() === name);
  return [
    ...(has('user-agent') ? [] : [['User-Agent', USER_AGENT] as const]),
    ...(has('accept') ? [] : [['Accept', '*/*'] as const]),
    ...given,
  ];
}

/** A target's own name as an authority: brackets around IPv6, the port unless it is the scheme's. */
export function authorityOf(
  host: string,
  { port, ...check }: Pick<HttpCheck, 'type' | 'port' | 'tls'>,
): string {
  const name = isIP(host) === 6 ? `[${host}]` : host;
  const plain = check.type === 'http' || check.tls === false;
  return port === (plain ? 80 : 443) ? name : `${name}:${port}`;
}

function safePath(path: string): string {
  if (UNSAFE_PATH.test(path)) throw new Error('the path has a character that no request can carry');
  return path;
}

function safe(text: string): string {
  if (UNSAFE.test(text)) throw new Error('a header has a character that no request can carry');
  return text;
}
