import { copyBytes } from '../../core/http/ascii.js';

const DIGITS = '0123456789abcdef';

/** Writes one chunk (RFC 9112 §7.1) of a body to the start of `out`, which must have room; returns its length. */
export function writeChunk(out: Uint8Array, bytes: Uint8Array): number {
  let at = 0;
  let shift = 28;
  while (shift > 0 && bytes.length >>> shift === 0) shift -= 4;
  for (; shift >= 0; shift -= 4) out[at++] = DIGITS.charCodeAt((bytes.length >>> shift) & 15);
  out[at++] = 13;
  out[at++] = 10;
  at = copyBytes(out, at, bytes, 0, bytes.length);
  out[at++] = 13;
  out[at++] = 10;
  return at;
}
