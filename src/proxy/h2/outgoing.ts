import { type OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2';
import type { FieldList } from '../../core/http/http2-head.js';

/** Fields that node:http2 takes once only; of more than one the first is sent, as recipients read them. */
const ONCE: ReadonlySet<string> = new Set([
  'access-control-allow-credentials',
  'access-control-max-age',
  'access-control-request-method',
  'age',
  'authorization',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'dnt',
  'etag',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'range',
  'referer',
  'retry-after',
  'tk',
  'upgrade-insecure-requests',
  'user-agent',
  'x-content-type-options',
]);

/** `pseudo` and the fields as node:http2 takes them. Several fields of one name stay several, in their order. */
export function outgoing(
  pseudo: OutgoingHttpHeaders,
  fields: FieldList,
  sensitive: readonly string[],
): OutgoingHttpHeaders {
  // Without a prototype: a field may be called `__proto__`.
  const headers: OutgoingHttpHeaders = Object.assign(Object.create(null), pseudo);
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (!ONCE.has(name)) headers[name] = [before, value].flat() as string[];
  }
  if (sensitive.length > 0) {
    const marked = sensitive.filter((name) => headers[name] !== undefined);
    Object.assign(headers, { [sensitiveHeaders]: marked });
  }
  return headers;
}

/** Names of the fields that came as never to be remembered by compression (RFC 7541 §7.1.3). */
export function sensitiveNames(headers: object): readonly string[] {
  const names: unknown = Reflect.get(headers, sensitiveHeaders);
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
}
