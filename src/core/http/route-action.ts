/** What a route does with a request that it takes: plain data, checked when the configuration was read. */

/** Fields that are set (other lines of the name go), added to what is there, or removed. */
export interface FieldChanges {
  readonly set: readonly Field[];
  readonly add: readonly Field[];
  /** Names in any letter case. */
  readonly remove: readonly string[];
}

export interface Field {
  readonly name: string;
  /** Visible ASCII and inner spaces. */
  readonly value: string;
}

export type PathEdit =
  /** The matched prefix `from` becomes `to`; the rest stays. */
  | { readonly kind: 'prefix'; readonly from: string; readonly to: string }
  /** The whole path. */
  | { readonly kind: 'path'; readonly to: string }
  /** The whole path must match, otherwise it stays; `to` may hold `$0` to `$9`, and `$$` for a dollar sign. */
  | { readonly kind: 'pattern'; readonly pattern: string; readonly to: string };

export interface RequestRewrite {
  readonly path?: PathEdit;
  /** The authority that the endpoint sees as Host. */
  readonly host?: string;
  readonly fields?: FieldChanges;
}

export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

/** Parts that are absent stay as the client asked for them. */
export interface Redirect {
  readonly status: RedirectStatus;
  readonly scheme?: 'http' | 'https';
  /** A name, or an IPv6 address in brackets; without port. */
  readonly host?: string;
  readonly port?: number;
  readonly path?: PathEdit;
  readonly keepQuery: boolean;
  readonly fields: readonly Field[];
}

export interface FixedResponse {
  /** 200 to 599. */
  readonly status: number;
  /** Sent as UTF-8; at most BODY_BYTES_MAX. */
  readonly body: string;
  readonly type: string;
  readonly fields: readonly Field[];
}

export const FIXED_BODY_BYTES_MAX = 64 * 1024;
/** How often a replacement may use groups: with it, and the length of a path, the result stays bounded. */
export const TEMPLATE_GROUPS_MAX = 16;

/** A response to these has no body (RFC 9110 §15.3.5, §15.3.6, §15.4.5). */
export const BODYLESS: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Fields that only the proxy writes: they belong to one hop, say where a message ends (RFC 9110 §7.6.1, RFC 9112
 * §6), or tell about earlier hops. A route that changed them could make two parsers disagree.
 */
const RESERVED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'http2-settings',
  'via',
]);
const RESERVED_IN_REQUESTS: ReadonlySet<string> = new Set([
  'host',
  'expect',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
]);

/** True if a route may not change this field; `name` in any letter case. */
export function isReserved(name: string, of: 'request' | 'response'): boolean {
  const lower = name.toLowerCase();
  return RESERVED.has(lower) || (of === 'request' && RESERVED_IN_REQUESTS.has(lower));
}
