import type { Query } from '../answer/query.js';
import { NODE } from '../answer/snapshot.js';
import { RCODE } from '../dns/iana.js';

/** Kinds of answers that are limited apart from each other. */
export const ANSWER_KIND = {
  /** By name. */
  POSITIVE: 0,
  /** By wildcard: its names are the client's invention. */
  WILDCARD: 1,
  /** NODATA, by zone. */
  NODATA: 2,
  /** By zone. */
  NXDOMAIN: 3,
  /** By delegation. */
  REFERRAL: 4,
  /** Everything without a zone, and all other response codes. */
  ERROR: 5,
} as const;

export const ANSWER_KINDS = ['positive', 'wildcard', 'nodata', 'nxdomain', 'referral', 'error'] as const;

/** The kind of the answer that `query` got. */
export function answerKind(query: Query): number {
  const { encloser, rcode, snapshot } = query;
  if (encloser < 0) return ANSWER_KIND.ERROR;
  if (rcode !== RCODE.NOERROR) return rcode === RCODE.NXDOMAIN ? ANSWER_KIND.NXDOMAIN : ANSWER_KIND.ERROR;
  if (!query.authoritative) return ANSWER_KIND.REFERRAL;
  if (query.answers === 0 && !query.truncated) return ANSWER_KIND.NODATA;
  return snapshot.nodes[encloser + NODE.NAME_LENGTH] === query.nameLength
    ? ANSWER_KIND.POSITIVE
    : ANSWER_KIND.WILDCARD;
}

/** What tells the accounts of one prefix and kind apart. `zone` is the number of the query's zone, -1 for none. */
export function accountId(query: Query, kind: number, zone: number): number {
  switch (kind) {
    case ANSWER_KIND.POSITIVE:
      return query.nameHash;
    case ANSWER_KIND.WILDCARD:
      return query.snapshot.nodes[query.encloser + NODE.WILDCARD]!;
    case ANSWER_KIND.REFERRAL:
      return query.snapshot.nodes[query.encloser + NODE.CUT]!;
    default:
      return zone;
  }
}
