import { RCODE, TYPE } from '../dns/iana.js';
import { chooseEndpoints } from '../policy/choose.js';
import { answerTtl } from '../policy/health-ttl.js';
import { FLATTENED, flatten } from './alias.js';
import { challengesAt, writeChallenges, zeroTtls } from './challenge.js';
import { CHALLENGE } from './challenge-table.js';
import { answerChaos } from './chaos.js';
import { COUNTER, countRcode } from './counters.js';
import { followName } from './dname.js';
import { findNode, hashName, PARENT_SIDE } from './name-table.js';
import { CHAOS, COOKIE_ONLY, DROP, parseQuery } from './parse.js';
import type { Query } from './query.js';
import { REASON } from './reason.js';
import {
  ANSWERS_MAX,
  CHASE,
  ENDPOINT,
  FAMILY,
  GLUE,
  NODE,
  RRSET,
  RRSET_KIND,
  STOP,
  WILDCARD_DNAME,
  ZONE,
} from './snapshot.js';
import { writeHinted } from './svcb.js';
import {
  beginAnswer,
  finishAnswer,
  patchSuffixes,
  QUESTION_NAME,
  truncate,
  writeRecord,
  writeRecords,
} from './write.js';
import { writeEndpoints } from './write-endpoints.js';

/**
 * THE QUERY PATH. Answers the packet described by `query` (input, output, client, transport limit) and
 * returns the length of the answer at `query.base` of `query.output`, or 0 where none is to be sent. Reads
 * the snapshot and the health words only; never waits, allocates or throws.
 *
 *     parse ─▶ find the name ─▶ delegation? ─▶ RRset ─▶ static: copy ─▶ alias? follow it in the zone
 *       │            │ closest encloser,          └──▶ dynamic: class ─▶ pool ─▶ endpoints
 *       ▼            ▼ its wildcard, or NXDOMAIN
 *     FORMERR …  REFUSED                          nothing there ─▶ SOA
 */
export function answer(query: Query): number {
  query.encloser = -1;
  query.pool = -1;
  query.decision = -1;
  const parsed = parseQuery(query);
  if (parsed === DROP) return 0;
  beginAnswer(query);
  query.rcode = parsed;
  if (parsed === RCODE.NOERROR) resolve(query);
  else answerOtherwise(query, parsed);
  countRcode(query.counters, query.rcode);
  if (query.truncated) query.counters[COUNTER.TRUNCATED] = query.counters[COUNTER.TRUNCATED]! + 1;
  return finishAnswer(query);
}

/** Everything that is not looked up in the zones. */
function answerOtherwise(query: Query, parsed: number): void {
  if (parsed === CHAOS) return answerChaos(query);
  query.authoritative = false;
  query.rcode = parsed === COOKIE_ONLY ? RCODE.NOERROR : parsed;
}

/** Aliases followed in one answer. A loop inside a zone ends here. */
const ALIASES_MAX = 8;

function resolve(query: Query): void {
  const node = findOwner(query);
  if (node === NOT_OURS) return refuse(query);
  const { nodes } = query.snapshot;
  const zone = nodes[query.encloser + NODE.ZONE]!;
  if (node === NO_SUCH_NAME) return missing(query, zone, QUESTION_NAME);
  if (node === BELOW_DNAME) return answerBelowDname(query, zone);
  const cut = nodes[node + NODE.CUT]!;
  // DS is the parent's at the cut itself, not below it (RFC 4035 §3.1.4.1).
  const atCut = cut === node && nodes[node + NODE.NAME_LENGTH] === query.nameLength;
  if (cut >= 0 && !(atCut && query.type === TYPE.DS)) return refer(query, cut, zone);
  answerFrom(query, node, zone, QUESTION_NAME);
}

/** The question's name is followed as if it were an alias's target. */
function answerBelowDname(query: Query, zone: number): void {
  query.aliasAt = QUESTION_NAME;
  const target = followName(query, zone);
  if (ends(query, target, zone)) return;
  answerFrom(query, target, zone, query.aliasAt);
}

const NOT_OURS = -1;
const NO_SUCH_NAME = -2;
const BELOW_DNAME = -3;

/**
 * The node that answers for the question's name: its own, the wildcard below its closest encloser
 * (RFC 4592 §3.3.1), or the encloser itself where that lies at or below a delegation.
 */
function findOwner(query: Query): number {
  const { snapshot, name, nameLength } = query;
  const node = findNode(snapshot, name, 0, nameLength, query.nameHash);
  return node < 0 ? findEncloser(query) : exactOwner(query, node);
}

