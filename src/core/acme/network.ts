import { maskBytes, parseIPv4, parseIPv6 } from '../dns/rdata/address.js';
import { isTrusted } from '../proxy-protocol/trusted.js';
import type { Prefix } from '../zone/model.js';

/**
 * A network as the acme-dns API writes it in `allowfrom`: always with its length, IPv6 in brackets or not, and bits
 * beyond the length are ignored (`2001:db8::1/32`). Undefined for anything else.
 */
export function parseNetwork(text: string): Prefix | undefined {
  const [address = '', lengthText = '', ...rest] = text.replace(/[[\]]/g, '').split('/');
  const bytes = parseIPv4(address) ?? parseIPv6(address);
  if (!bytes || rest.length > 0 || !/^(?:0|[1-9]\d{0,2})$/.test(lengthText)) return undefined;
  const length = Number(lengthText);
  if (length > bytes.length * 8) return undefined;
  return { bytes: maskBytes(bytes, length), length };
}

/** An IP address as 4 or 16 bytes; one of IPv4 that came over an IPv6 socket (RFC 4291 §2.5.5.2) as 4. */
export function parseAddress(text: string): Uint8Array | undefined {
  const bytes = parseIPv4(text) ?? parseIPv6(text);
  if (bytes?.length !== 16) return bytes;
  const isMapped =
    bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  return isMapped ? bytes.subarray(12) : bytes;
}

export function isIn(address: Uint8Array, networks: readonly Prefix[]): boolean {
  return isTrusted(networks, address, 0, address.length === 4 ? 4 : 6);
}

/** Who asks, as far as that is known. */
export interface AcmeClient {
  /** 4 or 16 bytes; absent where a proxy does not say it in a way that can be read. */
  readonly address?: Uint8Array;
  /** A header names another client, but it came from nobody who may say so. */
  readonly isUnclear: boolean;
}

/** Addresses in one X-Forwarded-For that are looked at. */
const FORWARDED_MAX = 32;

/**
 * The client behind a connection from `peer`. X-Forwarded-For counts only as far as it was written by proxies that are
 * trusted: from the right, the first address that is none of them.
 */
export function clientOf(
  peer: string,
  forwardedFor: string | undefined,
  proxies: readonly Prefix[],
): AcmeClient {
  let address = parseAddress(peer);
  if (!address) return { isUnclear: true };
  const hops = (forwardedFor ?? '').split(',').filter((hop) => hop.trim() !== '');
  if (hops.length > 0 && !isIn(address, proxies)) return { address, isUnclear: true };
  for (const hop of hops.slice(-FORWARDED_MAX).reverse()) {
    if (!isIn(address, proxies)) break;
    address = parseAddress(hop.trim());
    if (!address) return { isUnclear: true };
  }
  return { address, isUnclear: false };
}
