/**
 * Rdata of master files: words to uncompressed wire form, without text between for the types that zones are full
 * of (RFC 1035 §3.3, §5.1; RFC 3597 §5; RFC 9460 §2.1).
 */
import { TYPE } from '../../dns/iana.js';
import { parseIPv6 } from '../../dns/rdata/address.js';
import { decodeBase64 } from '../../dns/rdata/base64.js';
import { isRdataError, RDATA_BYTES_MAX } from '../../dns/rdata/codec.js';
import { parseHex } from '../../dns/rdata/field.js';
import { rdataCodec } from '../../dns/rdata/table.js';
import type { Scanner } from './scanner.js';
import { svcParam } from './svcb-param.js';
import { type Output, readNumber, readTime, wordText, writeIPv4, writeName, writeText } from './word.js';

/** What is wrong, and the index of the word where. */
export interface WordError {
  readonly message: string;
  readonly word: number;
}

/** Whether this file can read the type's own notation; of others only `\#` is understood. */
export function hasNotation(type: number): boolean {
  return LAYOUTS.has(type) || type === TYPE.SVCB || type === TYPE.HTTPS;
}

/** Writes the rdata in the words from `first` on to `out`, which must have room for 2 × RDATA_BYTES_MAX. */
export function writeRdata(
  type: number,
  scanner: Scanner,
  first: number,
  origin: Uint8Array,
  out: Output,
): WordError | undefined {
  const { bytes, starts, ends, quoted, count } = scanner;
  if (first < count && quoted[first] === 0 && isGeneric(bytes, starts[first]!, ends[first]!)) {
    return writeGeneric(type, scanner, first, out);
  }
  if (type === TYPE.SVCB || type === TYPE.HTTPS) return writeSvcb(type, scanner, first, origin, out);
  const layout = LAYOUTS.get(type);
  if (!layout)
    return { message: 'the rdata of this type is written \\# <length> <hexadecimal digits>', word: first };
  return writeLayout(layout, scanner, first, origin, out);
}

type Kind =
  | 'ipv4'
  | 'ipv6'
  | 'name'
  | 'u8'
  | 'u16'
  | 'u32'
  | 'time'
  | 'string'
  | 'strings'
  | 'tag'
  | 'text'
  | 'hex'
  | 'base64';

const LAYOUTS: ReadonlyMap<number, readonly Kind[]> = new Map<number, readonly Kind[]>([
  [TYPE.A, ['ipv4']],
  [TYPE.AAAA, ['ipv6']],
  [TYPE.NS, ['name']],
  [TYPE.CNAME, ['name']],
  [TYPE.PTR, ['name']],
  [TYPE.DNAME, ['name']],
  [TYPE.SOA, ['name', 'name', 'u32', 'time', 'time', 'time', 'time']],
  [TYPE.MX, ['u16', 'name']],
  [TYPE.TXT, ['strings']],
  [TYPE.SPF, ['strings']],
  [TYPE.SRV, ['u16', 'u16', 'u16', 'name']],
  [TYPE.CAA, ['u8', 'tag', 'text']],
  [TYPE.DS, ['u16', 'u8', 'u8', 'hex']],
  [TYPE.CDS, ['u16', 'u8', 'u8', 'hex']],
  [TYPE.TLSA, ['u8', 'u8', 'u8', 'hex']],
  [TYPE.SMIMEA, ['u8', 'u8', 'u8', 'hex']],
  [TYPE.SSHFP, ['u8', 'u8', 'hex']],
  [TYPE.NAPTR, ['u16', 'u16', 'string', 'string', 'string', 'name']],
  [TYPE.HINFO, ['string', 'string']],
  [TYPE.RP, ['name', 'name']],
  [TYPE.AFSDB, ['u16', 'name']],
  [TYPE.URI, ['u16', 'u16', 'text']],
  [TYPE.DNSKEY, ['u16', 'u8', 'u8', 'base64']],
  [TYPE.CDNSKEY, ['u16', 'u8', 'u8', 'base64']],
  [TYPE.OPENPGPKEY, ['base64']],
]);

function writeLayout(
  layout: readonly Kind[],
  scanner: Scanner,
  first: number,
  origin: Uint8Array,
  out: Output,
): WordError | undefined {
  let word = first;
  for (const kind of layout) {
    if (word >= scanner.count) {
      return { message: `the record ends too early; its rdata is: ${layout.join(' ')}`, word };
    }
    const toEnd = kind === 'strings' || kind === 'hex' || kind === 'base64';
    const end = toEnd ? scanner.count : word + 1;
    const error = kind === 'hex' || kind === 'base64' ? writeJoined(kind, scanner, word, out) : undefined;
    if (error !== undefined) return { message: error, word };
    if (kind !== 'hex' && kind !== 'base64') {
      for (let i = word; i < end; i++) {
        const wrong = writeField(kind, scanner, i, origin, out);
        if (wrong !== undefined) return { message: wrong, word: i };
        if (out.length > RDATA_BYTES_MAX)
          return { message: `is larger than ${RDATA_BYTES_MAX} bytes`, word: i };
      }
    }
    word = end;
  }
  return word < scanner.count
    ? { message: `one word too many; the rdata is: ${layout.join(' ')}`, word }
    : undefined;
}

