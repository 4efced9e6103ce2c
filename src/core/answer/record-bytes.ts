import { CLASS, TYPE } from '../dns/iana.js';
import { isSubdomain, nameLength } from '../dns/name.js';

/** Ready RRs, and the offsets in them of the pointers that `patchSuffixes` fills in for each question. */
export interface RecordBytes {
  readonly bytes: Uint8Array;
  readonly fixups: readonly number[];
  /** Offset of the rdata of each RR. */
  readonly rdataAt: readonly number[];
}

/**
 * RRs of one owner, each `0xC00C type class ttl rdlength rdata`. Names in rdata of the types that RFC 1035
 * defines are compressed (RFC 3597 §4) against the zone's apex, which stands at the end of every question
 * that this zone answers: only its place differs from question to question, hence the fixups.
 */
export function recordBytes(
  type: number,
  ttl: number,
  rdatas: readonly Uint8Array[],
  apex: Uint8Array,
): RecordBytes {
  const out = new Writer(roomFor(rdatas));
  const fixups: number[] = [];
  const rdataAt: number[] = [];
  for (const rdata of rdatas) {
    out.int16(OWNER_POINTER);
    out.int16(type);
    out.int16(CLASS.IN);
    out.int16(ttl >>> 16);
    out.int16(ttl & 0xffff);
    out.int16(0);
    const start = out.at;
    rdataAt.push(start);
    writeRdata(out, fixups, type, rdata, apex);
    out.bytes[start - 2] = (out.at - start) >> 8;
    out.bytes[start - 1] = (out.at - start) & 0xff;
  }
  const bytes = out.at === out.bytes.length ? out.bytes : out.bytes.slice(0, out.at);
  return { bytes, fixups, rdataAt };
}

/** To offset 12, where the name of the question stands. */
const OWNER_POINTER = 0xc00c;
/** Bytes in front of the rdata. */
const HEAD_BYTES = 12;

/** Names only get shorter. */
function roomFor(rdatas: readonly Uint8Array[]): number {
  let room = 0;
  for (const rdata of rdatas) room += HEAD_BYTES + rdata.length;
  return room;
}

class Writer {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(room: number) {
    this.bytes = new Uint8Array(room);
  }

  int16(value: number): void {
    this.bytes[this.at++] = value >> 8;
    this.bytes[this.at++] = value & 0xff;
  }

  copy(from: Uint8Array, start: number, end: number): void {
    for (let i = start; i < end; i++) this.bytes[this.at++] = from[i]!;
  }
}

function writeRdata(out: Writer, fixups: number[], type: number, rdata: Uint8Array, apex: Uint8Array): void {
  let at = 0;
  for (const nameAt of namesIn(type, rdata)) {
    out.copy(rdata, at, nameAt);
    at = nameAt + nameLength(rdata, nameAt);
    writeName(out, fixups, rdata.subarray(nameAt, at), apex);
  }
  out.copy(rdata, at, rdata.length);
}

function writeName(out: Writer, fixups: number[], name: Uint8Array, apex: Uint8Array): void {
  // A pointer would not be shorter than the root.
  const suffix = apex.length > 2 && isSubdomain(name, apex) ? name.length - apex.length : name.length;
  out.copy(name, 0, suffix);
  if (suffix === name.length) return;
  fixups.push(out.at);
  out.int16(0xc000);
}

/** Where the compressible names of an rdata begin. */
function namesIn(type: number, rdata: Uint8Array): readonly number[] {
  switch (type) {
    case TYPE.NS:
    case TYPE.CNAME:
    case TYPE.PTR:
      return [0];
    case TYPE.MX:
      return [2];
    case TYPE.SOA:
      return [0, nameLength(rdata, 0)];
    default:
      return [];
  }
}
