/**
 * SipHash-2-4 (Aumasson and Bernstein 2012): the keyed hash of server cookies (RFC 9018 §4.4). 64-bit words are kept as
 * two 32-bit halves, low first, since BigInt would allocate.
 */

/** The state v0 … v3. One for all: the function never gives way in the middle. */
const v = new Int32Array(8);

/**
 * Hashes the first `length` bytes of `data`; writes the eight bytes of the hash to `out` at `at`.
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
  v[0] = k0 ^ 0x70736575;
  v[1] = k1 ^ 0x736f6d65;
  v[2] = k2 ^ 0x6e646f6d;
  v[3] = k3 ^ 0x646f7261;
  v[4] = k0 ^ 0x6e657261;
  v[5] = k1 ^ 0x6c796765;
  v[6] = k2 ^ 0x79746573;
  v[7] = k3 ^ 0x74656462;
  const whole = length & ~7;
  for (let i = 0; i < whole; i += 8) absorb(wordAt(data, i, length), wordAt(data, i + 4, length));
  absorb(wordAt(data, whole, length), wordAt(data, whole + 4, length) | (length << 24));
  v[4] = v[4]! ^ 0xff;
  for (let i = 0; i < 4; i++) round();
  writeWord(out, at, v[0]! ^ v[2]! ^ v[4]! ^ v[6]!);
  writeWord(out, at + 4, v[1]! ^ v[3]! ^ v[5]! ^ v[7]!);
}

function absorb(low: number, high: number): void {
  v[6] = v[6]! ^ low;
  v[7] = v[7]! ^ high;
  round();
  round();
  v[0] = v[0]! ^ low;
  v[1] = v[1]! ^ high;
}

/** SipRound. */
function round(): void {
  add(0, 2);
  rotateAndMix(2, 0, 13);
  swap(0);
  add(4, 6);
  rotateAndMix(6, 4, 16);
  add(0, 6);
  rotateAndMix(6, 0, 21);
  add(4, 2);
  rotateAndMix(2, 4, 17);
  swap(4);
}

/** v[to] += v[from]. */
function add(to: number, from: number): void {
  const low = (v[to]! >>> 0) + (v[from]! >>> 0);
  v[to] = low | 0;
  v[to + 1] = (v[to + 1]! + v[from + 1]! + (low > 0xffff_ffff ? 1 : 0)) | 0;
}

/** v[at] = (v[at] rotated left by `bits`, below 32) ^ v[by]. */
function rotateAndMix(at: number, by: number, bits: number): void {
  const low = v[at]!;
  const high = v[at + 1]!;
  v[at] = ((low << bits) | (high >>> (32 - bits))) ^ v[by]!;
  v[at + 1] = ((high << bits) | (low >>> (32 - bits))) ^ v[by + 1]!;
}

/** Rotation by 32. */
function swap(at: number): void {
  const low = v[at]!;
  v[at] = v[at + 1]!;
  v[at + 1] = low;
}

/** Four bytes, little-endian; bytes from `length` on are zero. */
function wordAt(data: Uint8Array, at: number, length: number): number {
  let word = 0;
  for (let i = 0; i < 4 && at + i < length; i++) word |= data[at + i]! << (8 * i);
  return word;
}

function writeWord(out: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) out[at + i] = word >>> (8 * i);
}
