import { CLASS, EDNS_OPTION, TYPE } from './iana.js';
import { formatName, nameLength } from './name.js';
import { rdataText } from './rdata/table.js';

/**
 * Whole DNS messages, for everything but the query path: `explain` and tests make a query and read the answer.
 */

export interface ClientSubnet {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly sourcePrefix: number;
}

export interface QuerySpec {
  readonly id: number;
  /** Wire form. */
  readonly name: Uint8Array;
  readonly type: number;
  readonly recursionDesired?: boolean;
  /** Absent: no OPT record. */
  readonly edns?: { readonly payloadSize: number; readonly subnet?: ClientSubnet };
}

export interface ResourceRecord {
  /** Absolute, in presentation form, as is `rdata`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly rdata: string;
}

export interface Message {
  readonly id: number;
  readonly opcode: number;
  /** With the extended bits of OPT. */
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly question?: { readonly name: string; readonly type: number; readonly class: number };
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Without OPT. */
  readonly additionals: readonly ResourceRecord[];
  readonly edns?: {
    readonly version: number;
    readonly payloadSize: number;
    readonly options: readonly { readonly code: number; readonly data: Uint8Array }[];
    /** Scope prefix length of the client-subnet option (RFC 7871 §6). */
    readonly scope?: number;
  };
}

/** A query message (RFC 1035 §4.1, RFC 6891 §6.1, RFC 7871 §6). */
export function encodeQuery(spec: QuerySpec): Uint8Array {
  const option = spec.edns?.subnet ? subnetOption(spec.edns.subnet) : [];
  const opt = spec.edns
    ? [0, 0, TYPE.OPT, ...u16(spec.edns.payloadSize), 0, 0, 0, 0, ...u16(option.length), ...option]
    : [];
  const flags = spec.recursionDesired ? 1 : 0;
  const header = [...u16(spec.id), flags, 0, 0, 1, 0, 0, 0, 0, 0, spec.edns ? 1 : 0];
  return Uint8Array.from([...header, ...spec.name, ...u16(spec.type), 0, CLASS.IN, ...opt]);
}

/** Reads a message; undefined if it is malformed anywhere. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  if (bytes.length < 12) return undefined;
  const counts = [4, 6, 8, 10].map((at) => read16(bytes, at));
  let at = 12;
  let question: Message['question'];
  for (let i = 0; i < counts[0]!; i++) {
    const name = readName(bytes, at);
    if (!name || name.end + 4 > bytes.length) return undefined;
    question ??= { name: name.text, type: read16(bytes, name.end), class: read16(bytes, name.end + 2) };
    at = name.end + 4;
  }
  const sections: RawRecord[][] = [];
  for (const count of counts.slice(1)) {
    const section: RawRecord[] = [];
    for (let i = 0; i < count; i++) {
      const record = readRecord(bytes, at);
      if (!record) return undefined;
      section.push(record);
      at = record.end;
    }
    sections.push(section);
  }
  if (at !== bytes.length) return undefined;
  const [answers = [], authorities = [], additionals = []] = sections;
  const opt = additionals.find(({ type }) => type === TYPE.OPT);
  const edns = opt && readOpt(bytes, opt);
  return {
    id: read16(bytes, 0),
    opcode: (bytes[2]! >> 3) & 0x0f,
    rcode: (bytes[3]! & 0x0f) | (opt ? (opt.ttl >>> 24) << 4 : 0),
    authoritative: (bytes[2]! & 4) !== 0,
    truncated: (bytes[2]! & 2) !== 0,
    ...(question && { question }),
    answers: answers.map((record) => toRecord(bytes, record)),
    authorities: authorities.map((record) => toRecord(bytes, record)),
    additionals: additionals.filter((record) => record !== opt).map((record) => toRecord(bytes, record)),
    ...(edns && { edns }),
  };
}

interface RawRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly dataAt: number;
  readonly end: number;
}

function readRecord(bytes: Uint8Array, at: number): RawRecord | undefined {
  const name = readName(bytes, at);
  if (!name || name.end + 10 > bytes.length) return undefined;
  const fixed = name.end;
  const end = fixed + 10 + read16(bytes, fixed + 8);
  if (end > bytes.length) return undefined;
  return {
    name: name.text,
    type: read16(bytes, fixed),
    class: read16(bytes, fixed + 2),
    ttl: ((read16(bytes, fixed + 4) << 16) | read16(bytes, fixed + 6)) >>> 0,
    dataAt: fixed + 10,
    end,
  };
}

function toRecord(bytes: Uint8Array, raw: RawRecord): ResourceRecord {
  const rdata = rdataText(raw.type, expandRdata(bytes, raw));
  return { name: raw.name, type: raw.type, class: raw.class, ttl: raw.ttl, rdata };
}

/** rdata with its names uncompressed; as it is where a name can't be read. */
function expandRdata(bytes: Uint8Array, { type, dataAt, end }: RawRecord): Uint8Array {
  const out: number[] = [];
  let at = dataAt;
  for (const skip of nameSkips(type)) {
    out.push(...bytes.subarray(at, at + skip));
    const name = readName(bytes, at + skip);
    if (!name || name.end > end) return bytes.slice(dataAt, end);
    out.push(...name.wire);
    at = name.end;
  }
  out.push(...bytes.subarray(at, end));
  return Uint8Array.from(out);
}

