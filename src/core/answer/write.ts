import { CLASS, EDNS_OPTION, TYPE } from '../dns/iana.js';
import { wantedLength, writeOptions } from './options.js';
import type { Query } from './query.js';
import { REASON } from './reason.js';

/**
 * Putting an answer together in `query.output` from `query.base` on. Every function that adds a record
 * returns false, and adds nothing, when the record would pass `query.limit`.
 */

const HEADER_BYTES = 12;
const OPT_BYTES = 11;
/** Offset of the question's name in every message, and the compression pointer to it. */
export const QUESTION_NAME = 12;
/** The payload size that this server announces and keeps to: no fragments on any sane path (RFC 9715). */
export const PAYLOAD_SIZE = 1232;

/** Keeps the question as it was asked, in its own case, and opens the answer section. */
export function beginAnswer(query: Query): void {
  const { input, output, start, base, questionEnd } = query;
  const length = questionEnd > 0 ? questionEnd - start : HEADER_BYTES;
  if (output !== input || base !== start) {
    for (let i = 0; i < length; i++) output[base + i] = input[start + i]!;
  }
  query.at = base + length;
  query.answers = 0;
  query.authorities = 0;
  query.additionals = 0;
  query.authoritative = true;
  query.truncated = false;
  query.scope = 0;
  query.dnames = 0;
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

/** Copies precompiled RRs (each with the owner pointer 0xC00C); sets their owners to `owner`, an offset in the message. */
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

/** Points the two bytes at each fixup of the records at `recordsAt` to the apex's place in the question. */
export function patchSuffixes(
  query: Query,
  recordsAt: number,
  fixups: Int32Array,
  from: number,
  count: number,
  apexLength: number,
): void {
  const pointer = 0xc000 | (QUESTION_NAME + query.nameLength - apexLength);
  for (let i = from; i < from + count; i++) {
    query.outputView.setInt16(recordsAt + fixups[i]!, pointer);
  }
}

/** An address record. */
export function writeAddress(query: Query, owner: number, ttl: number, address: number): boolean {
  const { at } = query;
  if (at + 16 > query.limit) return false;
  writeFixed(query.outputView, at, owner, TYPE.A, ttl, 4);
  query.outputView.setInt32(at + 12, address);
  query.at = at + 16;
  return true;
}

/** A record without its rdata: TTL and length are to be filled in. */
export function writeHead(query: Query, owner: number, type: number): boolean {
  const { at } = query;
  if (at + 12 > query.limit) return false;
  writeFixed(query.outputView, at, owner, type, 0, 0);
  query.at = at + 12;
  return true;
}

/** A record whose rdata are four big-endian words, at `from` of `words`: an IPv6 address. */
export function writeWords(
  query: Query,
  owner: number,
  type: number,
  ttl: number,
  words: Int32Array,
  from: number,
): boolean {
  const { at, outputView } = query;
  if (at + 28 > query.limit) return false;
  writeFixed(outputView, at, owner, type, ttl, 16);
  for (let i = 0; i < 4; i++) outputView.setInt32(at + 12 + 4 * i, words[from + i]!);
  query.at = at + 28;
  return true;
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
  const { output, at } = query;
  if (at + 12 + length > query.limit) return false;
  writeFixed(query.outputView, at, owner, type, ttl, length);
  for (let i = 0; i < length; i++) output[at + 12 + i] = bytes[from + i]!;
  query.at = at + 12 + length;
  return true;
}

/**
 * The CNAME that a DNAME stands for: the first `labels` labels (of `bytes` bytes) at `offsets` of the message, then
 * a pointer to `target`, an offset in it.
 */
export function writeSynthesised(
  query: Query,
  owner: number,
  ttl: number,
  offsets: Int32Array,
  labels: number,
  bytes: number,
  target: number,
): boolean {
  const { output, base, at } = query;
  if (at + 12 + bytes + 2 > query.limit) return false;
  let end = at + 12;
  for (let label = 0; label < labels; label++) {
    const from = base + offsets[label]!;
    const size = output[from]!;
    for (let i = 0; i <= size; i++) output[end + i] = output[from + i]!;
    end += 1 + size;
  }
  output[end] = 0xc0 | (target >> 8);
  output[end + 1] = target & 0xff;
  query.at = end + 2;
  writeFixed(query.outputView, at, owner, TYPE.CNAME, ttl, end + 2 - at - 12);
  return true;
}

/** Owner pointer, type, class, TTL and RDLENGTH: three words. */
function writeFixed(
  view: DataView,
  at: number,
  owner: number,
  type: number,
  ttl: number,
  length: number,
): void {
  view.setInt32(at, ((0xc000 | owner) << 16) | type);
  view.setInt32(at + 4, (CLASS.IN << 16) | (ttl >>> 16));
  view.setInt32(at + 8, (ttl << 16) | length);
}

/** Writes OPT and header; returns the length of the message. The ID is in its place already. */
export function finishAnswer(query: Query): number {
  const { output, outputView, base } = query;
  if (query.hasOpt) writeOpt(query);
  // QR, the opcode and RD as asked, AA, TC.
  output[base + 2] =
    0x80 | (output[base + 2]! & 0x79) | (query.authoritative ? 0x04 : 0) | (query.truncated ? 0x02 : 0);
  // CD is copied (RFC 4035 §3.1.6); RA, Z and AD are clear.
  output[base + 3] = (output[base + 3]! & 0x10) | (query.rcode & 0x0f);
  outputView.setInt32(base + 4, (query.questionEnd > 0 ? 0x1_0000 : 0) | query.answers);
  outputView.setInt32(base + 8, (query.authorities << 16) | query.additionals);
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
  const subnet = query.subnetLength > 0 ? 4 + query.subnetLength : 0;
  return OPT_BYTES + subnet + (query.wants === 0 ? 0 : wantedLength(query));
}

/** Room for it was set aside in `beginAnswer`. The client-subnet option is echoed with the scope (RFC 7871 §7.2.1). */
function writeOpt(query: Query): void {
  const { output, outputView, subnetLength, at } = query;
  const options = subnetLength > 0 ? 4 + subnetLength : 0;
  // Root, type, size | extended RCODE, version 0, DO | RDLENGTH
  outputView.setInt32(at, (TYPE.OPT << 8) | (PAYLOAD_SIZE >> 8));
  outputView.setInt32(
    at + 4,
    ((PAYLOAD_SIZE & 0xff) << 24) | ((query.rcode >> 4) << 16) | (query.dnssecOk ? 0x80 : 0),
  );
  output[at + 8] = 0;
  output[at + 9] = 0;
  output[at + 10] = options;
  query.at = at + OPT_BYTES + options;
  query.additionals++;
  if (subnetLength > 0) writeSubnet(query, at + OPT_BYTES);
  if (query.wants === 0 && query.reason === REASON.NONE) return;
  // What was set aside for OPT begins at the limit of the records.
  writeOptions(query, query.limit + optLength(query));
  outputView.setInt16(at + 9, query.at - at - OPT_BYTES);
}

function writeSubnet(query: Query, option: number): void {
  const { output, outputView, subnet, subnetLength } = query;
  outputView.setInt32(option, (EDNS_OPTION.CLIENT_SUBNET << 16) | subnetLength);
  outputView.setInt32(option + 4, (query.subnetFamily << 16) | (query.subnetPrefix << 8) | query.scope);
  const address = option + 8;
  if (query.subnetFamily === 1) {
    for (let i = 0; i < subnetLength - 4; i++) output[address + i] = query.subnetAddress >>> (24 - 8 * i);
  } else {
    for (let i = 4; i < subnetLength; i++) output[option + 4 + i] = subnet[i]!;
  }
}
