import { RCODE, TYPE } from '../dns/iana.js';
import { findNode, hashName } from './name-table.js';
import type { Query } from './query.js';
import { CHASE, NODE, RRSET, STOP, WILDCARD_DNAME } from './snapshot.js';
import { truncate, writeRecords, writeSynthesised } from './write.js';

/** DNAMEs passed in one answer. */
const DNAMES_MAX = 8;
const NAME_BYTES_MAX = 255;
const LABELS_MAX = 128;

/**
 * Follows the name that stands at `query.aliasAt` of the answer within a zone, and through its DNAMEs: each adds
 * itself and the CNAME that it stands for (RFC 6672 §3.2, step 3C). Returns the node that answers for the last name,
 * one of CHASE, or STOP. The name is read from the message, since nobody knew it before the query came.
 */
export function followName(query: Query, zone: number): number {
  const { nodes } = query.snapshot;
  for (;;) {
    readName(query, query.aliasAt);
    const label = findSuffix(query);
    if (label < 0) return CHASE.OUTSIDE;
    const node = suffix[NODE_FOUND]!;
    // The resolver has to ask further down, or another zone of this server knows better.
    if (nodes[node + NODE.ZONE] !== zone || nodes[node + NODE.CUT]! >= 0) return CHASE.OUTSIDE;
    if (label === 0) return node;
    const below = nodes[node + NODE.WILDCARD]!;
    if (below >= 0) return below;
    if (below !== WILDCARD_DNAME) return CHASE.NXDOMAIN;
    // A second time would put the same record into the answer twice (RFC 2181 §5); the resolver asks on.
    if (query.dnames === DNAMES_MAX || isPassed(query, node)) return CHASE.OUTSIDE;
    passed[query.dnames++] = node;
    if (!writeDname(query, node, label)) return STOP;
    query.trace?.dname(node);
    // These ask for the alias itself (RFC 6672 §3.3; RFC 8482 §4.1).
    if (query.type === TYPE.CNAME || query.type === TYPE.ANY) return STOP;
  }
}

/** Nodes whose DNAMEs are in the answer already. */
const passed: Int32Array = new Int32Array(DNAMES_MAX);

function isPassed(query: Query, node: number): boolean {
  for (let i = 0; i < query.dnames; i++) if (passed[i] === node) return true;
  return false;
}

/** The name being followed, in lower case, a word of zeros behind it. */
const name: DataView = new DataView(new ArrayBuffer(264));
/** What `readName` read last: in lower case, a word of zeros behind it. */
export const nameRead: DataView = name;
/** Where each of its labels begins in it, and in the message. */
const labelAt: Int32Array = new Int32Array(LABELS_MAX);
const labelOffset: Int32Array = new Int32Array(LABELS_MAX);

const LENGTH = 0;
const LABELS = 1;
const NODE_FOUND = 2;
const suffix: Int32Array = new Int32Array(3);

/**
 * Reads a name that this server wrote, or the question's: well formed, and its pointers lead backwards. Returns its
 * length; it stands in `nameRead`.
 */
export function readName(query: Query, offset: number): number {
  const { output, base } = query;
  let at = base + offset;
  let length = 0;
  let labels = 0;
  for (;;) {
    const size = output[at]!;
    if (size >= 0xc0) {
      at = base + (((size & 0x3f) << 8) | output[at + 1]!);
      continue;
    }
    labelAt[labels] = length;
    labelOffset[labels] = at - base;
    name.setUint8(length, size);
    for (let i = 1; i <= size; i++) name.setUint8(length + i, lower(output[at + i]!));
    length += 1 + size;
    if (size === 0) break;
    labels++;
    at += 1 + size;
  }
  name.setInt32(length, 0);
  suffix[LENGTH] = length;
  suffix[LABELS] = labels;
  return length;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** The first label of the longest suffix that exists, -1 where none does; the node is left in `suffix`. */
function findSuffix(query: Query): number {
  const { snapshot } = query;
  const length = suffix[LENGTH]!;
  for (let label = Math.max(suffix[LABELS]! - snapshot.labelsMax, 0); label <= suffix[LABELS]!; label++) {
    const start = labelAt[label]!;
    const node = findNode(snapshot, name, start, length - start, hashName(name, start, length - start));
    if (node < 0) continue;
    suffix[NODE_FOUND] = node;
    return label;
  }
  return -1;
}

/**
 * Writes the DNAME of `node`, whose name begins at `label` of the name that is followed, and the CNAME made of it.
 * False where that name would be too long (YXDOMAIN, RFC 6672 §2.2) or the answer is.
 */
function writeDname(query: Query, node: number, label: number): boolean {
  const { nodes, blobs } = query.snapshot;
  let rrset = nodes[node + NODE.RRSETS]!;
  while (nodes[rrset + RRSET.TYPE] !== TYPE.DNAME) rrset += RRSET.STRIDE;
  const bytes = nodes[rrset + RRSET.BYTES]!;
  const length = nodes[rrset + RRSET.BYTES_LENGTH]!;
  const { at } = query;
  if (!writeRecords(query, blobs, bytes, length, labelOffset[label]!)) {
    truncate(query);
    return false;
  }
  query.answers++;
  const prefix = labelAt[label]!;
  if (prefix + length - HEAD_BYTES > NAME_BYTES_MAX) {
    query.rcode = RCODE.YXDOMAIN;
    return false;
  }
  const owner = query.aliasAt;
  // TTL of the DNAME (RFC 6672 §3.1).
  const ttl = query.outputView.getUint32(at + 6);
  const rdata = at + HEAD_BYTES - query.base;
  if (!writeSynthesised(query, owner, ttl, labelOffset, label, prefix, rdata)) {
    truncate(query);
    return false;
  }
  query.answers++;
  query.aliasAt = query.at - prefix - POINTER_BYTES - query.base;
  return true;
}

/** In front of the rdata of a record whose owner is a pointer. */
const HEAD_BYTES = 12;
const POINTER_BYTES = 2;
