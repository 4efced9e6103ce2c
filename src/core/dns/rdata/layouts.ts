/**
 * The types whose rdata is a fixed row of fields. Keys are octoDNS's; the second name of a field is the one
 * that older octoDNS files use.
 */
import { TYPE } from '../iana.js';
import type { RdataCodec } from './codec.js';
import { layout, name, number, restHex, restText, shortText, tag } from './field.js';

/** RFC 1035 §3.3.9. `.` as exchange says that the name takes no mail (RFC 7505). */
export const MX: RdataCodec = layout(TYPE.MX, [
  number(2, 'preference', 'priority'),
  name('exchange', 'value'),
]);

/** RFC 2782. */
export const SRV: RdataCodec = layout(TYPE.SRV, [
  number(2, 'priority'),
  number(2, 'weight'),
  number(2, 'port'),
  name('target'),
]);

/** RFC 8659 §4.1. */
export const CAA: RdataCodec = layout(TYPE.CAA, [
  { ...number(1, 'flags'), absent: 0 },
  tag('tag'),
  restText('value'),
]);

/** RFC 4034 §5.1. */
export const DS: RdataCodec = layout(TYPE.DS, [
  number(2, 'key_tag'),
  number(1, 'algorithm'),
  number(1, 'digest_type'),
  restHex('digest'),
]);

/** RFC 6698 §2.1. */
export const TLSA: RdataCodec = layout(TYPE.TLSA, [
  number(1, 'certificate_usage'),
  number(1, 'selector'),
  number(1, 'matching_type'),
  restHex('certificate_association_data'),
]);

/** RFC 4255 §3.1. */
export const SSHFP: RdataCodec = layout(TYPE.SSHFP, [
  number(1, 'algorithm'),
  number(1, 'fingerprint_type'),
  restHex('fingerprint'),
]);

/** RFC 3403 §4.1. */
export const NAPTR: RdataCodec = layout(TYPE.NAPTR, [
  number(2, 'order'),
  number(2, 'preference'),
  shortText('flags'),
  shortText('service'),
  shortText('regexp'),
  name('replacement'),
]);

/** RFC 1035 §3.3.13. Zone files have `soa` instead of such a record; this is for its wire form. */
export const SOA: RdataCodec = layout(TYPE.SOA, [
  name('mname'),
  name('rname'),
  number(4, 'serial'),
  number(4, 'refresh'),
  number(4, 'retry'),
  number(4, 'expire'),
  number(4, 'minimum'),
]);
