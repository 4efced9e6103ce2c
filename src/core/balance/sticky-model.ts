/** Sticky sessions of a pool as the configuration means them. Plain data; times are milliseconds. */

export type StickyModel = CookieStickyModel | KeyStickyModel;

/** The proxy gives the client a cookie that says which endpoint it stays with. */
export interface CookieStickyModel {
  readonly by: 'cookie' | 'app_cookie';
  /** Of the proxy's cookie. */
  readonly cookie: string;
  /** `app_cookie`: there is a session only while the client has this cookie of the application. Else empty. */
  readonly application: string;
  readonly path: string;
  /** Empty: the host that set it only. */
  readonly domain: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: 'strict' | 'lax' | 'none';
  /** Of the cookie and of the session, from its last renewal on. Null: the browser's session, without an end. */
  readonly lifetimeMs: number | null;
  /** How long an endpoint that drains keeps its sessions. */
  readonly drainMs: number;
}

/** The proxy remembers which endpoint a header's value, or an address, stays with. */
export interface KeyStickyModel {
  readonly by: 'header' | 'address';
  /** In lower case; empty for `address`. */
  readonly header: string;
  /** Without a request for so long a session is forgotten. */
  readonly lifetimeMs: number;
  readonly drainMs: number;
}
