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
  const out: number[] = [];
  const fixups: number[] = [];
  const rdataAt: number[] = [];
  for (const rdata of rdatas) {
    out.push(0xc0, 12, type >> 8, type & 0xff, 0, CLASS.IN);
    out.push(ttl >>> 24, (ttl >>> 16) & 0xff, (ttl >>> 8) & 0xff, ttl & 0xff, 0, 0);
    const start = out.length;
    rdataAt.push(start);
    pushRdata(out, fixups, type, rdata, apex);
    out[start - 2] = (out.length - start) >> 8;
    out[start - 1] = (out.length - start) & 0xff;
  }
  return { bytes: Uint8Array.from(out), fixups, rdataAt };
}

function pushRdata(out: number[], fixups: number[], type: number, rdata: Uint8Array, apex: Uint8Array): void {
  let at = 0;
  for (const nameAt of namesIn(type, rdata)) {
    for (; at < nameAt; at++) out.push(rdata[at]!);
    at += nameLength(rdata, nameAt);
    pushName(out, fixups, rdata.subarray(nameAt, at), apex);
  }
  for (; at < rdata.length; at++) out.push(rdata[at]!);
}

function pushName(out: number[], fixups: number[], name: Uint8Array, apex: Uint8Array): void {
  // A pointer would not be shorter than the root.
  const suffix = apex.length > 2 && isSubdomain(name, apex) ? name.length - apex.length : name.length;
  for (let i = 0; i < suffix; i++) out.push(name[i]!);
  if (suffix === name.length) return;
  fixups.push(out.length);
  out.push(0xc0, 0);
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
