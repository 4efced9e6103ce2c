/**
 * The PROXY protocol, version 2 (HAProxy, "The PROXY protocol", 2020/03/05, §2.2): how a proxy says whom it speaks
 * for, in front of a stream's first byte or of a datagram's payload.
 *
 *     signature 12 | version 4 bits, command 4 bits | family 4 bits, transport 4 bits | length 2 |
 *     source address | destination address | source port 2 | destination port 2 | TLVs: type 1, length 2, value
 *
 * Version 1, which is text, is in `v1.ts`.
 */
import { crc32c } from './crc32c.js';

/** What a header said; used again for the next one. */
export interface ProxyHeader {
  /** 0: it names no client (LOCAL, or a family that is not IP), so the sender's own address counts. */
  family: 0 | 4 | 6;
  /** The client's address: the first 4 or 16 bytes. */
  readonly source: Uint8Array;
  /** Where the client's connection or datagram went to, likewise. */
  readonly destination: Uint8Array;
  sourcePort: number;
  destinationPort: number;
}

/** Longest header that is read, bytes: an address and more TLVs than anybody sends. */
export const PROXY_HEADER_MAX = 1024;

/** What every header of version 2 begins with. */
export const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a] as const;
const FIXED_BYTES = 16;
const VERSION = 2;
const COMMAND = { LOCAL: 0, PROXY: 1 } as const;
const TRANSPORT_MAX = 2;
/** Bytes of the address block by family: unspecified, IPv4, IPv6, unix. */
const BLOCK_BYTES = [0, 12, 36, 216] as const;
const TLV_HEAD_BYTES = 3;
/** PP2_TYPE_CRC32C (§2.2.4): four bytes, over the whole header with zeros in their place. */
const TYPE_CRC32C = 0x03;
const CRC_BYTES = 4;

export function createProxyHeader(): ProxyHeader {
  return {
    family: 0,
    source: new Uint8Array(16),
    destination: new Uint8Array(16),
    sourcePort: 0,
    destinationPort: 0,
  };
}

/**
 * Reads the header at `start..end` of `bytes` into `header`. Returns its length, 0 if it is cut and more bytes may
 * complete it, -1 if it is none or a malformed one; `header` then means nothing.
 */
export function readProxyHeader(bytes: Uint8Array, start: number, end: number, header: ProxyHeader): number {
  const given = end - start;
  for (let i = 0; i < SIGNATURE.length && i < given; i++) if (bytes[start + i] !== SIGNATURE[i]) return -1;
  if (given < FIXED_BYTES) return 0;
  const command = bytes[start + 12]! & 0x0f;
  if (bytes[start + 12]! >> 4 !== VERSION || command > COMMAND.PROXY) return -1;
  const total = FIXED_BYTES + ((bytes[start + 14]! << 8) | bytes[start + 15]!);
  if (total > PROXY_HEADER_MAX) return -1;
  if (given < total) return 0;
  header.family = 0;
  // The rest of a LOCAL header is to be skipped, whatever it is (§2.2).
  if (command === COMMAND.LOCAL) return total;
  const family = bytes[start + 13]! >> 4;
  const block = BLOCK_BYTES[family];
  if (block === undefined || (bytes[start + 13]! & 0x0f) > TRANSPORT_MAX) return -1;
  const tlvs = start + FIXED_BYTES + block;
  // Without a family nothing says what follows.
  if (family > 0 && !areTlvs(bytes, start, tlvs, start + total)) return -1;
  if (family === 1) copyAddresses(bytes, start + FIXED_BYTES, 4, header);
  if (family === 2) copyAddresses(bytes, start + FIXED_BYTES, 16, header);
  return total;
}

function copyAddresses(bytes: Uint8Array, from: number, length: 4 | 16, header: ProxyHeader): void {
  header.family = length === 4 ? 4 : 6;
  for (let i = 0; i < length; i++) {
    header.source[i] = bytes[from + i]!;
    header.destination[i] = bytes[from + length + i]!;
  }
  const ports = from + 2 * length;
  header.sourcePort = (bytes[ports]! << 8) | bytes[ports + 1]!;
  header.destinationPort = (bytes[ports + 2]! << 8) | bytes[ports + 3]!;
}

/**
 * Whether `at..end` is a row of whole TLVs, with at most one checksum, which is right; false too where the addresses
 * alone are longer than the header.
 */
function areTlvs(bytes: Uint8Array, start: number, at: number, end: number): boolean {
  let next = at;
  let checksumAt = -1;
  while (next + TLV_HEAD_BYTES <= end) {
    const length = (bytes[next + 1]! << 8) | bytes[next + 2]!;
    if (bytes[next] === TYPE_CRC32C) {
      if (checksumAt >= 0 || length !== CRC_BYTES) return false;
      checksumAt = next + TLV_HEAD_BYTES;
    }
    next += TLV_HEAD_BYTES + length;
  }
  return next === end && (checksumAt < 0 || isChecksum(bytes, start, end, checksumAt));
}

function isChecksum(bytes: Uint8Array, start: number, end: number, at: number): boolean {
  const written =
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  return crc32c(bytes, start, end, at) === written;
}