function findEncloser(query: Query): number {
  const { snapshot, name, labelAt, labels, nameLength } = query;
  for (let label = Math.max(labels - snapshot.labelsMax, 1); label <= labels; label++) {
    const start = labelAt[label]!;
    const length = nameLength - start;
    const node = findNode(snapshot, name, start, length, hashName(name, start, length));
    if (node < 0) continue;
    query.encloser = node;
    return ownerBelow(query, node);
  }
  query.trace?.name(-1, 'not-ours');
  return NOT_OURS;
}

/** What answers for a name that does not exist, by its closest encloser. */
function ownerBelow(query: Query, encloser: number): number {
  const { nodes } = query.snapshot;
  const cut = nodes[encloser + NODE.CUT]!;
  if (cut >= 0) {
    query.trace?.name(cut, 'delegation');
    return encloser;
  }
  const wildcard = nodes[encloser + NODE.WILDCARD]!;
  if (wildcard < 0) {
    query.trace?.name(encloser, wildcard === WILDCARD_DNAME ? 'dname' : 'missing');
    return wildcard === WILDCARD_DNAME ? BELOW_DNAME : NO_SUCH_NAME;
  }
  query.trace?.name(wildcard, 'wildcard');
  return wildcard;
}

function exactOwner(query: Query, node: number): number {
  const { nodes } = query.snapshot;
  const owner = query.type === TYPE.DS ? parentSide(query, node) : node;
  query.encloser = owner;
  const delegated = nodes[owner + NODE.CUT]! >= 0 && query.type !== TYPE.DS;
  query.trace?.name(owner, delegated ? 'delegation' : 'exact');
  return owner;
}

/** The DS RRset of a zone is its parent's, where that is served too. */
function parentSide({ snapshot, name, nameLength, nameHash }: Query, node: number): number {
  const parent = findNode(snapshot, name, 0, nameLength, nameHash ^ PARENT_SIDE);
  return parent >= 0 ? parent : node;
}

/** Answers from one owner name, following aliases inside the zone (RFC 1034 §4.3.2 step 3a). */
function answerFrom(query: Query, first: number, zone: number, firstOwner: number): void {
  let node = first;
  let owner = firstOwner;
  for (let aliases = 0; aliases <= ALIASES_MAX; aliases++) {
    const rrset = findRRset(query, node);
    if (query.type === TYPE.TXT && answerChallenges(query, node, rrset, zone, owner)) return;
    if (rrset < 0) {
      if (query.type === TYPE.ANY && hasRRsets(query, node)) return answerAny(query);
      return negative(query, zone, RCODE.NOERROR);
    }
    const { nodes } = query.snapshot;
    // An alias is all that its name has: it answers ANY too (RFC 8482 §4.1).
    const isAlias =
      nodes[rrset + RRSET.TYPE] === TYPE.CNAME && query.type !== TYPE.CNAME && query.type !== TYPE.ANY;
    const kind = nodes[rrset + RRSET.KIND]!;
    let target: number;
    if (kind === RRSET_KIND.STATIC) target = writeStatic(query, rrset, zone, owner);
    else if (kind === RRSET_KIND.DYNAMIC) target = writeDynamic(query, rrset, zone, owner);
    else if (kind === RRSET_KIND.ALIAS) target = writeAlias(query, rrset, zone, owner);
    else target = writeServices(query, rrset, owner);
    if (!isAlias || target === STOP) return;
    query.trace?.alias(target);
    if (target === CHASE.DNAME) target = followName(query, zone);
    if (ends(query, target, zone)) return;
    // An alias in a loop stands in the answer once (RFC 2181 §5).
    visited[aliases] = node;
    if (visited.lastIndexOf(target, aliases) >= 0) return;
    // The alias's target is the last name written: the next owner points at it.
    owner = query.aliasAt;
    node = target;
  }
}

/** Whether nothing follows an alias with this target. */
function ends(query: Query, target: number, zone: number): boolean {
  if (target === CHASE.NXDOMAIN) missing(query, zone, query.aliasAt);
  return target < 0;
}

/** The name at `owner` is in no table: NXDOMAIN, unless there is a challenge at it or below it. */
function missing(query: Query, zone: number, owner: number): void {
  const count = challengesAt(query, owner);
  if (count === CHALLENGE.NONE) return negative(query, zone, RCODE.NXDOMAIN);
  if (count > 0 && query.type === TYPE.ANY) return answerAny(query);
  if (count === CHALLENGE.BUSY || (count > 0 && query.type === TYPE.TXT)) {
    return answerWithChallenges(query, count, owner);
  }
  negativeNow(query, zone);
}

