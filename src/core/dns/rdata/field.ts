/**
 * Most RR types are a fixed row of fields: numbers, a name, a text, a digest. A `Field` knows one of them in
 * all its forms; `layout` strings fields together to the codec of a type.
 */
import { formatName, isNameError, nameLength, parseName } from '../name.js';
import {
  concat,
  isMap,
  RDATA_BYTES_MAX,
  type RdataCodec,
  type RdataError,
  rdataError,
  shown,
} from './codec.js';
import { decodeText, encodeText, quote } from './text.js';

export interface Field {
  /** The key in a zone file; more than one where octoDNS changed its mind. The first is shown. */
  readonly keys: readonly string[];
  /** The value of a key that is left out. */
  readonly absent?: unknown;
  /** Wire form, or what is expected instead: "a whole number from 0 to 255". */
  parse(value: unknown): Uint8Array | string;
  /** The field that starts at `at`, as presentation form has it and as a zone file does, and where the next one starts. */
  read(wire: Uint8Array, at: number): FieldPart | undefined;
}

export interface FieldPart {
  readonly text: string;
  readonly value: string | number;
  readonly end: number;
}

/** The codec of a type whose value is a map with these fields, in the order of the wire. */
export function layout(type: number, fields: readonly Field[]): RdataCodec {
  const known = new Set(fields.flatMap((field) => field.keys));
  const names = fields.map((field) => field.keys[0]).join(', ');
  return {
    type,
    parse(value) {
      if (!isMap(value)) return rdataError(`must be a map with the keys ${names}, not ${shown(value)}`);
      const unknown = Object.keys(value).find((key) => !known.has(key));
      if (unknown !== undefined) return rdataError(`unknown key; allowed: ${names}`, [unknown]);
      return parseFields(fields, value);
    },
    toText: (wire) =>
      readFields(fields, wire)
        ?.map(({ text }) => text)
        .join(' '),
    toValue(wire) {
      const parts = readFields(fields, wire);
      return parts && Object.fromEntries(parts.map(({ value }, i) => [fields[i]!.keys[0], value]));
    },
  };
}

/** An unsigned number in 1, 2 or 4 bytes. Digits in quotes will do: octoDNS takes them too. */
export function number(bytes: 1 | 2 | 4, ...keys: readonly string[]): Field {
  const max = 2 ** (8 * bytes) - 1;
  return {
    keys,
    parse(value) {
      const n = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
      const fits = typeof n === 'number' && Number.isInteger(n) && n >= 0 && n <= max;
      return fits ? unsigned(n, bytes) : `a whole number from 0 to ${max}`;
    },
    read(wire, at) {
      if (at + bytes > wire.length) return undefined;
      const n = wire.subarray(at, at + bytes).reduce((sum, byte) => sum * 256 + byte, 0);
      return { text: String(n), value: n, end: at + bytes };
    },
  };
}

/** A domain name, never compressed. */
export function name(...keys: readonly string[]): Field {
  return {
    keys,
    parse(value) {
      const wire = typeof value === 'string' ? parseName(value) : undefined;
      if (wire === undefined) return 'a name with a trailing dot, such as www.example.com.';
      if (!isNameError(wire)) return wire;
      return wire.code === 'relative'
        ? `an absolute name with a trailing dot (${shown(`${value}.`)}?)`
        : `a name with a trailing dot (${wire.message})`;
    },
    read(wire, at) {
      const length = nameLength(wire, at);
      if (length < 0) return undefined;
      const text = formatName(wire, at);
      return { text, value: text, end: at + length };
    },
  };
}

/** A text of at most 255 bytes behind its length (RFC 1035 §3.3, character-string). */
export function shortText(...keys: readonly string[]): Field {
  return {
    keys,
    absent: '',
    parse(value) {
      const bytes = typeof value === 'string' ? encodeText(value) : undefined;
      return bytes && bytes.length <= 255
        ? concat([unsigned(bytes.length, 1), bytes])
        : 'text of at most 255 bytes';
    },
    read(wire, at) {
      const end = at + 1 + (wire[at] ?? 0);
      if (at >= wire.length || end > wire.length) return undefined;
      const bytes = wire.subarray(at + 1, end);
      return { text: quote(bytes), value: decodeText(bytes), end };
    },
  };
}

/** Letters and digits behind their length: the tag of CAA (RFC 8659 §4.1). */
export function tag(...keys: readonly string[]): Field {
  return {
    keys,
    parse(value) {
      if (typeof value !== 'string' || !/^[a-zA-Z0-9]{1,15}$/.test(value)) {
        return 'a tag of 1 to 15 letters and digits, such as issue, issuewild or iodef';
      }
      const bytes = encodeText(value);
      return concat([unsigned(bytes.length, 1), bytes]);
    },
    read(wire, at) {
      const end = at + 1 + (wire[at] ?? 0);
      if (at >= wire.length || end > wire.length) return undefined;
      const text = decodeText(wire.subarray(at + 1, end));
      return { text, value: text, end };
    },
  };
}

/** Text to the end of the record. octoDNS escapes semicolons: `\;` is `;`. */
export function restText(...keys: readonly string[]): Field {
  return {
    keys,
    parse: (value) => (typeof value === 'string' ? encodeText(value.replaceAll('\\;', ';')) : 'text'),
    read(wire, at) {
      const bytes = wire.subarray(at);
      return { text: quote(bytes), value: decodeText(bytes).replaceAll(';', '\\;'), end: wire.length };
    },
  };
}

/** Hexadecimal digits to the end of the record; white space between them is ignored. */
export function restHex(...keys: readonly string[]): Field {
  return {
    keys,
    parse(value) {
      const bytes = typeof value === 'string' ? parseHex(value) : undefined;
      return bytes && bytes.length > 0 ? bytes : 'pairs of hexadecimal digits, in quotes';
    },
    read(wire, at) {
      if (at >= wire.length) return undefined;
      const text = formatHex(wire.subarray(at)).toUpperCase();
      return { text, value: text, end: wire.length };
    },
  };
}

/** Bytes of pairs of hexadecimal digits; undefined for anything else. */
export function parseHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/\s+/g, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return undefined;
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

export function formatHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Big-endian. */
export function unsigned(n: number, bytes: 1 | 2 | 4): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Math.floor(n / 2 ** (8 * (bytes - 1 - i))) & 0xff);
}

/** The parts of whole rdata; undefined if a field is cut short or bytes are left. */
function readFields(fields: readonly Field[], wire: Uint8Array): readonly FieldPart[] | undefined {
  const parts: FieldPart[] = [];
  let at = 0;
  for (const field of fields) {
    const part = field.read(wire, at);
    if (!part) return undefined;
    parts.push(part);
    at = part.end;
  }
  return at === wire.length ? parts : undefined;
}

function parseFields(
  fields: readonly Field[],
  value: Readonly<Record<string, unknown>>,
): Uint8Array | RdataError {
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    const given = field.keys.filter((key) => Object.hasOwn(value, key));
    if (given.length > 1) return rdataError(`means the same as ${given[0]}: use one of them`, [given[1]!]);
    const key = given[0];
    if (key === undefined && field.absent === undefined) {
      return rdataError(`the key "${field.keys[0]}" is missing`);
    }
    const part = field.parse(key === undefined ? field.absent : value[key]);
    if (typeof part === 'string') {
      return rdataError(`must be ${part}, not ${shown(value[key!])}`, [key!]);
    }
    parts.push(part);
  }
  const wire = concat(parts);
  return wire.length <= RDATA_BYTES_MAX ? wire : rdataError(`is larger than ${RDATA_BYTES_MAX} bytes`);
}
