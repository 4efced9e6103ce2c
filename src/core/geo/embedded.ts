/**
 * IPv6 prefixes that carry an IPv4 address. A client behind one of them is located by its IPv4 address, so
 * these prefixes are never looked up as IPv6.
 *
 * | prefix | source | IPv4 address |
 * |---|---|---|
 * | ::ffff:0:0/96 | RFC 4291 §2.5.5.2, IPv4-mapped | last 4 bytes |
 * | 64:ff9b::/96 | RFC 6052 §2.1, NAT64 | last 4 bytes |
 * | 2002::/16 | RFC 3056 §2, 6to4 | bytes 2 to 5 |
 * | 2001::/32 | RFC 4380 §4, Teredo | last 4 bytes, every bit inverted |
 */
import type { Prefix } from '../zone/model.js';

export const EMBEDDED_PREFIXES: readonly Prefix[] = [
  prefix([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 96),
  prefix([0, 0x64, 0xff, 0x9b], 96),
  prefix([0x20, 0x02], 16),
  prefix([0x20, 0x01, 0, 0], 32),
];

/**
 * How many bits of the IPv6 address at `offset` come before the part that the IPv4 address decides, 0 when it
 * embeds none. A prefix of `d` bits of the IPv4 address is a prefix of `embeddedBase + d` bits of the IPv6 one.
 */
export function embeddedBase(bytes: Uint8Array, offset: number): number {
  const first = (bytes[offset]! << 8) | bytes[offset + 1]!;
  if (first === 0x2002) return 16;
  if (first === 0x2001) return (bytes[offset + 2]! | bytes[offset + 3]!) === 0 ? 96 : 0;
  if (first === 0) return isMapped(bytes, offset) ? 96 : 0;
  return first === 0x64 && isNat64(bytes, offset) ? 96 : 0;
}

/** The embedded IPv4 address as a big-endian 32-bit integer; only where `embeddedBase` isn't 0. */
export function embeddedAddress(bytes: Uint8Array, offset: number): number {
  const isInFront = bytes[offset] === 0x20 && bytes[offset + 1] === 0x02;
  const at = isInFront ? offset + 2 : offset + 12;
  const address = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  return bytes[offset] === 0x20 && !isInFront ? ~address : address;
}

function isMapped(bytes: Uint8Array, offset: number): boolean {
  for (let i = 2; i < 10; i++) if (bytes[offset + i] !== 0) return false;
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff;
}

function isNat64(bytes: Uint8Array, offset: number): boolean {
  if (bytes[offset + 2] !== 0xff || bytes[offset + 3] !== 0x9b) return false;
  for (let i = 4; i < 12; i++) if (bytes[offset + i] !== 0) return false;
  return true;
}

function prefix(start: readonly number[], length: number): Prefix {
  const bytes = new Uint8Array(16);
  bytes.set(start);
  return { bytes, length };
}
