/** CRC-32C (Castagnoli; RFC 3720 §12.1 and appendix B.4), reflected: 0xe3069283 for the nine digits `123456789`. */

const POLYNOMIAL = 0x82f63b78;
const TABLE = makeTable();

/** The checksum of `bytes[start, end)`, where four bytes from `holeAt` on count as zeros (-1: none do). Unsigned. */
export function crc32c(bytes: Uint8Array, start: number, end: number, holeAt = -1): number {
  let state = 0xffffffff;
  for (let i = start; i < end; i++) {
    const byte = holeAt >= 0 && i >= holeAt && i < holeAt + 4 ? 0 : bytes[i]!;
    state = TABLE[(state ^ byte) & 0xff]! ^ (state >>> 8);
  }
  return ~state >>> 0;
}

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    return value >>> 0;
  });
}
