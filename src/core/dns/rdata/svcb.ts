/**
 * SVCB and HTTPS (RFC 9460 §2.2, §14.3; `dohpath` RFC 9461): priority, target name, and parameters that are
 * sorted by key and each carry key, length and value.
 */
import { TYPE } from '../iana.js';
import { formatName, nameLength } from '../name.js';
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from './address.js';
import { decodeBase64, encodeBase64 } from './base64.js';
import {
  concat,
  isMap,
  isRdataError,
  RDATA_BYTES_MAX,
  type RdataCodec,
  type RdataError,
  rdataError,
  shown,
} from './codec.js';
import { name, number, unsigned } from './field.js';
import { decodeText, encodeText, quote } from './text.js';

export const SVCB: RdataCodec = svcb(TYPE.SVCB);
export const HTTPS: RdataCodec = svcb(TYPE.HTTPS);

const KEYS = {
  mandatory: 0,
  alpn: 1,
  'no-default-alpn': 2,
  port: 3,
  ipv4hint: 4,
  ech: 5,
  ipv6hint: 6,
  dohpath: 7,
} as const;
const KEY_NUMBERS: ReadonlyMap<string, number> = new Map(Object.entries(KEYS));
const KEY_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(KEYS).map(([text, key]) => [key, text]),
);
/** 65535 is reserved as an invalid key. */
const KEY_MAX = 65534;
const ALLOWED_KEYS = `${Object.keys(KEYS).join(', ')}, key0 to key${KEY_MAX}`;

interface Param {
  readonly key: number;
  readonly value: Uint8Array;
}

function svcb(type: number): RdataCodec {
  const priority = number(2, 'svcpriority');
  const target = name('targetname');
  return {
    type,
    parse(value) {
      if (!isMap(value)) {
        return rdataError(
          `must be a map with the keys svcpriority, targetname, svcparams, not ${shown(value)}`,
        );
      }
      const allowed = ['svcpriority', 'targetname', 'svcparams'];
      const unknown = Object.keys(value).find((key) => !allowed.includes(key));
      if (unknown !== undefined) return rdataError(`unknown key; allowed: ${allowed.join(', ')}`, [unknown]);
      const head: Uint8Array[] = [];
      for (const field of [priority, target]) {
        const key = field.keys[0]!;
        const part = field.parse(value[key]);
        if (typeof part === 'string') return rdataError(`must be ${part}, not ${shown(value[key])}`, [key]);
        head.push(part);
      }
      const params = parseParams(value['svcparams'] ?? {});
      if (isRdataError(params)) return params;
      if (params.length > 0 && head[0]![0] === 0 && head[0]![1] === 0) {
        return rdataError('an alias (svcpriority 0) has no parameters', ['svcparams']);
      }
      const wire = concat([...head, ...params.map(encodeParam)]);
      return wire.length <= RDATA_BYTES_MAX ? wire : rdataError(`is larger than ${RDATA_BYTES_MAX} bytes`);
    },
    toText,
    toValue,
  };
}

/** In the order of their keys, as §2.2 demands. */
function parseParams(value: unknown): readonly Param[] | RdataError {
  if (!isMap(value)) return rdataError('must be a map of parameters', ['svcparams']);
  const params: Param[] = [];
  for (const [text, given] of Object.entries(value)) {
    const path = ['svcparams', text];
    const key = keyNumber(text);
    if (key === undefined) return rdataError(`unknown parameter; allowed: ${ALLOWED_KEYS}`, path);
    if (params.some((param) => param.key === key)) return rdataError('is there twice', path);
    // keyNNNNN takes bytes as they are, even where the number has a name.
    const bytes = text.startsWith('key') ? rawValue(given) : paramValue(key, given);
    if (typeof bytes === 'string') return rdataError(`must be ${bytes}, not ${shown(given)}`, path);
    if (bytes.length > 0xffff) return rdataError('is larger than 65535 bytes', path);
    params.push({ key, value: bytes });
  }
  params.sort((a, b) => a.key - b.key);
  return inconsistency(params) ?? params;
}

