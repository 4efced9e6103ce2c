import { CLASS, EDNS_OPTION, OPCODE, RCODE, TYPE } from '../dns/iana.js';
import { COUNTER } from './counters.js';
import { HASH_SEED, hashWord } from './name-table.js';
import { parseOption, WANTS } from './options.js';
import type { Query } from './query.js';
import { REASON } from './reason.js';

/** No answer is sent: too short to hold a header, or itself a response (RFC 8906 §3). */
export const DROP = -1;
/** A question in class CH. */
export const CHAOS = -2;
/** No question, only a cookie: the client wants a server cookie (RFC 7873 §5.4). */
export const COOKIE_ONLY = -3;

const HEADER_BYTES = 12;
const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;
/** Records to look through for OPT; an honest query has one to three. */
const ADDITIONALS_MAX = 8;
/** Header words 1 and 2 of a plain query: one question (RFC 9619), no answers; no authorities, few additionals. */
const ONE_QUESTION = 0x0001_0000;

/**
 * Reads header, question and EDNS of the packet at `start..end` of `query.input` into the Query.
 * Returns DROP, CHAOS, COOKIE_ONLY, or the RCODE so far: NOERROR means that the question can be looked up.
 *
 *     +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
 *     |                      ID                       |
 *     |QR|   Opcode  |AA|TC|RD|RA| Z|AD|CD|   RCODE   |
 *     |  QDCOUNT  ANCOUNT  NSCOUNT  ARCOUNT, 16 bits each
 *     +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+     RFC 1035 §4.1.1, RFC 2535 §6.1
 */
export function parseQuery(query: Query): number {
  const { input, inputView, start, end, counters } = query;
  query.questionEnd = 0;
  query.nameLength = 0;
  query.hasOpt = false;
  query.payloadSize = 512;
  query.dnssecOk = false;
  query.subnetLength = 0;
  query.subnetPrefix = 0;
  query.wants = 0;
  query.reason = REASON.NONE;
  query.cookieValid = false;
  if (end - start < HEADER_BYTES) return drop(counters, COUNTER.DROP_SHORT);
  const flags = input[start + 2]!;
  if (flags & 0x80) return drop(counters, COUNTER.DROP_RESPONSE);
  if (((flags >> 3) & 0x0f) !== OPCODE.QUERY) return RCODE.NOTIMP;
  const additionals = inputView.getUint32(start + 8);
  if (additionals > ADDITIONALS_MAX) return RCODE.FORMERR;
  const counts = inputView.getInt32(start + 4);
  if (counts !== ONE_QUESTION) return counts === 0 ? parseCookieOnly(query, additionals) : RCODE.FORMERR;
  const nameEnd = parseName(query, start + HEADER_BYTES);
  if (nameEnd < 0) return RCODE.FORMERR;
  const typeAndClass = inputView.getInt32(nameEnd);
  query.type = typeAndClass >>> 16;
  query.class = typeAndClass & 0xffff;
  query.questionEnd = nameEnd + 4;
  const rcode = parseAdditionals(query, query.questionEnd, additionals);
  return rcode === RCODE.NOERROR ? judgeQuestion(query) : rcode;
}

function drop(counters: Float64Array, reason: number): number {
  counters[reason] = counters[reason]! + 1;
  return DROP;
}

function parseCookieOnly(query: Query, additionals: number): number {
  const rcode = parseAdditionals(query, query.start + HEADER_BYTES, additionals);
  if (rcode !== RCODE.NOERROR) return rcode;
  return query.wants & WANTS.COOKIE ? COOKIE_ONLY : RCODE.FORMERR;
}

/**
 * Fills name, its hash, and labelAt. Returns the offset after the name, or -1 where it or the type and class
 * behind it are cut short.
 */
function parseName(query: Query, from: number): number {
  const { input, labelAt } = query;
  const limit = Math.min(query.end - 4, from + NAME_BYTES_MAX);
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
  lowerAndHash(query, from, at + 1 - from);
  return at + 1;
}

/** Four bytes at a time; type and class behind the name make the last, partial read safe. */
function lowerAndHash(query: Query, from: number, length: number): void {
  const { inputView, name } = query;
  const whole = length & ~3;
  let hash = HASH_SEED;
  let i = 0;
  for (; i < whole; i += 4) {
    const word = lowerWord(inputView.getInt32(from + i, true));
    name.setInt32(i, word, true);
    hash = hashWord(hash, word);
  }
  if (i < length) {
    const mask = (1 << (8 * (length & 3))) - 1;
    const word = lowerWord(inputView.getInt32(from + i, true)) & mask;
    name.setInt32(i, word, true);
    hash = hashWord(hash, word);
    i += 4;
  }
  name.setInt32(i, 0, true);
  query.nameHash = hash;
}

