/**
 * Domain names: presentation form to uncompressed wire form and back (RFC 1035 §3.1, §5.1; RFC 4343).
 *
 *     0x03 'w' 'w' 'w' 0x07 'e' 'x' 'a' 'm' 'p' 'l' 'e' 0x03 'c' 'o' 'm' 0x00     www.example.com.
 *
 * None of these functions throws, whatever bytes it is given.
 */

export const NAME_BYTES_MAX = 255;
export const LABEL_BYTES_MAX = 63;

export interface NameError {
  readonly code:
    | 'empty'
    | 'empty-label'
    | 'label-too-long'
    | 'name-too-long'
    | 'bad-escape'
    | 'bad-character'
    | 'relative';
  readonly message: string;
}

/**
 * Presentation form to wire form. `\.` and `\DDD` are understood; case is kept. A name without a trailing
 * dot is completed with `origin` (wire form); without an origin it is the error `relative`. `@` is not
 * special: the caller that wants it to mean the origin says so.
 */
export function parseName(text: string, origin?: Uint8Array): Uint8Array | NameError {
  if (text === '') return error('empty', 'a name must not be empty; the root is "."');
  if (text === '.') return new Uint8Array(1);
  const buffer = new Uint8Array(NAME_BYTES_MAX);
  let labelAt = 0;
  let at = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (at === labelAt + 1) return error('empty-label', 'a label must not be empty (two dots in a row?)');
      buffer[labelAt] = at - labelAt - 1;
      labelAt = at++;
      // The root label that follows must fit too.
      if (labelAt >= NAME_BYTES_MAX) return tooLong();
      continue;
    }
    let byte = code;
    if (code === BACKSLASH) {
      const escaped = readEscape(text, i);
      if (!escaped)
        return error('bad-escape', 'after "\\" comes a character or three digits from 000 to 255');
      byte = escaped.byte;
      i += escaped.length - 1;
    } else if (code <= 0x20 || code >= 0x7f) {
      return error(
        'bad-character',
        code > 0x7f
          ? 'use the ASCII form (xn--…) of an international name'
          : 'white space and control characters are written \\DDD',
      );
    }
    if (at - labelAt > LABEL_BYTES_MAX) return error('label-too-long', 'a label has at most 63 bytes');
    if (at >= NAME_BYTES_MAX - 1) return tooLong();
    buffer[at++] = byte;
  }
  return finish(buffer, labelAt, at, origin);
}

/** Wire form at `offset` to absolute presentation form. Stops quietly at the end of a truncated name. */
export function formatName(wire: Uint8Array, offset = 0): string {
  let text = '';
  let at = offset;
  for (;;) {
    const length = wire[at] ?? 0;
    if (length === 0 || length > LABEL_BYTES_MAX) return text === '' ? '.' : text;
    const end = Math.min(at + 1 + length, wire.length);
    for (let i = at + 1; i < end; i++) text += CHARACTERS[wire[i]!];
    text += '.';
    at += 1 + length;
  }
}

/** A copy with ASCII letters in lower case (RFC 4343 §3). */
export function lowerName(wire: Uint8Array): Uint8Array {
  const lower = new Uint8Array(wire.length);
  // Length bytes are at most 63, below 'A': they pass unchanged.
  for (let i = 0; i < wire.length; i++) lower[i] = lowerByte(wire[i]!);
  return lower;
}

/** Bytes of the name at `offset`, root label included; -1 if it is cut short, too long or compressed. */
export function nameLength(wire: Uint8Array, offset = 0): number {
  let at = offset;
  while (at - offset < NAME_BYTES_MAX) {
    const length = wire[at];
    if (length === undefined || length > LABEL_BYTES_MAX) return -1;
    at += 1 + length;
    if (length === 0) return at - offset;
  }
  return -1;
}

/** Labels without the root: 0 for `.`, 3 for `www.example.com.`. */
export function labelCount(wire: Uint8Array): number {
  let count = 0;
  for (let at = 0; ; count++) {
    const length = wire[at] ?? 0;
    if (length === 0 || length > LABEL_BYTES_MAX) return count;
    at += 1 + length;
  }
}

/** Whether `name` is `of` or below it; case does not matter. */
export function isSubdomain(name: Uint8Array, of: Uint8Array): boolean {
  let at = 0;
  while (name.length - at > of.length) {
    const length = name[at]!;
    if (length === 0 || length > LABEL_BYTES_MAX) return false;
    at += 1 + length;
  }
  return name.length - at === of.length && sameBytes(name.subarray(at), of);
}

/** The name without its first label; the root's parent is the root. */
export function parentName(wire: Uint8Array): Uint8Array {
  const length = wire[0] ?? 0;
  return length === 0 ? wire : wire.subarray(1 + length);
}

export function isNameError(result: Uint8Array | NameError): result is NameError {
  return !(result instanceof Uint8Array);
}

const DOT = 0x2e;
const BACKSLASH = 0x5c;

function finish(
  buffer: Uint8Array,
  labelAt: number,
  at: number,
  origin: Uint8Array | undefined,
): Uint8Array | NameError {
  // A trailing dot left an open, empty label: it is the root.
  if (at === labelAt + 1) {
    buffer[labelAt] = 0;
    return buffer.slice(0, at);
  }
  if (!origin) return error('relative', 'the name needs a trailing dot');
  buffer[labelAt] = at - labelAt - 1;
  if (at + origin.length > NAME_BYTES_MAX) return tooLong();
  const wire = new Uint8Array(at + origin.length);
  wire.set(buffer.subarray(0, at));
  wire.set(origin, at);
  return wire;
}

function readEscape(text: string, at: number): { byte: number; length: number } | undefined {
  const next = text.charCodeAt(at + 1);
  if (Number.isNaN(next) || next < 0x20 || next > 0x7e) return undefined;
  if (next < 0x30 || next > 0x39) return { byte: next, length: 2 };
  const digits = text.slice(at + 1, at + 4);
  const byte = Number(digits);
  return /^\d{3}$/.test(digits) && byte <= 255 ? { byte, length: 4 } : undefined;
}

function lowerByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (lowerByte(a[i]!) !== lowerByte(b[i]!)) return false;
  return true;
}

/** How each byte is written; those with a meaning in zone files are escaped (RFC 1035 §5.1). */
const CHARACTERS: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if ('."\\;()@$'.includes(character)) return `\\${character}`;
  return byte > 0x20 && byte < 0x7f ? character : `\\${String(byte).padStart(3, '0')}`;
});

function tooLong(): NameError {
  return error('name-too-long', 'a name has at most 255 bytes in wire form');
}

function error(code: NameError['code'], message: string): NameError {
  return { code, message };
}