/** The rules between parameters (§7.1.1, §8). */
function inconsistency(params: readonly Param[]): RdataError | undefined {
  const present = new Set(params.map((param) => param.key));
  if (present.has(KEYS['no-default-alpn']) && !present.has(KEYS.alpn)) {
    return rdataError('needs alpn beside it', ['svcparams', 'no-default-alpn']);
  }
  const mandatory = params.find((param) => param.key === KEYS.mandatory)?.value ?? new Uint8Array();
  for (let i = 0; i + 1 < mandatory.length; i += 2) {
    const key = (mandatory[i]! << 8) | mandatory[i + 1]!;
    if (!present.has(key)) {
      return rdataError(`names ${keyName(key)}, which is not among the parameters`, [
        'svcparams',
        'mandatory',
      ]);
    }
  }
  return undefined;
}

/** Wire form of a parameter, or what is expected instead. */
function paramValue(key: number, given: unknown): Uint8Array | string {
  switch (key) {
    case KEYS.mandatory:
      return mandatoryValue(listOf(given));
    case KEYS.alpn:
      return listValue(given, 'a list of protocols such as [h2, h3]', (item) => {
        const bytes = encodeText(item);
        return bytes.length > 0 && bytes.length <= 255
          ? concat([unsigned(bytes.length, 1), bytes])
          : undefined;
      });
    case KEYS['no-default-alpn']:
      return given === null || given === true || given === '' ? new Uint8Array() : 'empty or true';
    case KEYS.port:
      return number(2, 'port').parse(given);
    case KEYS.ipv4hint:
      return listValue(given, 'a list of IPv4 addresses', parseIPv4);
    case KEYS.ipv6hint:
      return listValue(given, 'a list of IPv6 addresses', parseIPv6);
    case KEYS.ech: {
      const bytes = typeof given === 'string' ? decodeBase64(given) : undefined;
      return bytes && bytes.length > 0 ? bytes : 'base64';
    }
    default: {
      const fits = typeof given === 'string' && given.startsWith('/') && given.includes('dns');
      return fits ? encodeText(given) : 'a path template such as /dns-query{?dns}';
    }
  }
}

function mandatoryValue(items: readonly string[] | undefined): Uint8Array | string {
  const expected = 'a list of different parameters, without "mandatory" itself';
  const keys = items?.map(keyNumber) ?? [];
  const known = keys.filter((key) => key !== undefined && key !== KEYS.mandatory) as readonly number[];
  if (known.length === 0 || known.length < keys.length || new Set(known).size < known.length) return expected;
  return concat(known.toSorted((a, b) => a - b).map((key) => unsigned(key, 2)));
}

function listValue(
  given: unknown,
  expected: string,
  encode: (item: string) => Uint8Array | undefined,
): Uint8Array | string {
  const parts = listOf(given)?.map(encode);
  if (!parts || parts.length === 0 || parts.includes(undefined)) return expected;
  return concat(parts as readonly Uint8Array[]);
}

/** Text with commas stands for a list, as in presentation form. */
function listOf(given: unknown): readonly string[] | undefined {
  const items: unknown = typeof given === 'string' ? given.split(',').map((item) => item.trim()) : given;
  return Array.isArray(items) && items.every((item) => typeof item === 'string') ? items : undefined;
}

/** Text in which `\DDD` is a byte, and `\X` is X, whatever that means elsewhere (RFC 1035 §5.1). */
function rawValue(given: unknown): Uint8Array | string {
  if (given === null || given === true) return new Uint8Array();
  if (typeof given !== 'string' && typeof given !== 'number') return 'text';
  const parts = String(given).split(/\\(\d{3}|\D)/);
  if (parts.some((part, i) => i % 2 === 1 && Number(part) > 255)) return 'text with \\DDD from 000 to 255';
  const isByte = (part: string, i: number) => i % 2 === 1 && part.length === 3;
  return concat(parts.map((part, i) => (isByte(part, i) ? unsigned(Number(part), 1) : encodeText(part))));
}

function encodeParam({ key, value }: Param): Uint8Array {
  return concat([unsigned(key, 2), unsigned(value.length, 2), value]);
}

function keyNumber(text: string): number | undefined {
  const known = KEY_NUMBERS.get(text);
  if (known !== undefined) return known;
  const digits = /^key(0|[1-9]\d{0,4})$/.exec(text)?.[1];
  return digits !== undefined && Number(digits) <= KEY_MAX ? Number(digits) : undefined;
}

function keyName(key: number): string {
  return KEY_NAMES.get(key) ?? `key${key}`;
}

function toText(wire: Uint8Array): string | undefined {
  const parts = partsOf(wire);
  if (!parts) return undefined;
  const params = parts.params.map(({ key, value }) => paramText(key, value));
  return [String(parts.priority), parts.target, ...params].join(' ');
}

