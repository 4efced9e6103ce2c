/**
 * SipHash-2-4 (Aumasson and Bernstein 2012): the keyed hash of server cookies (RFC 9018 §4.4). 64-bit words are kept as
 * two 32-bit halves, low first, since BigInt would allocate.
 */

/**
 * Hashes the first `length` bytes of `data`; writes the eight bytes of the hash to `out` at `at`, which may be `data`.
 *
 * The state is in local variables and the round is written out: in functions of its own it takes four times as long.
 *
 * @param key four little-endian words from `keyAt` on.
 */
export function sipHash(
  key: Int32Array,
  keyAt: number,
  data: Uint8Array,
  length: number,
  out: Uint8Array,
  at: number,
): void {
  const k0 = key[keyAt]!;
  const k1 = key[keyAt + 1]!;
  const k2 = key[keyAt + 2]!;
  const k3 = key[keyAt + 3]!;
  // "somepseudorandomlygeneratedbytes"
  let low0 = k0 ^ 0x70736575;
  let high0 = k1 ^ 0x736f6d65;
  let low1 = k2 ^ 0x6e646f6d;
  let high1 = k3 ^ 0x646f7261;
  let low2 = k0 ^ 0x6e657261;
  let high2 = k1 ^ 0x6c796765;
  let low3 = k2 ^ 0x79746573;
  let high3 = k3 ^ 0x74656462;
  const whole = length & ~7;
  // The last block but one has what is left and the length; the last one ends the hash.
  const end = whole + 8;
  for (let i = 0; i <= end; i += 8) {
    let low = 0;
    let high = 0;
    let rounds = 2;
    if (i < end) {
      low = wordAt(data, i, length);
      high = wordAt(data, i + 4, length);
      if (i === whole) high |= length << 24;
    } else {
      low2 ^= 0xff;
      rounds = 4;
    }
    low3 ^= low;
    high3 ^= high;
    for (let round = 0; round < rounds; round++) {
      // v0 += v1; v1 = (v1 <<< 13) ^ v0; v0 <<<= 32. A sum has a carry where it is below what was added.
      low0 = (low0 + low1) | 0;
      high0 = (high0 + high1 + (low0 >>> 0 < low1 >>> 0 ? 1 : 0)) | 0;
      let kept = low1;
      low1 = ((low1 << 13) | (high1 >>> 19)) ^ low0;
      high1 = ((high1 << 13) | (kept >>> 19)) ^ high0;
      kept = low0;
      low0 = high0;
      high0 = kept;
      // v2 += v3; v3 = (v3 <<< 16) ^ v2.
      low2 = (low2 + low3) | 0;
      high2 = (high2 + high3 + (low2 >>> 0 < low3 >>> 0 ? 1 : 0)) | 0;
      kept = low3;
      low3 = ((low3 << 16) | (high3 >>> 16)) ^ low2;
      high3 = ((high3 << 16) | (kept >>> 16)) ^ high2;
      // v0 += v3; v3 = (v3 <<< 21) ^ v0.
      low0 = (low0 + low3) | 0;
      high0 = (high0 + high3 + (low0 >>> 0 < low3 >>> 0 ? 1 : 0)) | 0;
      kept = low3;
      low3 = ((low3 << 21) | (high3 >>> 11)) ^ low0;
      high3 = ((high3 << 21) | (kept >>> 11)) ^ high0;
      // v2 += v1; v1 = (v1 <<< 17) ^ v2; v2 <<<= 32.
      low2 = (low2 + low1) | 0;
      high2 = (high2 + high1 + (low2 >>> 0 < low1 >>> 0 ? 1 : 0)) | 0;
      kept = low1;
      low1 = ((low1 << 17) | (high1 >>> 15)) ^ low2;
      high1 = ((high1 << 17) | (kept >>> 15)) ^ high2;
      kept = low2;
      low2 = high2;
      high2 = kept;
    }
    low0 ^= low;
    high0 ^= high;
  }
  writeWord(out, at, low0 ^ low1 ^ low2 ^ low3);
  writeWord(out, at + 4, high0 ^ high1 ^ high2 ^ high3);
}

/** Four bytes, little-endian; bytes from `length` on are zero. */
function wordAt(data: Uint8Array, at: number, length: number): number {
  if (at + 4 <= length) {
    return data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
  }
  let word = 0;
  for (let i = 0; i < 4 && at + i < length; i++) word |= data[at + i]! << (8 * i);
  return word;
}

function writeWord(out: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) out[at + i] = word >>> (8 * i);
}
