/**
 * IP addresses and prefixes as text and as bytes, and the rdata of A and AAAA that is made of them
 * (RFC 1035 §3.4.1, RFC 3596 §2.2; text of IPv6 after RFC 4291 §2.2 and RFC 5952). Parsing is strict: what
 * is not exactly an address is none, so that a typing error never becomes another host.
 */
import type { Prefix } from '../../zone/model.js';
import { TYPE } from '../iana.js';
import { type RdataCodec, type RdataError, rdataError, shown } from './codec.js';

/** Four decimal numbers without leading zeros to 4 bytes; undefined for anything else. */
export function parseIPv4(text: string): Uint8Array | undefined {
  if (text.length > 15) return undefined;
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [i, part] of parts.entries()) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[i] = Number(part);
  }
  return bytes;
}

/** IPv6 text to 16 bytes; undefined for anything else. Zone ids (`%eth0`) and brackets are not addresses. */
export function parseIPv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupBytes(halves[0]!, halves.length === 1);
  if (!head) return undefined;
  const bytes = new Uint8Array(16);
  if (halves.length === 1) {
    if (head.length !== 16) return undefined;
    bytes.set(head);
    return bytes;
  }
  const tail = groupBytes(halves[1]!, true);
  // "::" stands for at least one group.
  if (!tail || head.length + tail.length > 14) return undefined;
  bytes.set(head);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

export function formatIPv4(bytes: Uint8Array, offset = 0): string {
  return `${bytes[offset] ?? 0}.${bytes[offset + 1] ?? 0}.${bytes[offset + 2] ?? 0}.${bytes[offset + 3] ?? 0}`;
}

/** The canonical text of RFC 5952: lower case, longest run of two or more zero groups as `::`. */
export function formatIPv6(bytes: Uint8Array, offset = 0): string {
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[offset + 2 * i] ?? 0) << 8) | (bytes[offset + 2 * i + 1] ?? 0),
  );
  // RFC 5952 §5: the mapped prefix is shown with the IPv4 address that it carries.
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return `::ffff:${formatIPv4(bytes, offset + 12)}`;
  }
  const run = longestZeroRun(groups);
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (run.length < 2) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`;
}

/** Text of 4 or 16 bytes. */
export function formatAddress(bytes: Uint8Array): string {
  return bytes.length === 4 ? formatIPv4(bytes) : formatIPv6(bytes);
}

/** `192.0.2.0/24`, `2001:db8::/32`, or a bare address as a full-length prefix; a message if it is neither. */
export function parsePrefix(
  text: string,
): Prefix | { readonly code: 'bad-prefix'; readonly message: string } {
  const [addressText = '', lengthText, ...rest] = text.split('/');
  const bytes = parseIPv4(addressText) ?? parseIPv6(addressText);
  const bits = (bytes?.length ?? 0) * 8;
  if (!bytes || rest.length > 0) {
    return { code: 'bad-prefix', message: 'must be a prefix such as 192.0.2.0/24 or 2001:db8::/32' };
  }
  if (lengthText === undefined) return { bytes, length: bits };
  const length = /^(?:0|[1-9]\d{0,2})$/.test(lengthText) ? Number(lengthText) : -1;
  if (length < 0 || length > bits) {
    return { code: 'bad-prefix', message: `the length of this prefix must be a number from 0 to ${bits}` };
  }
  const network = maskBytes(bytes, length);
  if (network.some((byte, i) => byte !== bytes[i])) {
    const meant = `${formatAddress(network)}/${length}`;
    return { code: 'bad-prefix', message: `has bits set beyond its length; did you mean ${meant}?` };
  }
  return { bytes, length };
}

/** A copy with the bits beyond `length` cleared. */
export function maskBytes(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.map((byte, i) => {
    const kept = Math.min(8, Math.max(0, length - 8 * i));
    return byte & (0xff00 >> kept) & 0xff;
  });
}

export const A: RdataCodec = {
  type: TYPE.A,
  parse: (value) => parseAddress(value, parseIPv4, 'an IPv4 address such as 192.0.2.1'),
  toText: textV4,
  toValue: textV4,
};

export const AAAA: RdataCodec = {
  type: TYPE.AAAA,
  parse: (value) => parseAddress(value, parseIPv6, 'an IPv6 address such as 2001:db8::1'),
  toText: textV6,
  toValue: textV6,
};

function textV4(wire: Uint8Array): string | undefined {
  return wire.length === 4 ? formatIPv4(wire) : undefined;
}

function textV6(wire: Uint8Array): string | undefined {
  return wire.length === 16 ? formatIPv6(wire) : undefined;
}

function parseAddress(
  value: unknown,
  parse: (text: string) => Uint8Array | undefined,
  expected: string,
): Uint8Array | RdataError {
  const bytes = typeof value === 'string' ? parse(value) : undefined;
  return bytes ?? rdataError(`must be ${expected}, not ${shown(value)}`);
}

/** The bytes of colon-separated groups; the last may be an IPv4 address where `tail` says so. */
function groupBytes(text: string, tail: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const number = Number.parseInt(group, 16);
      bytes.push(number >> 8, number & 0xff);
    } else {
      const mapped = tail && i === groups.length - 1 ? parseIPv4(group) : undefined;
      if (!mapped) return undefined;
      bytes.push(...mapped);
    }
  }
  return bytes;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [i, group] of groups.entries()) {
    if (group !== 0) start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  }
  return best;
}
