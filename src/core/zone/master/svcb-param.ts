/**
 * One SvcParam of a master file (RFC 9460 §2.1, appendix A): its value is a character-string, and the one of `alpn`
 * holds a list with escapes of its own.
 */
import { decodeText } from '../../dns/rdata/text.js';
import { BAD_ESCAPE, type Output, writeText } from './word.js';

export interface SvcParam {
  readonly key: string;
  /** As the codec of zone files takes it; null without a value. */
  readonly value: string | null;
}

/** `value` has the escapes of the file; null where there was no "=". What is wrong comes as `message`. */
export function svcParam(key: string, value: string | null): SvcParam | { readonly message: string } {
  if (value === null) return { key, value };
  const escaped = Uint8Array.from(value, (character) => character.charCodeAt(0));
  const out: Output = { bytes: new Uint8Array(escaped.length), length: 0 };
  const wrong = writeText(escaped, 0, escaped.length, escaped.length, out);
  if (wrong !== undefined) return { message: `${key}: ${wrong}` };
  const bytes = out.bytes.subarray(0, out.length);
  if (key === 'alpn') return alpn(bytes);
  return { key, value: key.startsWith('key') ? raw(bytes) : decodeText(bytes) };
}

/** A comma parts items, `\,` and `\\` do not (appendix A.1); protocols may be any bytes, so that they are handed on as `key1`. */
function alpn(bytes: Uint8Array): SvcParam | { readonly message: string } {
  const items: number[][] = [[]];
  for (let i = 0; i < bytes.length; i++) {
    let byte = bytes[i]!;
    if (byte === COMMA) {
      items.push([]);
      continue;
    }
    if (byte === BACKSLASH) {
      if (++i === bytes.length) return { message: `alpn: ${BAD_ESCAPE}` };
      byte = bytes[i]!;
    }
    items.at(-1)!.push(byte);
  }
  if (items.some((item) => item.length === 0 || item.length > 255)) {
    return { message: 'alpn: must be a list of protocols such as h2,h3, each of 1 to 255 bytes' };
  }
  return { key: 'key1', value: raw(items.flatMap((item) => [item.length, ...item])) };
}

/** Every byte as `\DDD`, the only escape that the codec knows. */
function raw(bytes: Iterable<number>): string {
  let text = '';
  for (const byte of bytes) text += `\\${String(byte).padStart(3, '0')}`;
  return text;
}

const COMMA = 0x2c;
const BACKSLASH = 0x5c;
