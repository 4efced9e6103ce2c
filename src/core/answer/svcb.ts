import { TYPE } from '../dns/iana.js';
import { writeAddressesOf } from './alias.js';
import type { Query } from './query.js';
import { ANSWERS_MAX, HINTED, RRSET } from './snapshot.js';
import { QUESTION_NAME, writeHead } from './write.js';

/**
 * Writes SVCB or HTTPS records whose address hints are chosen for this client: those that a question for A or AAAA of
 * the target would get now (RFC 9460 §7.3). A hint for which there is nothing is left out. False if they do not fit.
 */
export function writeHinted(query: Query, rrset: number, owner: number): boolean {
  const { nodes, steering } = query.snapshot;
  const first = query.at;
  const records = nodes[rrset + RRSET.BYTES]!;
  const count = nodes[rrset + RRSET.COUNT]!;
  ttl[0] = nodes[rrset + RRSET.TTL]!;
  for (let i = 0; i < count; i++) {
    const record = records + i * HINTED.STRIDE;
    const start = query.at;
    if (!writeHead(query, owner, nodes[rrset + RRSET.TYPE]!)) return false;
    const from = steering[record + HINTED.BYTES]!;
    const beforeV4 = steering[record + HINTED.BEFORE_V4]!;
    const between = steering[record + HINTED.BETWEEN]!;
    const fits =
      copy(query, from, beforeV4) &&
      writeHint(query, record, HINTED.V4, IPV4HINT, TYPE.A, 4) &&
      copy(query, from + beforeV4, between) &&
      writeHint(query, record, HINTED.V6, IPV6HINT, TYPE.AAAA, 16) &&
      copy(query, from + beforeV4 + between, steering[record + HINTED.AFTER_V6]!);
    if (!fits) return false;
    query.outputView.setUint16(start + LENGTH_AT, query.at - start - HEAD_BYTES);
    query.answers++;
  }
  // One TTL for all of them (RFC 2181 §5.2), which is that of the shortest-lived address.
  for (let at = first; at < query.at; at += HEAD_BYTES + query.outputView.getUint16(at + LENGTH_AT)) {
    query.outputView.setInt32(at + TTL_AT, ttl[0]!);
  }
  return true;
}

const IPV4HINT = 4;
const IPV6HINT = 6;
/** Within a record whose owner is a pointer. */
const TTL_AT = 6;
const LENGTH_AT = 10;
const HEAD_BYTES = 12;
const PARAM_HEAD_BYTES = 4;

/** RFC 2181 §8. */
const TTL_MAX = 0x7fff_ffff;

/** The smallest TTL so far. */
const ttl: Int32Array = new Int32Array(1);

function copy(query: Query, from: number, length: number): boolean {
  const { output, at } = query;
  const { blobs } = query.snapshot;
  if (at + length > query.limit) return false;
  for (let i = 0; i < length; i++) output[at + i] = blobs[from + i]!;
  query.at = at + length;
  return true;
}

/** The parameter of one family, if the record asks for it: key, length, addresses. */
function writeHint(
  query: Query,
  record: number,
  asked: number,
  key: number,
  type: number,
  size: number,
): boolean {
  const { steering } = query.snapshot;
  if ((steering[record + HINTED.ASKED]! & asked) === 0) return true;
  const count = gather(query, record, type, size);
  if (count === 0) return true;
  const { at, output } = query;
  const length = count * size;
  if (at + PARAM_HEAD_BYTES + length > query.limit) return false;
  query.outputView.setInt32(at, (key << 16) | length);
  for (let i = 0; i < count; i++) {
    const from = i * (HEAD_BYTES + size) + HEAD_BYTES;
    for (let byte = 0; byte < size; byte++)
      output[at + PARAM_HEAD_BYTES + i * size + byte] = room[from + byte]!;
  }
  query.at = at + PARAM_HEAD_BYTES + length;
  return true;
}

/** Room for the largest answer: the addresses of a static name may be many. */
const room: Uint8Array = new Uint8Array(65_536);
const roomView: DataView = new DataView(room.buffer);

/** Lets the path that answers addresses write its records to `room`; returns how many addresses to take from there. */
function gather(query: Query, record: number, type: number, size: number): number {
  const { steering } = query.snapshot;
  const { output, outputView, base, at, limit, answers, aliasAt, type: asked } = query;
  query.output = room;
  query.outputView = roomView;
  query.base = 0;
  query.at = 0;
  query.limit = room.length;
  query.answers = 0;
  query.type = type;
  query.trace?.hints(type);
  writeAddressesOf(query, steering[record + HINTED.LINK]!, TTL_MAX, QUESTION_NAME);
  query.trace?.hints(0);
  const count = Math.min(query.answers, ANSWERS_MAX);
  for (let i = 0; i < count; i++) {
    ttl[0] = Math.min(ttl[0]!, roomView.getInt32(i * (HEAD_BYTES + size) + TTL_AT));
  }
  query.output = output;
  query.outputView = outputView;
  query.base = base;
  query.at = at;
  query.limit = limit;
  query.answers = answers;
  query.aliasAt = aliasAt;
  query.type = asked;
  return count;
}