function writeField(
  kind: Exclude<Kind, 'hex' | 'base64'>,
  { bytes, starts, ends }: Scanner,
  word: number,
  origin: Uint8Array,
  out: Output,
): string | undefined {
  const start = starts[word]!;
  const end = ends[word]!;
  switch (kind) {
    case 'ipv4':
      return writeIPv4(bytes, start, end, out);
    case 'ipv6': {
      const address = end - start > 45 ? undefined : parseIPv6(wordText(bytes, start, end));
      return address ? put(address, out) : 'must be an IPv6 address such as 2001:db8::1';
    }
    case 'name':
      return writeName(bytes, start, end, origin, out);
    case 'u8':
      return writeNumber(readNumber(bytes, start, end, 0xff), 1, out);
    case 'u16':
      return writeNumber(readNumber(bytes, start, end, 0xffff), 2, out);
    case 'u32':
      return writeNumber(readNumber(bytes, start, end, 0xffffffff), 4, out);
    case 'time': {
      const time = readTime(bytes, start, end, 0xffffffff);
      return time < 0 ? 'must be seconds, or a time such as 1h30m' : writeNumber(time, 4, out);
    }
    case 'string':
    case 'strings':
    case 'tag': {
      const lengthAt = out.length++;
      const error = writeText(bytes, start, end, 255, out);
      out.bytes[lengthAt] = out.length - lengthAt - 1;
      const tag =
        kind !== 'tag' || /^[a-zA-Z0-9]{1,15}$/.test(wordText(bytes, start, Math.min(end, start + 16)));
      return error ?? (tag ? undefined : 'must be a tag of 1 to 15 letters and digits, such as issue');
    }
    case 'text':
      return writeText(bytes, start, end, RDATA_BYTES_MAX, out);
    default:
      return kind satisfies never;
  }
}

function writeNumber(n: number, size: 1 | 2 | 4, out: Output): string | undefined {
  if (n < 0) return `must be a whole number from 0 to ${2 ** (8 * size) - 1}`;
  for (let shift = 8 * (size - 1); shift >= 0; shift -= 8) out.bytes[out.length++] = (n >>> shift) & 0xff;
  return undefined;
}

/** Words to the end of the entry as one row of digits. */
function writeJoined(
  kind: 'hex' | 'base64',
  scanner: Scanner,
  from: number,
  out: Output,
): string | undefined {
  let text = '';
  for (let i = from; i < scanner.count; i++) {
    text += wordText(scanner.bytes, scanner.starts[i]!, scanner.ends[i]!);
    if (text.length > 2 * RDATA_BYTES_MAX) return `is larger than ${RDATA_BYTES_MAX} bytes`;
  }
  const bytes = kind === 'hex' ? parseHex(text) : decodeBase64(text);
  if (!bytes || (bytes.length === 0 && text !== '')) {
    return kind === 'hex' ? 'must be pairs of hexadecimal digits' : 'must be base64';
  }
  return put(bytes, out);
}

/** RFC 3597 §5; of a type with a notation of its own, the bytes must still fit the type. */
function writeGeneric(type: number, scanner: Scanner, first: number, out: Output): WordError | undefined {
  const { bytes, starts, ends, count } = scanner;
  const word = first + 1;
  const length = word < count ? readNumber(bytes, starts[word]!, ends[word]!, RDATA_BYTES_MAX) : -1;
  if (length < 0)
    return { message: `after \\# comes the number of bytes, 0 to ${RDATA_BYTES_MAX}`, word: first };
  const error = writeJoined('hex', scanner, word + 1, out);
  if (error !== undefined) return { message: error, word };
  if (out.length !== length) return { message: `says ${length} bytes but has ${out.length}`, word };
  if (rdataCodec(type).toText(out.bytes.subarray(0, length)) !== undefined) return undefined;
  return { message: 'these bytes are no rdata of this type', word };
}

/** `1 svc alpn="h2,h3" port=443`: names and parameters as the codec of zone files takes them. */
function writeSvcb(
  type: number,
  scanner: Scanner,
  first: number,
  origin: Uint8Array,
  out: Output,
): WordError | undefined {
  const { bytes, starts, ends, quoted, count } = scanner;
  if (first + 1 >= count)
    return { message: 'the rdata is: priority, target, and parameters key=value', word: first };
  const priority = readNumber(bytes, starts[first]!, ends[first]!, 0xffff);
  if (priority < 0) return { message: 'must be a whole number from 0 to 65535', word: first };
  const svcparams = new Map<string, string | null>();
  for (let word = first + 2; word < count; word++) {
    const at = word;
    const text = wordText(bytes, starts[word]!, ends[word]!);
    const equals = text.indexOf('=');
    const key = (equals < 0 ? text : text.slice(0, equals)).toLowerCase();
    let value = equals < 0 ? null : text.slice(equals + 1);
    // The value in quotes is a word of its own, right behind the "=".
    if (value === '' && quoted[word + 1] === 1 && word + 1 < count && starts[word + 1] === ends[word]! + 1) {
      word++;
      value = wordText(bytes, starts[word]!, ends[word]!);
    }
    const param = svcParam(key, value);
    if ('message' in param) return { message: param.message, word: at };
    if (svcparams.has(param.key)) return { message: `the parameter ${key} is there twice`, word: at };
    svcparams.set(param.key, param.value);
  }
  const head: Output = { bytes: out.bytes, length: 2 };
  const error = writeName(bytes, starts[first + 1]!, ends[first + 1]!, origin, head);
  if (error !== undefined) return { message: error, word: first + 1 };
  const params = rdataCodec(type).parse({
    svcpriority: priority,
    targetname: '.',
    svcparams: Object.fromEntries(svcparams),
  });
  if (isRdataError(params))
    return { message: [...params.path.slice(1), params.message].join(': '), word: first + 2 };
  out.length = 0;
  writeNumber(priority, 2, out);
  out.length = head.length;
  return put(params.subarray(3), out);
}

function isGeneric(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 2 && bytes[start] === 0x5c && bytes[start + 1] === 0x23;
}

function put(bytes: Uint8Array, out: Output): undefined {
  out.bytes.set(bytes, out.length);
  out.length += bytes.length;
  return undefined;
}
