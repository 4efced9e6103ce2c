import { CLASS, EDNS_OPTION, OPCODE, RCODE, TYPE } from '../dns/iana.js';
import { COUNTER } from './counters.js';
import { HASH_SEED, hashStep } from './name-table.js';
import type { Query } from './query.js';

/** No answer is sent: too short to hold a header, or itself a response (RFC 8906 §3). */
export const DROP = -1;

const HEADER_BYTES = 12;
const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;
/** Records to look through for OPT; an honest query has one to three. */
const ADDITIONALS_MAX = 8;

/**
 * Reads header, question and EDNS of the packet at `start..end` of `query.input` into the Query.
 * Returns DROP, or the RCODE so far: NOERROR means that the question can be looked up.
 *
 *     +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
 *     |                      ID                       |
 *     |QR|   Opcode  |AA|TC|RD|RA| Z|AD|CD|   RCODE   |
 *     |  QDCOUNT  ANCOUNT  NSCOUNT  ARCOUNT, 16 bits each
 *     +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+     RFC 1035 §4.1.1, RFC 2535 §6.1
 */
export function parseQuery(query: Query): number {
  const { input, start, counters } = query;
  reset(query);
  if (query.end - start < HEADER_BYTES) return drop(counters, COUNTER.DROP_SHORT);
  if (input[start + 2]! & 0x80) return drop(counters, COUNTER.DROP_RESPONSE);
  if (((input[start + 2]! >> 3) & 0x0f) !== OPCODE.QUERY) return RCODE.NOTIMP;
  // Exactly one question (RFC 9619), and nothing in the answer and authority sections of a query.
  if (input[start + 4] !== 0 || input[start + 5] !== 1) return RCODE.FORMERR;
  if (input[start + 6]! | input[start + 7]! | input[start + 8]! | input[start + 9]!) return RCODE.FORMERR;
  const nameEnd = parseName(query, start + HEADER_BYTES);
  if (nameEnd < 0 || nameEnd + 4 > query.end) return RCODE.FORMERR;
  query.type = (input[nameEnd]! << 8) | input[nameEnd + 1]!;
  query.class = (input[nameEnd + 2]! << 8) | input[nameEnd + 3]!;
  query.questionEnd = nameEnd + 4;
  const rcode = parseAdditionals(query, (input[start + 10]! << 8) | input[start + 11]!);
  if (rcode !== RCODE.NOERROR) return rcode;
  return judgeQuestion(query);
}

function reset(query: Query): void {
  query.questionEnd = 0;
  query.nameLength = 0;
  query.hasOpt = false;
  query.ednsVersion = 0;
  query.payloadSize = 512;
  query.dnssecOk = false;
  query.subnetLength = 0;
  query.subnetPrefix = 0;
  query.subnetFamily = 0;
}

function drop(counters: Float64Array, reason: number): number {
  counters[reason] = counters[reason]! + 1;
  return DROP;
}

/** Fills name, labelAt and labelHash; returns the offset after the name, or -1. */
function parseName(query: Query, from: number): number {
  const { input, name, labelAt, labelHash } = query;
  const limit = Math.min(query.end, from + NAME_BYTES_MAX);
  let at = from;
  let labels = 0;
  for (;;) {
    if (at >= limit) return -1;
    const length = input[at]!;
    // A compression pointer in the first name of a message can only point at the header or itself.
    if (length > LABEL_BYTES_MAX) return -1;
    labelAt[labels] = at - from;
    if (length === 0) break;
    labels++;
    at += 1 + length;
  }
  query.labels = labels;
  query.nameLength = at + 1 - from;
  let hash = hashStep(HASH_SEED, 0);
  name[at - from] = 0;
  labelHash[labels] = hash;
  let offset = at - from - 1;
  for (let label = labels - 1; label >= 0; label--) {
    const first = labelAt[label]!;
    for (; offset >= first; offset--) {
      let byte = input[from + offset]!;
      if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
      name[offset] = byte;
      hash = hashStep(hash, byte);
    }
    labelHash[label] = hash;
  }
  return at + 1;
}

