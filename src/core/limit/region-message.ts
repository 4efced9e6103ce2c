/**
 * What the proxies of a region tell each other of their limits: one datagram, authenticated by its last 16 bytes.
 *
 *     "MRL1" | kind | 0 | count, 16 bits | epoch, 64 bits | sent, 64 bits | sequence, 32 bits | from, 32 bits
 *     count × entry | code, 16 bytes
 *     entry: first | second | limit | requests, 32 bits each
 *
 * All numbers are big-endian; epoch (the sender's start) and sent are milliseconds since 1970 as doubles.
 */

export const REGION_MESSAGE_BYTES_MAX = 1_200;
export const REGION_CODE_BYTES = 16;
const MAGIC = 0x4d52_4c31;
const HEAD_BYTES = 32;
const ENTRY_BYTES = 16;
export const REGION_ENTRIES_MAX: number = Math.floor(
  (REGION_MESSAGE_BYTES_MAX - HEAD_BYTES - REGION_CODE_BYTES) / ENTRY_BYTES,
);
const KIND_USED = 1;
const KIND_GOODBYE = 2;

export interface RegionHead {
  readonly goodbye: boolean;
  readonly epochMs: number;
  readonly sentMs: number;
  readonly sequence: number;
  /** What the others know the sender by, as `hashText` makes it: nobody can pass a message on as somebody else's. */
  readonly from: number;
}

/** What one proxy let through for one account. */
export interface RegionEntry {
  readonly first: number;
  readonly second: number;
  /** What the limit is called among proxies. */
  readonly limit: number;
  readonly count: number;
}

export interface RegionMessage extends RegionHead {
  readonly entries: readonly RegionEntry[];
}

/** 16 bytes that only those with the secret can make of a message. */
export type Authenticate = (message: Uint8Array) => Uint8Array;

/** The datagram; at most REGION_ENTRIES_MAX entries. */
export function encodeRegionMessage(message: RegionMessage, authenticate: Authenticate): Uint8Array {
  const { entries } = message;
  const length = HEAD_BYTES + entries.length * ENTRY_BYTES;
  const bytes = new Uint8Array(length + REGION_CODE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint8(4, message.goodbye ? KIND_GOODBYE : KIND_USED);
  view.setUint16(6, entries.length);
  view.setFloat64(8, message.epochMs);
  view.setFloat64(16, message.sentMs);
  view.setUint32(24, message.sequence);
  view.setUint32(28, message.from);
  for (const [i, { first, second, limit, count }] of entries.entries()) {
    const at = HEAD_BYTES + i * ENTRY_BYTES;
    view.setInt32(at, first);
    view.setInt32(at + 4, second);
    view.setInt32(at + 8, limit);
    view.setUint32(at + 12, count);
  }
  bytes.set(authenticate(bytes.subarray(0, length)), length);
  return bytes;
}

/** Null for anything that is not exactly a message of somebody with the secret. */
export function decodeRegionMessage(bytes: Uint8Array, authenticate: Authenticate): RegionMessage | null {
  const length = bytes.length - REGION_CODE_BYTES;
  if (length < HEAD_BYTES || bytes.length > REGION_MESSAGE_BYTES_MAX) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const kind = view.getUint8(4);
  const count = view.getUint16(6);
  if (view.getUint32(0) !== MAGIC || (kind !== KIND_USED && kind !== KIND_GOODBYE)) return null;
  if (length !== HEAD_BYTES + count * ENTRY_BYTES) return null;
  if (!isSame(bytes.subarray(length), authenticate(bytes.subarray(0, length)))) return null;
  const entries = Array.from({ length: count }, (_, i): RegionEntry => {
    const at = HEAD_BYTES + i * ENTRY_BYTES;
    return {
      first: view.getInt32(at),
      second: view.getInt32(at + 4),
      limit: view.getInt32(at + 8),
      count: view.getUint32(at + 12),
    };
  });
  return {
    goodbye: kind === KIND_GOODBYE,
    epochMs: view.getFloat64(8),
    sentMs: view.getFloat64(16),
    sequence: view.getUint32(24),
    from: view.getUint32(28),
    entries,
  };
}

/** In a time that does not tell where they differ. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ (b[i] ?? 0);
  return difference === 0;
}
