/** Rate limits and lists of clients as the configuration means them. Plain data; times are milliseconds. */
import type { Prefix } from '../zone/model.js';

/** What of a request tells the accounts of one limit apart. */
export type LimitKey =
  | { readonly by: 'address' | 'host' | 'route' }
  /** The value of a header, such as an API key. Its name is in lower case. */
  | { readonly by: 'header'; readonly name: string };

/** So many requests in a period for each key, and `burst` of them at once. */
export interface RateLimitModel {
  readonly name: string;
  readonly requests: number;
  readonly periodMs: number;
  readonly burst: number;
  readonly keys: readonly LimitKey[];
  /** Bits of the client's address that count. */
  readonly prefix4: number;
  readonly prefix6: number;
  /** A request without the header is counted by its address, or passes. */
  readonly missing: 'address' | 'pass';
  /** Nothing is refused, only counted. */
  readonly dryRun: boolean;
  /** Other proxies of the region don't count it too. */
  readonly local?: boolean;
}

/** Who may come. The longest prefix decides; without one, countries and autonomous systems do. */
export interface AccessListModel {
  readonly name: string;
  readonly allow: AccessSide;
  readonly deny: AccessSide;
}

export interface AccessSide {
  readonly prefixes: readonly Prefix[];
  /** ISO 3166-1 alpha-2, in capital letters. */
  readonly countries: readonly string[];
  readonly asns: readonly number[];
}

/** Limits of one source, an IPv4 address or an IPv6 prefix, at one listener. */
export interface SourceModel {
  /** The address of the listener as it is written. */
  readonly name: string;
  /** Open at once; 0: no limit. */
  readonly connections: number;
  /** New connections, and so TLS handshakes, in a second; 0: no limit. */
  readonly perSecond: number;
  readonly prefix4: number;
  readonly prefix6: number;
}

/** The other proxies of the region, which count the same limits. */
export interface PeersModel {
  readonly listen: { readonly host: string; readonly port: number };
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  readonly secretFile: string;
}

export const RATE_LIMITS_MAX = 255;
export const DEFAULT_RATE_LIMIT_KEYS = 131_072;