/** Walks the additional section; only OPT means something here. The message must end where it says. */
function parseAdditionals(query: Query, count: number): number {
  if (count > ADDITIONALS_MAX) return RCODE.FORMERR;
  const { input, end } = query;
  let at = query.questionEnd;
  let optAt = -1;
  let optEnd = -1;
  for (let i = 0; i < count; i++) {
    const owner = at;
    at = skipName(input, at, end);
    if (at < 0 || at + 10 > end) return RCODE.FORMERR;
    const type = (input[at]! << 8) | input[at + 1]!;
    const next = at + 10 + ((input[at + 8]! << 8) | input[at + 9]!);
    if (next > end) return RCODE.FORMERR;
    if (type === TYPE.OPT) {
      // One OPT, owned by the root (RFC 6891 §6.1.1).
      if (optAt >= 0 || input[owner] !== 0) return RCODE.FORMERR;
      optAt = at;
      optEnd = next;
    }
    at = next;
  }
  if (at !== end) return RCODE.FORMERR;
  return optAt < 0 ? RCODE.NOERROR : parseOpt(query, optAt, optEnd);
}

/** A name outside the question may be compressed; only its end matters. */
function skipName(input: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && at - from < NAME_BYTES_MAX) {
    const length = input[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= end ? at + 2 : -1;
    if (length > LABEL_BYTES_MAX) return -1;
    at += 1 + length;
  }
  return -1;
}

/**
 *     type (41) | requestor's payload size | ext. RCODE, version, DO + Z | RDLEN | { code, length, data }
 * `at` points at the type (RFC 6891 §6.1.2, §6.1.3).
 */
function parseOpt(query: Query, at: number, end: number): number {
  const { input, counters } = query;
  query.hasOpt = true;
  counters[COUNTER.EDNS] = counters[COUNTER.EDNS]! + 1;
  const size = (input[at + 2]! << 8) | input[at + 3]!;
  query.payloadSize = Math.max(size, 512);
  query.ednsVersion = input[at + 5]!;
  query.dnssecOk = (input[at + 6]! & 0x80) !== 0;
  // Of another version not even the shape of the options is known.
  if (query.ednsVersion !== 0) return RCODE.BADVERS;
  let option = at + 10;
  while (option + 4 <= end) {
    const code = (input[option]! << 8) | input[option + 1]!;
    const length = (input[option + 2]! << 8) | input[option + 3]!;
    if (option + 4 + length > end) return RCODE.FORMERR;
    if (code === EDNS_OPTION.CLIENT_SUBNET) {
      if (query.subnetLength > 0) return RCODE.FORMERR;
      const rcode = parseSubnet(query, option + 4, length);
      if (rcode !== RCODE.NOERROR) return rcode;
    }
    option += 4 + length;
  }
  return option === end ? RCODE.NOERROR : RCODE.FORMERR;
}

/**
 *     family (16 bits) | source prefix length | scope prefix length (0 in a query) | address, cut to the prefix
 * RFC 7871 §6; §7.1.2 asks for FORMERR where a field contradicts another. Family 0 is taken with an empty
 * prefix, as `dig +subnet=0` sends it.
 */
function parseSubnet(query: Query, at: number, length: number): number {
  const { input, counters } = query;
  if (length < 4) return RCODE.FORMERR;
  const family = (input[at]! << 8) | input[at + 1]!;
  const prefix = input[at + 2]!;
  const bits = family === 1 ? 32 : family === 2 ? 128 : 0;
  if (family > 2 || prefix > bits || input[at + 3] !== 0) return RCODE.FORMERR;
  if (length - 4 !== (prefix + 7) >> 3) return RCODE.FORMERR;
  if (prefix & 7 && input[at + length - 1]! & (0xff >> (prefix & 7))) return RCODE.FORMERR;
  for (let i = 0; i < length; i++) query.subnet[i] = input[at + i]!;
  query.subnetLength = length;
  query.subnetFamily = family;
  query.subnetPrefix = prefix;
  counters[COUNTER.ECS] = counters[COUNTER.ECS]! + 1;
  return RCODE.NOERROR;
}

/** What this server answers at all: class IN, and types that name data. */
function judgeQuestion(query: Query): number {
  if (query.class !== CLASS.IN && query.class !== CLASS.ANY) return RCODE.REFUSED;
  switch (query.type) {
    case TYPE.AXFR:
    case TYPE.IXFR:
      return RCODE.REFUSED;
    case TYPE.OPT:
    case 0:
      return RCODE.FORMERR;
    case TYPE.TKEY:
    case TYPE.TSIG:
    case TYPE.MAILA:
    case TYPE.MAILB:
      return RCODE.NOTIMP;
    default:
      return RCODE.NOERROR;
  }
}
