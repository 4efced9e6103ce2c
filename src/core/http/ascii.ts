/**
 * Characters of HTTP (RFC 9110 §5.6) as look-up tables, and comparisons on byte ranges that make no string.
 * A range is always `[start, end)`.
 */

/** 1 for each `tchar` (RFC 9110 §5.6.2). */
export const TOKEN = charTable(
  "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
);

/** 1 for each byte allowed inside a field value: HTAB, SP, visible ASCII and obs-text (RFC 9110 §5.5). */
export const FIELD_VALUE = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 9 || (byte >= 32 && byte !== 127) ? 1 : 0,
);

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;
export const COMMA = 44;
export const SEMICOLON = 59;

/** The range as a string, one character per byte. Ranges are at most a head long. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
}

/** True if the range equals `lower`, which must be lower-case ASCII, in any letter case. */
export function equalsIgnoreCase(bytes: Uint8Array, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    if (lowerByte(bytes[start + i]!) !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** True if every byte of a non-empty range is a `tchar`. */
export function isToken(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (TOKEN[bytes[i]!] === 0) return false;
  return end > start;
}

export function lowerByte(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte | 32 : byte;
}

/** Value of a hexadecimal digit, or -1. */
export function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/**
 * Calls `each` for every element of a comma-separated list, without its white space; empty elements too.
 * Quoted strings aren't known here: use it only where the grammar has none.
 */
export function eachListElement(
  bytes: Uint8Array,
  start: number,
  end: number,
  each: (start: number, end: number) => void,
): void {
  let from = start;
  for (let i = start; i <= end; i++) {
    if (i < end && bytes[i] !== COMMA) continue;
    let a = from;
    let b = i;
    while (a < b && isBlank(bytes[a]!)) a++;
    while (b > a && isBlank(bytes[b - 1]!)) b--;
    each(a, b);
    from = i + 1;
  }
}

export function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

function charTable(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)] = 1;
  return table;
}