/** Answers TXT from the values of challenges where the name at `owner` has some; false where it has none. */
function answerChallenges(query: Query, node: number, rrset: number, zone: number, owner: number): boolean {
  const count = challengesAt(query, owner);
  if (count === CHALLENGE.NONE || count === CHALLENGE.ABOVE || (count === 0 && rrset >= 0)) return false;
  if (count === 0) negativeNow(query, zone);
  // A name of its own hides the wildcard, whatever that has.
  else if (count < 0 || rrset < 0 || isWildcard(query, node)) answerWithChallenges(query, count, owner);
  else if (query.snapshot.nodes[rrset + RRSET.TYPE] === TYPE.CNAME) return false;
  else {
    const { at } = query;
    writeStatic(query, rrset, zone, owner);
    if (query.truncated) return true;
    // All of an RRset have one TTL (RFC 2181 §5.2).
    zeroTtls(query, at);
    answerWithChallenges(query, count, owner);
  }
  return true;
}

function answerWithChallenges(query: Query, count: number, owner: number): void {
  if (count < 0) return fail(query);
  query.trace?.challenges?.(count);
  if (!writeChallenges(query, count, owner)) truncate(query);
}

/** NODATA that is not to be kept: a value may come at any moment. */
function negativeNow(query: Query, zone: number): void {
  const { at } = query;
  query.trace?.challenges?.(0);
  negative(query, zone, RCODE.NOERROR);
  if (query.at > at) zeroTtls(query, at);
}

function isWildcard(query: Query, node: number): boolean {
  return (query.snapshot.nodes[node + NODE.NAME]! & 0xffff) === WILDCARD_LABEL;
}

/** A label of one byte, `*`, as a little-endian word begins. */
const WILDCARD_LABEL = 0x2a01;

/** Nodes whose aliases are in the answer already. */
const visited: Int32Array = new Int32Array(ALIASES_MAX + 1);

/** The RRset of the asked type at a node, or its CNAME; its place in `nodes`, or -1. */
function findRRset(query: Query, node: number): number {
  const { nodes } = query.snapshot;
  const first = nodes[node + NODE.RRSETS]!;
  const end = first + nodes[node + NODE.RRSETS_COUNT]! * RRSET.STRIDE;
  let alias = -1;
  for (let at = first; at < end; at += RRSET.STRIDE) {
    const type = nodes[at + RRSET.TYPE]!;
    if (type === query.type) return at;
    if (type === TYPE.CNAME) alias = at;
  }
  return alias;
}

function hasRRsets(query: Query, node: number): boolean {
  return query.snapshot.nodes[node + NODE.RRSETS_COUNT]! > 0;
}

/** Copies a precompiled RRset; returns where its alias leads, or STOP. */
function writeStatic(query: Query, rrset: number, zone: number, owner: number): number {
  const { nodes } = query.snapshot;
  const at = query.at;
  if (!copyRRset(query, rrset, zone, owner)) return STOP;
  query.answers += nodes[rrset + RRSET.COUNT]!;
  query.aliasAt = at + 12 - query.base;
  return nodes[rrset + RRSET.TYPE] === TYPE.CNAME ? nodes[rrset + RRSET.TARGET]! : STOP;
}

/** Copies the records of a static RRset under `owner`; false, and the answer truncated, if they don't fit. */
function copyRRset(query: Query, rrset: number, zone: number, owner: number): boolean {
  const { nodes, blobs, fixups, zones } = query.snapshot;
  const at = query.at;
  if (!writeRecords(query, blobs, nodes[rrset + RRSET.BYTES]!, nodes[rrset + RRSET.BYTES_LENGTH]!, owner)) {
    truncate(query);
    return false;
  }
  patchSuffixes(
    query,
    at,
    fixups,
    nodes[rrset + RRSET.FIXUPS]!,
    nodes[rrset + RRSET.FIXUPS_COUNT]!,
    zones[zone * ZONE.STRIDE + ZONE.APEX_LENGTH]!,
  );
  return true;
}

const chosen: Int32Array = new Int32Array(ANSWERS_MAX);

/** Lets the policy choose and writes what it chose; returns where a CNAME endpoint leads, or STOP. */
function writeDynamic(query: Query, rrset: number, zone: number, owner: number): number {
  const { nodes, endpoints } = query.snapshot;
  const family = nodes[rrset + RRSET.FAMILY]!;
  const count = chooseEndpoints(query, rrset, chosen);
  if (count === 0) {
    negative(query, zone, RCODE.NOERROR);
    return STOP;
  }
  if (!writeEndpoints(query, rrset, answerTtl(query, rrset), owner, chosen, count)) {
    truncate(query);
    return STOP;
  }
  return family === FAMILY.CNAME ? endpoints[chosen[0]! * ENDPOINT.STRIDE + ENDPOINT.TARGET]! : STOP;
}

