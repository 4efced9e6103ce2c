/** A range of addresses: the first `length` bits of `bytes`, 4 or 16 of them. */
export interface TrustedPrefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** Whether the address, 4 or 16 bytes at `at` of `source`, lies in one of `prefixes`. */
export function isTrusted(
  prefixes: readonly TrustedPrefix[],
  source: Uint8Array,
  at: number,
  family: 4 | 6,
): boolean {
  const size = family === 4 ? 4 : 16;
  for (const { bytes, length } of prefixes) {
    if (bytes.length === size && hasPrefix(source, at, bytes, length)) return true;
  }
  return false;
}

function hasPrefix(source: Uint8Array, at: number, bytes: Uint8Array, length: number): boolean {
  const whole = length >> 3;
  for (let i = 0; i < whole; i++) if (source[at + i] !== bytes[i]) return false;
  const rest = length & 7;
  if (rest === 0) return true;
  const mask = 0xff << (8 - rest);
  return ((source[at + whole]! ^ bytes[whole]!) & mask & 0xff) === 0;
}