/** ASCII letters among four bytes in lower case; length bytes are below 64 and stay (RFC 4343 §3). */
function lowerWord(word: number): number {
  const low = word & 0x7f7f7f7f;
  // Bit 7 of each byte: set by the first sum from 'A' on, by the second beyond 'Z'.
  const letters = (low + 0x3f3f3f3f) & ~(low + 0x25252525) & ~word & 0x80808080;
  return word | (letters >>> 2);
}

/** Walks the additional section; only OPT means something here. The message must end where it says. */
function parseAdditionals(query: Query, from: number, count: number): number {
  const { input, end } = query;
  let at = from;
  let optAt = -1;
  let optEnd = -1;
  for (let i = 0; i < count; i++) {
    const owner = at;
    at = at < end && input[at] === 0 ? at + 1 : skipName(input, at, end);
    if (at < 0 || at + 10 > end) return RCODE.FORMERR;
    const type = (input[at]! << 8) | input[at + 1]!;
    const next = at + 10 + ((input[at + 8]! << 8) | input[at + 9]!);
    if (next > end) return RCODE.FORMERR;
    if (type === TYPE.OPT) {
      // One OPT, owned by the root (RFC 6891 §6.1.1).
      if (optAt >= 0) {
        query.hasOpt = true;
        return RCODE.FORMERR;
      }
      if (input[owner] !== 0) return RCODE.FORMERR;
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
  const { input, inputView, counters } = query;
  query.hasOpt = true;
  counters[COUNTER.EDNS] = counters[COUNTER.EDNS]! + 1;
  query.payloadSize = Math.max((input[at + 2]! << 8) | input[at + 3]!, 512);
  query.dnssecOk = (input[at + 6]! & 0x80) !== 0;
  // Of another version not even the shape of the options is known.
  if (input[at + 5] !== 0) return RCODE.BADVERS;
  let option = at + 10;
  while (option + 4 <= end) {
    const codeAndLength = inputView.getInt32(option);
    const length = codeAndLength & 0xffff;
    option += 4;
    if (option + length > end) return RCODE.FORMERR;
    if (codeAndLength >>> 16 === EDNS_OPTION.CLIENT_SUBNET) {
      const rcode = parseSubnet(query, option, length);
      if (rcode !== RCODE.NOERROR) return rcode;
    } else {
      const rcode = parseOption(query, codeAndLength >>> 16, option, length);
      if (rcode !== RCODE.NOERROR) return rcode;
    }
    option += length;
  }
  return option === end ? RCODE.NOERROR : RCODE.FORMERR;
}

/**
 *     family (16 bits) | source prefix length | scope prefix length (0 in a query) | address, cut to the prefix
 * RFC 7871 §6; §7.1.2 asks for FORMERR where a field contradicts another. Family 0 is taken with an empty
 * prefix, as `dig +subnet=0` sends it.
 */
function parseSubnet(query: Query, at: number, length: number): number {
  const { input, inputView, subnet, counters } = query;
  if (length < 4 || query.subnetLength > 0) return RCODE.FORMERR;
  const fields = inputView.getInt32(at);
  const family = fields >>> 16;
  const prefix = (fields >>> 8) & 0xff;
  const bits = family === 1 ? 32 : family === 2 ? 128 : 0;
  if (family > 2 || prefix > bits || (fields & 0xff) !== 0) return RCODE.FORMERR;
  if (length - 4 !== (prefix + 7) >> 3) return RCODE.FORMERR;
  if (prefix & 7 && input[at + length - 1]! & (0xff >> (prefix & 7))) return RCODE.FORMERR;
  if (family === 1) {
    let address = 0;
    for (let i = 4; i < length; i++) address |= input[at + i]! << (24 - 8 * (i - 4));
    query.subnetAddress = address;
  } else {
    for (let i = 4; i < length; i++) subnet[i] = input[at + i]!;
  }
  query.subnetLength = length;
  query.subnetFamily = family;
  query.subnetPrefix = prefix;
  counters[COUNTER.ECS] = counters[COUNTER.ECS]! + 1;
  return RCODE.NOERROR;
}

/** What this server answers at all: class IN, and types that name data. */
function judgeQuestion(query: Query): number {
  const { type, class: qclass } = query;
  if (qclass !== CLASS.IN && qclass !== CLASS.ANY) return qclass === CLASS.CH ? CHAOS : RCODE.REFUSED;
  // Most questions are for a type below the first of those that are none.
  if (type < TYPE.TKEY) return type === 0 || type === TYPE.OPT ? RCODE.FORMERR : RCODE.NOERROR;
  switch (type) {
    case TYPE.AXFR:
    case TYPE.IXFR:
      query.reason = REASON.PROHIBITED;
      return RCODE.REFUSED;
    case TYPE.TKEY:
    case TYPE.TSIG:
    case TYPE.MAILA:
    case TYPE.MAILB:
      return RCODE.NOTIMP;
    default:
      return RCODE.NOERROR;
  }
}