/** Bytes in front of each name that may be compressed (RFC 1035 §3.3). */
function nameSkips(type: number): readonly number[] {
  switch (type) {
    case TYPE.NS:
    case TYPE.CNAME:
    case TYPE.PTR:
    case TYPE.DNAME:
      return [0];
    case TYPE.MX:
      return [2];
    case TYPE.SOA:
      return [0, 0];
    default:
      return [];
  }
}

/** A name with its compression pointers followed; each must lead further back (RFC 1035 §4.1.4). */
function readName(
  bytes: Uint8Array,
  from: number,
): { text: string; wire: Uint8Array; end: number } | undefined {
  const wire: number[] = [];
  let at = from;
  let end = -1;
  let barrier = from;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      const target = ((length & 0x3f) << 8) | (bytes[at + 1] ?? 0);
      if (at + 2 > bytes.length || target >= barrier) return undefined;
      if (end < 0) end = at + 2;
      barrier = target;
      at = target;
      continue;
    }
    if (length > 63 || at + 1 + length > bytes.length) return undefined;
    for (let i = 0; i <= length; i++) wire.push(bytes[at + i]!);
    at += 1 + length;
    if (length === 0) break;
  }
  const name = Uint8Array.from(wire);
  if (nameLength(name) !== name.length) return undefined;
  return { text: formatName(name), wire: name, end: end < 0 ? at : end };
}

function readOpt(bytes: Uint8Array, opt: RawRecord): NonNullable<Message['edns']> | undefined {
  const options: { code: number; data: Uint8Array }[] = [];
  let at = opt.dataAt;
  while (at < opt.end) {
    const length = read16(bytes, at + 2);
    if (at + 4 + length > opt.end) return undefined;
    options.push({ code: read16(bytes, at), data: bytes.slice(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  const subnet = options.find(({ code }) => code === EDNS_OPTION.CLIENT_SUBNET);
  const scope = subnet?.data[3];
  return {
    version: (opt.ttl >>> 16) & 0xff,
    payloadSize: opt.class,
    options,
    ...(scope !== undefined && { scope }),
  };
}

function subnetOption({ address, sourcePrefix }: ClientSubnet): readonly number[] {
  const length = (sourcePrefix + 7) >> 3;
  const bytes = [...address.subarray(0, length)];
  if (sourcePrefix & 7) bytes[length - 1] = bytes[length - 1]! & (0xff00 >> (sourcePrefix & 7));
  const family = address.length === 4 ? 1 : 2;
  return [0, EDNS_OPTION.CLIENT_SUBNET, ...u16(4 + length), 0, family, sourcePrefix, 0, ...bytes];
}

function read16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function u16(value: number): readonly number[] {
  return [value >> 8, value & 0xff];
}
