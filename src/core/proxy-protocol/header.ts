import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../dns/rdata/address.js';
import { PROXY_LINE_MAX, readProxyLine, writeProxyLine } from './v1.js';
import { PROXY_HEADER_MAX, type ProxyHeader, readProxyHeader } from './v2.js';
import { type ProxyTlv, writeProxyHeader } from './write-v2.js';

export type ProxyVersion = 'v1' | 'v2';

/** An IP address in text, and a port. */
export interface EndOfConnection {
  readonly host: string;
  readonly port: number;
}

/** Room that any header needs, bytes. */
export const ANY_HEADER_MAX: number = Math.max(PROXY_HEADER_MAX, PROXY_LINE_MAX);

const FIRST_OF_LINE = 0x50;

/**
 * Reads a PROXY header of either version at `start..end`: the first byte tells which. Returns its length, 0 if more
 * bytes may complete it, -1 if it is none or malformed.
 */
export function readAnyHeader(bytes: Uint8Array, start: number, end: number, header: ProxyHeader): number {
  if (end <= start) return 0;
  const read = bytes[start] === FIRST_OF_LINE ? readProxyLine : readProxyHeader;
  return read(bytes, start, end, header);
}

/** Writes the header that a stream begins with; `tlvs` are for version 2. Returns the end. */
export function writeAnyHeader(
  version: ProxyVersion,
  header: ProxyHeader,
  tlvs: readonly ProxyTlv[],
  into: Uint8Array,
  at: number,
): number {
  if (version === 'v1') return writeProxyLine(header, into, at);
  return writeProxyHeader(header, 'stream', tlvs, into, at);
}

/**
 * Fills `header` with a client's address and the address that it connected to. Of two families both become IPv6, with
 * the IPv4 address mapped (RFC 4291 §2.5.5.2). What is no address makes the family 0.
 */
export function describeConnection(
  source: EndOfConnection,
  destination: EndOfConnection,
  header: ProxyHeader,
): void {
  const from = addressOf(source.host);
  const to = addressOf(destination.host);
  header.family = 0;
  if (from === undefined || to === undefined) return;
  header.family = from.length === 4 && to.length === 4 ? 4 : 6;
  put(from, header.source, header.family);
  put(to, header.destination, header.family);
  header.sourcePort = source.port;
  header.destinationPort = destination.port;
}

/** The client's address in text; null for family 0. */
export function sourceOf(header: ProxyHeader): EndOfConnection | null {
  if (header.family === 0) return null;
  return { host: textOf(header.source, header.family), port: header.sourcePort };
}

/** The address that the client connected to, in text; null for family 0. */
export function destinationOf(header: ProxyHeader): EndOfConnection | null {
  if (header.family === 0) return null;
  return { host: textOf(header.destination, header.family), port: header.destinationPort };
}

function addressOf(host: string): Uint8Array | undefined {
  return parseIPv4(host) ?? parseIPv6(host.split('%', 1)[0]!);
}

function put(address: Uint8Array, into: Uint8Array, family: 4 | 6): void {
  into.fill(0);
  if (family === 6 && address.length === 4) {
    into.fill(0xff, 10, 12);
    into.set(address, 12);
  } else into.set(address);
}

function textOf(bytes: Uint8Array, family: 4 | 6): string {
  return family === 4 ? formatIPv4(bytes) : formatIPv6(bytes);
}
