import { CLASS, EDNS_OPTION } from '../dns/iana.js';
import type { Query } from './query.js';

/**
 * Putting an answer together in `query.output` from `query.base` on. Every function that adds a record
 * returns false, and adds nothing, when the record would pass `query.limit`.
 */

const HEADER_BYTES = 12;
const OPT_BYTES = 11;
/** Offset of the question's name in every message, and the compression pointer to it. */
export const QUESTION_NAME = 12;

/** Keeps the question as it was asked, in its own case, and opens the answer section. */
export function beginAnswer(query: Query): void {
  const { input, output, start, base, questionEnd } = query;
  const length = questionEnd > 0 ? questionEnd - start : HEADER_BYTES;
  if (output !== input || base !== start) {
    for (let i = HEADER_BYTES; i < length; i++) output[base + i] = input[start + i]!;
  }
  query.at = base + length;
  query.answers = 0;
  query.authorities = 0;
  query.additionals = 0;
  query.authoritative = true;
  query.truncated = false;
  query.scope = 0;
  // The payload size is about datagrams; a stream carries up to its own limit (RFC 7766 §8).
  const datagram = !query.stream && query.payloadSize < query.transportLimit;
  query.limit = base + (datagram ? query.payloadSize : query.transportLimit) - optLength(query);
}

/** Drops all records but keeps the question: a truncated answer (RFC 2181 §9). */
export function truncate(query: Query): void {
  query.at = query.base + (query.questionEnd - query.start);
  query.answers = 0;
  query.authorities = 0;
  query.additionals = 0;
  query.truncated = true;
}

/**
 * Copies precompiled RRs (each with the owner pointer 0xC00C) and patches them: owners to `owner`, an offset
 * in the message, and the two bytes at each fixup to the apex's place in the question.
 */
export function writeRecords(
  query: Query,
  bytes: Uint8Array,
  from: number,
  length: number,
  owner: number,
): boolean {
  const { output, at } = query;
  if (at + length > query.limit) return false;
  for (let i = 0; i < length; i++) output[at + i] = bytes[from + i]!;
  if (owner !== QUESTION_NAME) patchOwners(output, at, at + length, owner);
  query.at = at + length;
  return true;
}

export function patchSuffixes(
  query: Query,
  recordsAt: number,
  fixups: Int32Array,
  from: number,
  count: number,
  apexLength: number,
): void {
  if (count === 0) return;
  const pointer = 0xc000 | (QUESTION_NAME + query.nameLength - apexLength);
  for (let i = from; i < from + count; i++) {
    const at = recordsAt + fixups[i]!;
    query.output[at] = pointer >> 8;
    query.output[at + 1] = pointer & 0xff;
  }
}

/** One RR from its parts: `rdata` is `length` bytes at `from` of `bytes`. */
export function writeRecord(
  query: Query,
  owner: number,
  type: number,
  ttl: number,
  bytes: Uint8Array,
  from: number,
  length: number,
): boolean {
  const { output } = query;
  let at = query.at;
  if (at + 12 + length > query.limit) return false;
  output[at++] = 0xc0 | (owner >> 8);
  output[at++] = owner & 0xff;
  output[at++] = type >> 8;
  output[at++] = type & 0xff;
  output[at++] = 0;
  output[at++] = CLASS.IN;
  output[at++] = ttl >>> 24;
  output[at++] = (ttl >>> 16) & 0xff;
  output[at++] = (ttl >>> 8) & 0xff;
  output[at++] = ttl & 0xff;
  output[at++] = length >> 8;
  output[at++] = length & 0xff;
  for (let i = 0; i < length; i++) output[at + i] = bytes[from + i]!;
  query.at = at + length;
  return true;
}

/** Writes OPT and header; returns the length of the message. */
export function finishAnswer(query: Query): number {
  const { input, output, start, base } = query;
  if (query.hasOpt) writeOpt(query);
  output[base] = input[start]!;
  output[base + 1] = input[start + 1]!;
  // QR, the opcode and RD as asked, AA, TC.
  output[base + 2] =
    0x80 | (input[start + 2]! & 0x79) | (query.authoritative ? 0x04 : 0) | (query.truncated ? 0x02 : 0);
  // CD is copied (RFC 4035 §3.1.6); RA, Z and AD are clear.
  output[base + 3] = (input[start + 3]! & 0x10) | (query.rcode & 0x0f);
  output[base + 4] = 0;
  output[base + 5] = query.questionEnd > 0 ? 1 : 0;
  output[base + 6] = query.answers >> 8;
  output[base + 7] = query.answers & 0xff;
  output[base + 8] = query.authorities >> 8;
  output[base + 9] = query.authorities & 0xff;
  output[base + 10] = query.additionals >> 8;
  output[base + 11] = query.additionals & 0xff;
  return query.at - base;
}

function patchOwners(output: Uint8Array, from: number, end: number, owner: number): void {
  let at = from;
  while (at < end) {
    output[at] = 0xc0 | (owner >> 8);
    output[at + 1] = owner & 0xff;
    at += 12 + ((output[at + 10]! << 8) | output[at + 11]!);
  }
}

function optLength(query: Query): number {
  if (!query.hasOpt) return 0;
  return query.subnetLength > 0 ? OPT_BYTES + 4 + query.subnetLength : OPT_BYTES;
}

/** Room for it was set aside in `beginAnswer`. The client-subnet option is echoed with the scope (RFC 7871 §7.2.1). */
function writeOpt(query: Query): void {
  const { output, subnet, subnetLength } = query;
  const hasSubnet = subnetLength > 0;
  let at = query.at;
  output[at++] = 0;
  output[at++] = 0;
  output[at++] = 41;
  output[at++] = PAYLOAD_SIZE >> 8;
  output[at++] = PAYLOAD_SIZE & 0xff;
  output[at++] = query.rcode >> 4;
  output[at++] = 0;
  output[at++] = query.dnssecOk ? 0x80 : 0;
  output[at++] = 0;
  output[at++] = 0;
  output[at++] = hasSubnet ? 4 + subnetLength : 0;
  if (hasSubnet) {
    output[at++] = 0;
    output[at++] = EDNS_OPTION.CLIENT_SUBNET;
    output[at++] = 0;
    output[at++] = subnetLength;
    for (let i = 0; i < subnetLength; i++) output[at + i] = subnet[i]!;
    output[at + 3] = query.scope;
    at += subnetLength;
  }
  query.at = at;
  query.additionals++;
}

/** The payload size that this server announces and keeps to: no fragments on any sane path (RFC 9715). */
export const PAYLOAD_SIZE = 1232;
