/**
 * Text in records: UTF-8 in zone files, bytes on the wire, quoted strings in presentation form
 * (RFC 1035 §3.3.14, §5.1); and TXT, which is a list of such strings.
 */
import { TYPE } from '../iana.js';
import { concat, RDATA_BYTES_MAX, type RdataCodec, type RdataError, rdataError, shown } from './codec.js';

const STRING_BYTES_MAX = 255;

export const TXT: RdataCodec = textCodec(TYPE.TXT);
/** Kept for old zones; RFC 7208 §3.1 wants TXT. */
export const SPF: RdataCodec = textCodec(TYPE.SPF);

/** `"…"` with quotes, backslashes and bytes outside printable ASCII escaped. */
export function quote(bytes: Uint8Array): string {
  let text = '"';
  for (const byte of bytes) {
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\${String(byte).padStart(3, '0')}`;
  }
  return `${text}"`;
}

export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function textCodec(type: number): RdataCodec {
  return {
    type,
    parse(value) {
      if (Array.isArray(value)) return parseStrings(value);
      if (typeof value !== 'string') return rdataError(`must be text in quotes, not ${shown(value)}`);
      const bytes = encodeText(unescapeText(value));
      const strings = Math.max(1, Math.ceil(bytes.length / STRING_BYTES_MAX));
      if (bytes.length + strings > RDATA_BYTES_MAX) {
        return rdataError(`is longer than ${RDATA_BYTES_MAX} bytes`);
      }
      return split(bytes, strings);
    },
    toText(wire) {
      const strings = stringsOf(wire);
      return strings && strings.length > 0 ? strings.map(quote).join(' ') : undefined;
    },
    toValue(wire) {
      const strings = stringsOf(wire);
      if (!strings) return undefined;
      const isSplit = strings.some((part, i) => part.length < STRING_BYTES_MAX && i + 1 < strings.length);
      const texts = (isSplit ? strings : [concat(strings)]).map((part) =>
        decodeText(part).replaceAll(';', '\\;'),
      );
      return isSplit ? texts : texts[0];
    },
  };
}

/** A list says where one string ends and the next begins. */
function parseStrings(values: readonly unknown[]): Uint8Array | RdataError {
  const parts: Uint8Array[] = [];
  for (const value of values) {
    const bytes = typeof value === 'string' ? encodeText(unescapeText(value)) : undefined;
    if (!bytes || bytes.length > STRING_BYTES_MAX) {
      return rdataError(`a list has texts of at most ${STRING_BYTES_MAX} bytes, not ${shown(value)}`);
    }
    parts.push(Uint8Array.of(bytes.length), bytes);
  }
  const wire = concat(parts);
  if (wire.length === 0) return rdataError('must have at least one text');
  return wire.length <= RDATA_BYTES_MAX ? wire : rdataError(`is longer than ${RDATA_BYTES_MAX} bytes`);
}

/** Undefined if the last is cut short. */
function stringsOf(wire: Uint8Array): readonly Uint8Array[] | undefined {
  const strings: Uint8Array[] = [];
  let at = 0;
  while (at < wire.length) {
    const end = at + 1 + wire[at]!;
    if (end > wire.length) return undefined;
    strings.push(wire.subarray(at + 1, end));
    at = end;
  }
  return strings;
}

/** octoDNS escapes semicolons, and takes a value in quotes, whose parts it joins (`"one" "two"`). */
function unescapeText(value: string): string {
  const quoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  const text = quoted ? value.slice(1, -1).replaceAll(/"\s+"/g, '') : value;
  return text.replaceAll('\\;', ';');
}

function split(bytes: Uint8Array, strings: number): Uint8Array {
  const wire = new Uint8Array(bytes.length + strings);
  for (let i = 0; i < strings; i++) {
    const part = bytes.subarray(i * STRING_BYTES_MAX, (i + 1) * STRING_BYTES_MAX);
    const at = i * (STRING_BYTES_MAX + 1);
    wire[at] = part.length;
    wire.set(part, at + 1);
  }
  return wire;
}
