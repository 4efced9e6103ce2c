import { crc32c } from './crc32c.js';
import { PROXY_HEADER_MAX, type ProxyHeader, SIGNATURE } from './v2.js';

/** A value beside the addresses (§2.2.3); the type is a PP2_TYPE number. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

/** Types of §2.2: the protocol that ALPN chose, and the host name that the client asked for (SNI). */
export const TLV_TYPE = { ALPN: 0x01, AUTHORITY: 0x02 } as const;

const TYPE_CRC32C = 0x03;
const TLV_HEAD_BYTES = 3;
const CRC_TLV_BYTES = 7;
const FIXED_BYTES = 16;
const TRANSPORT = { stream: 1, datagram: 2 } as const;

/**
 * Writes a PROXY header of version 2 for `header` at `at` of `into`, which needs room for PROXY_HEADER_MAX bytes: the
 * addresses (none and LOCAL for family 0), `tlvs`, and a CRC-32C over everything. TLVs that would make the header longer
 * than PROXY_HEADER_MAX are left out. Returns the end.
 */
export function writeProxyHeader(
  header: ProxyHeader,
  transport: 'stream' | 'datagram',
  tlvs: readonly ProxyTlv[],
  into: Uint8Array,
  at: number,
): number {
  const { family } = header;
  into.set(SIGNATURE, at);
  into[at + 12] = family === 0 ? 0x20 : 0x21;
  into[at + 13] = family === 0 ? 0 : ((family === 4 ? 1 : 2) << 4) | TRANSPORT[transport];
  let next = at + FIXED_BYTES;
  if (family !== 0) next = writeAddresses(header, family === 4 ? 4 : 16, into, next);
  for (const { type, value } of tlvs) {
    const end = next + TLV_HEAD_BYTES + value.length;
    if (end + CRC_TLV_BYTES > at + PROXY_HEADER_MAX) continue;
    writeTlvHead(into, next, type, value.length);
    into.set(value, next + TLV_HEAD_BYTES);
    next = end;
  }
  return writeChecksum(into, at, next);
}

function writeAddresses(header: ProxyHeader, length: 4 | 16, into: Uint8Array, at: number): number {
  for (let i = 0; i < length; i++) {
    into[at + i] = header.source[i]!;
    into[at + length + i] = header.destination[i]!;
  }
  const ports = at + 2 * length;
  into[ports] = header.sourcePort >> 8;
  into[ports + 1] = header.sourcePort & 0xff;
  into[ports + 2] = header.destinationPort >> 8;
  into[ports + 3] = header.destinationPort & 0xff;
  return ports + 4;
}

/** The last TLV, and the length of everything, which the checksum covers. */
function writeChecksum(into: Uint8Array, start: number, at: number): number {
  const end = at + CRC_TLV_BYTES;
  const length = end - start - FIXED_BYTES;
  into[start + 14] = length >> 8;
  into[start + 15] = length & 0xff;
  writeTlvHead(into, at, TYPE_CRC32C, 4);
  const hole = at + TLV_HEAD_BYTES;
  const checksum = crc32c(into, start, end, hole);
  for (let i = 0; i < 4; i++) into[hole + i] = checksum >>> (24 - 8 * i);
  return end;
}

function writeTlvHead(into: Uint8Array, at: number, type: number, length: number): void {
  into[at] = type;
  into[at + 1] = length >> 8;
  into[at + 2] = length & 0xff;
}
