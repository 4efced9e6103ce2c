/** Which codec serves which RR type. */
import { A, AAAA } from './address.js';
import type { RdataCodec } from './codec.js';
import { CAA, DS, MX, NAPTR, SOA, SRV, SSHFP, TLSA } from './layouts.js';
import { CNAME, DNAME, NS, PTR } from './name-only.js';
import { HTTPS, SVCB } from './svcb.js';
import { SPF, TXT } from './text.js';
import { formatUnknown, unknownType } from './unknown.js';

/** The codec of a type; types without one of their own are bytes in hexadecimal digits. */
export function rdataCodec(type: number): RdataCodec {
  return CODECS.get(type) ?? unknownType(type);
}

/** Presentation form of any rdata; bytes that do not fit the type are shown after RFC 3597 §5. */
export function rdataText(type: number, wire: Uint8Array): string {
  return rdataCodec(type).toText(wire) ?? formatUnknown(wire);
}

/** Types with a codec of their own, in the order of their numbers. */
export function knownTypes(): readonly number[] {
  return [...CODECS.keys()].toSorted((a, b) => a - b);
}

const CODECS: ReadonlyMap<number, RdataCodec> = new Map(
  [A, AAAA, CAA, CNAME, DNAME, DS, HTTPS, MX, NAPTR, NS, PTR, SOA, SPF, SRV, SSHFP, SVCB, TLSA, TXT].map(
    (codec) => [codec.type, codec],
  ),
);
