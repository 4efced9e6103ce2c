/**
 * UDP datagrams in Ethernet frames (RFC 768, 791, 8200): where their parts are, and how a frame is turned into the one that goes
 * back. Frames with IP options, extension headers, VLAN tags or fragments never come here (`bpf-program.ts`).
 */

const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const UDP_BYTES = 8;
/** Before the payload, of a frame of either family. */
export const HEADERS_MAX: number = ETHERNET_BYTES + IPV6_BYTES + UDP_BYTES;
const UDP = 17;
/** Of answers (RFC 1700). */
const HOPS = 64;
const DONT_FRAGMENT = 0x40;

/** Where the parts of a datagram are; filled by `readFrame`, and used again. */
export interface Datagram {
  family: 4 | 6;
  /** Of the payload. */
  start: number;
  end: number;
  /** Of the sender's address. */
  sourceAt: number;
}

/** Finds the datagram in the frame at `[at, end)`; false if its lengths are wrong or nobody could be answered. */
export function readFrame(bytes: Uint8Array, at: number, end: number, into: Datagram): boolean {
  const ip = at + ETHERNET_BYTES;
  const isIPv4 = bytes[at + 12] === 0x08;
  const udp = ip + (isIPv4 ? IPV4_BYTES : IPV6_BYTES);
  if (udp + UDP_BYTES > end) return false;
  const ipEnd = isIPv4 ? ip + uint16(bytes, ip + 2) : udp + uint16(bytes, ip + 4);
  const udpEnd = udp + uint16(bytes, udp + 4);
  if (ipEnd > end || udpEnd > ipEnd || udpEnd < udp + UDP_BYTES) return false;
  // Nobody sends from port 0 and waits for an answer.
  if (bytes[udp] === 0 && bytes[udp + 1] === 0) return false;
  if (isNobody(bytes, ip + (isIPv4 ? 12 : 8), isIPv4)) return false;
  into.family = isIPv4 ? 4 : 6;
  into.start = udp + UDP_BYTES;
  into.end = udpEnd;
  into.sourceAt = ip + (isIPv4 ? 12 : 8);
  return true;
}

/** Sources that the kernel's network stack refuses too: this network, loopback, groups (RFC 1122 §3.2.1.3, RFC 4291 §2.5 to §2.7). */
function isNobody(bytes: Uint8Array, source: number, isIPv4: boolean): boolean {
  const first = bytes[source]!;
  if (isIPv4) return first === 0 || first === 127 || first >= 224;
  // Also addresses with an IPv4 one in them, but not those of NAT64 (64:ff9b::/96).
  return first === 0xff || (first === 0 && bytes[source + 1] === 0);
}

/**
 * Makes the frame at `at`, which `readFrame` took, the one that carries `length` bytes of payload back to its sender, by the way it
 * came. `words` is the same memory as `bytes`, and `at` even. Returns the length of the frame.
 */
export function turnFrame(
  bytes: Uint8Array,
  words: Uint16Array,
  at: number,
  family: 4 | 6,
  length: number,
): number {
  swap(bytes, at, at + 6, 6);
  const ip = at + ETHERNET_BYTES;
  const udpLength = UDP_BYTES + length;
  const udp = ip + (family === 4 ? IPV4_BYTES : IPV6_BYTES);
  if (family === 4) turnIPv4(bytes, words, ip, IPV4_BYTES + udpLength);
  else turnIPv6(bytes, ip, udpLength);
  swap(bytes, udp, udp + 2, 2);
  bytes[udp + 4] = udpLength >> 8;
  bytes[udp + 5] = udpLength;
  bytes[udp + 6] = 0;
  bytes[udp + 7] = 0;
  const addresses = ip + (family === 4 ? 12 : 8);
  const checksum = datagramChecksum(bytes, words, addresses, udp, udpLength);
  // 0 would say that there is none (RFC 768).
  words[(udp + 6) >> 1] = checksum === 0 ? 0xffff : checksum;
  return udp - at + udpLength;
}

function turnIPv4(bytes: Uint8Array, words: Uint16Array, ip: number, total: number): void {
  bytes[ip + 1] = 0;
  bytes[ip + 2] = total >> 8;
  bytes[ip + 3] = total;
  bytes[ip + 4] = 0;
  bytes[ip + 5] = 0;
  bytes[ip + 6] = DONT_FRAGMENT;
  bytes[ip + 7] = 0;
  bytes[ip + 8] = HOPS;
  bytes[ip + 10] = 0;
  bytes[ip + 11] = 0;
  swap(bytes, ip + 12, ip + 16, 4);
  words[(ip + 10) >> 1] = ~folded(sumOf(words, ip >> 1, IPV4_BYTES >> 1)) & 0xffff;
}

function turnIPv6(bytes: Uint8Array, ip: number, udpLength: number): void {
  // Neither traffic class nor flow label.
  bytes[ip] = 0x60;
  bytes[ip + 1] = 0;
  bytes[ip + 2] = 0;
  bytes[ip + 3] = 0;
  bytes[ip + 4] = udpLength >> 8;
  bytes[ip + 5] = udpLength;
  bytes[ip + 7] = HOPS;
  swap(bytes, ip + 8, ip + 24, 16);
}

/** With the pseudo-header of RFC 768 and RFC 8200 §8.1. Sums of ones' complement don't care for the order of bytes (RFC 1071). */
function datagramChecksum(
  bytes: Uint8Array,
  words: Uint16Array,
  addresses: number,
  udp: number,
  udpLength: number,
): number {
  let sum = sumOf(words, addresses >> 1, (udp - addresses) >> 1);
  sum += sumOf(words, udp >> 1, udpLength >> 1);
  // The last byte of an odd length stands in the upper half of its word.
  if (udpLength & 1) sum += bytes[udp + udpLength - 1]!;
  sum += (UDP << 8) + ((udpLength & 0xff) << 8) + (udpLength >> 8);
  return ~folded(sum) & 0xffff;
}

function sumOf(words: Uint16Array, from: number, count: number): number {
  let sum = 0;
  for (let i = from; i < from + count; i++) sum += words[i]!;
  return sum;
}

function folded(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

function swap(bytes: Uint8Array, one: number, other: number, length: number): void {
  for (let i = 0; i < length; i++) {
    const byte = bytes[one + i]!;
    bytes[one + i] = bytes[other + i]!;
    bytes[other + i] = byte;
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