/** Answers with the addresses of an ALIAS's target. Nothing follows it. */
function writeAlias(query: Query, rrset: number, zone: number, owner: number): number {
  const outcome = flatten(query, rrset, owner);
  if (outcome === FLATTENED.NODATA) negative(query, zone, RCODE.NOERROR);
  else if (outcome === FLATTENED.TOO_LONG) truncate(query);
  else if (outcome === FLATTENED.UNKNOWN) fail(query);
  return STOP;
}

/** SVCB and HTTPS records with hints that are chosen now. */
function writeServices(query: Query, rrset: number, owner: number): number {
  if (!writeHinted(query, rrset, owner)) truncate(query);
  return STOP;
}

/** SERVFAIL: NODATA would be a lie that resolvers keep. */
function fail(query: Query): void {
  truncate(query);
  query.truncated = false;
  query.rcode = RCODE.SERVFAIL;
  query.scope = 0;
  query.reason = REASON.NOT_READY;
}

/** A small answer instead of everything (RFC 8482 §4.2). */
function answerAny(query: Query): void {
  if (writeRecord(query, QUESTION_NAME, TYPE.HINFO, ANY_TTL, ANY_HINFO, 0, ANY_HINFO.length)) query.answers++;
  else truncate(query);
}

const ANY_TTL = 3600;
/** CPU "RFC8482", OS "". */
const ANY_HINFO: Uint8Array = Uint8Array.of(7, 0x52, 0x46, 0x43, 0x38, 0x34, 0x38, 0x32, 0);

/** NXDOMAIN or NODATA, with the SOA in authority (RFC 2308 §2). */
function negative(query: Query, zone: number, rcode: number): void {
  const { zones, blobs, fixups } = query.snapshot;
  const record = zone * ZONE.STRIDE;
  const apexLength = zones[record + ZONE.APEX_LENGTH]!;
  query.rcode = rcode;
  // Resolvers keep negative answers for everybody, whatever the scope says (RFC 7871 §7.4); not so the alias
  // in front of one, which may have been chosen for this client.
  if (query.answers === 0) query.scope = 0;
  const at = query.at;
  const owner = QUESTION_NAME + query.nameLength - apexLength;
  if (!writeRecords(query, blobs, zones[record + ZONE.SOA]!, zones[record + ZONE.SOA_LENGTH]!, owner)) {
    if (query.answers === 0) truncate(query);
    return;
  }
  patchSuffixes(
    query,
    at,
    fixups,
    zones[record + ZONE.SOA_FIXUPS]!,
    zones[record + ZONE.SOA_FIXUPS_COUNT]!,
    apexLength,
  );
  query.authorities++;
}

/** A referral: NS in authority, glue in additional, not authoritative (RFC 1034 §4.3.2 step 3b, RFC 9471). */
function refer(query: Query, cut: number, zone: number): void {
  const { nodes, blobs, glue } = query.snapshot;
  query.authoritative = false;
  let rrset = nodes[cut + NODE.RRSETS]!;
  while (nodes[rrset + RRSET.TYPE] !== TYPE.NS) rrset += RRSET.STRIDE;
  const at = query.at;
  const owner = QUESTION_NAME + query.nameLength - nodes[cut + NODE.NAME_LENGTH]!;
  if (!copyRRset(query, rrset, zone, owner)) return;
  query.authorities += nodes[rrset + RRSET.COUNT]!;
  const start = nodes[rrset + RRSET.TARGET]!;
  for (let i = start; i < start + nodes[rrset + RRSET.GLUE_COUNT]!; i++) {
    const record = i * GLUE.STRIDE;
    const name = at + glue[record + GLUE.NAME]! - query.base;
    // Hundreds of name servers, over TCP: a compression pointer has 14 bits.
    if (name > POINTER_MAX) return;
    if (!writeRecords(query, blobs, glue[record + GLUE.BYTES]!, glue[record + GLUE.BYTES_LENGTH]!, name)) {
      return truncate(query);
    }
    query.additionals++;
  }
}

const POINTER_MAX = 0x3fff;

function refuse(query: Query): void {
  query.rcode = RCODE.REFUSED;
  query.authoritative = false;
  query.reason = query.snapshot.zoneCount === 0 ? REASON.NOT_READY : REASON.NOT_AUTHORITATIVE;
}