function toValue(wire: Uint8Array): unknown {
  const parts = partsOf(wire);
  if (!parts) return undefined;
  return {
    svcpriority: parts.priority,
    targetname: parts.target,
    ...(parts.params.length > 0 && {
      svcparams: Object.fromEntries(parts.params.map(({ key, value }) => fileParam(key, value))),
    }),
  };
}

/** A parameter as zone files have it; bytes behind its number where its own form can't say it. */
function fileParam(key: number, value: Uint8Array): readonly [string, unknown] {
  const text = knownParamText(key, value);
  if (text === '' || (value.length === 0 && text === undefined)) return [keyName(key), true];
  if (text !== undefined) {
    const isList =
      key === KEYS.mandatory || key === KEYS.alpn || key === KEYS.ipv4hint || key === KEYS.ipv6hint;
    return [keyName(key), isList ? text.split(',') : key === KEYS.port ? Number(text) : text];
  }
  return [`key${key}`, Array.from(value, (byte) => `\\${String(byte).padStart(3, '0')}`).join('')];
}

interface SvcbParts {
  readonly priority: number;
  readonly target: string;
  readonly params: readonly Param[];
}

function partsOf(wire: Uint8Array): SvcbParts | undefined {
  const length = nameLength(wire, 2);
  if (length < 0) return undefined;
  const params: Param[] = [];
  let at = 2 + length;
  while (at < wire.length) {
    if (at + 4 > wire.length) return undefined;
    const end = at + 4 + ((wire[at + 2]! << 8) | wire[at + 3]!);
    if (end > wire.length) return undefined;
    params.push({ key: (wire[at]! << 8) | wire[at + 1]!, value: wire.subarray(at + 4, end) });
    at = end;
  }
  return { priority: (wire[0]! << 8) | wire[1]!, target: formatName(wire, 2), params };
}

/** A value that does not fit its key, or whose form is not known, is shown as bytes of `key123`. */
function paramText(key: number, value: Uint8Array): string {
  const text = knownParamText(key, value);
  if (text !== undefined) return text === '' ? keyName(key) : `${keyName(key)}=${text}`;
  const shownKey = key === KEYS.dohpath && value.length > 0 ? keyName(key) : `key${key}`;
  return value.length === 0 ? shownKey : `${shownKey}=${quote(value)}`;
}

function knownParamText(key: number, value: Uint8Array): string | undefined {
  switch (key) {
    case KEYS.mandatory:
      return chunks(value, 2)
        ?.map((part) => keyName((part[0]! << 8) | part[1]!))
        .join(',');
    case KEYS.alpn:
      return alpnText(value);
    case KEYS.port:
      return value.length === 2 ? String((value[0]! << 8) | value[1]!) : undefined;
    case KEYS.ipv4hint:
      return chunks(value, 4)
        ?.map((part) => formatIPv4(part))
        .join(',');
    case KEYS.ipv6hint:
      return chunks(value, 16)
        ?.map((part) => formatIPv6(part))
        .join(',');
    case KEYS.ech:
      return value.length > 0 ? encodeBase64(value) : undefined;
    case KEYS['no-default-alpn']:
      return value.length === 0 ? '' : undefined;
    default:
      return undefined;
  }
}

/** `h2,h3`; commas and backslashes inside a protocol are escaped twice (RFC 9460 §A.1). */
function alpnText(value: Uint8Array): string | undefined {
  const list: number[] = [];
  let at = 0;
  while (at < value.length) {
    const end = at + 1 + value[at]!;
    if (end > value.length || end === at + 1) return undefined;
    if (at > 0) list.push(0x2c);
    for (const byte of value.subarray(at + 1, end)) {
      if (byte === 0x2c || byte === 0x5c) list.push(0x5c);
      list.push(byte);
    }
    at = end;
  }
  if (list.length === 0) return undefined;
  const bytes = Uint8Array.from(list);
  const plain = decodeText(bytes);
  return /^[\x21-\x7e]+$/.test(plain) && !/["\\;()]/.test(plain) ? plain : quote(bytes);
}

function chunks(value: Uint8Array, size: number): readonly Uint8Array[] | undefined {
  if (value.length === 0 || value.length % size !== 0) return undefined;
  return Array.from({ length: value.length / size }, (_, i) => value.subarray(i * size, (i + 1) * size));
}
