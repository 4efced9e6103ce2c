/**
 * How an entry stands in a journal file:
 *
 *     0        8        12       16         24
 *     | check  | length | marker | sequence | payload …
 *
 * `check` is the first 8 bytes of the SHA-256 of all that follows, so that a torn or changed entry is seen whatever the
 * disk did. Numbers are little-endian. `sequence` grows by one from entry to entry.
 */
import { hash } from 'node:crypto';

export const FRAME_HEAD_BYTES = 24;
/** A zone file has at most 16 MiB; compressed text is at most a little larger. */
export const PAYLOAD_BYTES_MAX = 32 * 1024 * 1024;

const MARKER = Buffer.from('MeJ1', 'latin1');

export function encodeFrame(payload: Uint8Array, sequence: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payload.length);
  frame.writeUInt32LE(payload.length, 8);
  MARKER.copy(frame, 12);
  frame.writeBigUInt64LE(BigInt(sequence), 16);
  frame.set(payload, FRAME_HEAD_BYTES);
  frame.set(checkOf(frame), 0);
  return frame;
}

export type FrameFault = 'incomplete' | 'checksum' | 'sequence';

export type ReadFrame =
  | { readonly kind: 'entry'; readonly payload: Buffer; readonly sequence: number; readonly bytes: number }
  /** `bytes` are needed to tell. */
  | { readonly kind: 'more'; readonly bytes: number }
  | { readonly kind: 'fault'; readonly fault: FrameFault };

/** Reads the frame at `offset` of what is known of a file. The payload is a view of `bytes`. */
export function readFrame(bytes: Buffer, offset: number): ReadFrame {
  const left = bytes.length - offset;
  if (left < FRAME_HEAD_BYTES) return { kind: 'more', bytes: FRAME_HEAD_BYTES };
  const length = bytes.readUInt32LE(offset + 8);
  const marked = MARKER.equals(bytes.subarray(offset + 12, offset + 16));
  if (!marked || length > PAYLOAD_BYTES_MAX) return { kind: 'fault', fault: 'checksum' };
  const size = FRAME_HEAD_BYTES + length;
  if (left < size) return { kind: 'more', bytes: size };
  const frame = bytes.subarray(offset, offset + size);
  if (!checkOf(frame).equals(frame.subarray(0, 8))) return { kind: 'fault', fault: 'checksum' };
  const sequence = Number(frame.readBigUInt64LE(16));
  return { kind: 'entry', payload: frame.subarray(FRAME_HEAD_BYTES), sequence, bytes: size };
}

/** How many whole entries are anywhere in `bytes`: more than none behind a fault means that the disk lost something. */
export function countFrames(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(MARKER); at >= 0; at = bytes.indexOf(MARKER, at + 1)) {
    if (at >= 12 && readFrame(bytes, at - 12).kind === 'entry') count++;
  }
  return count;
}

function checkOf(frame: Buffer): Buffer {
  return hash('sha256', frame.subarray(8), 'buffer').subarray(0, 8);
}
