import { UNKNOWN_BIT } from '../health/word.js';
import type { Query } from './query.js';
import { REASON } from './reason.js';
import { ENDPOINT, FAMILY, RRSET } from './snapshot.js';
import { writeAddress, writeRecord } from './write.js';

/** Writes the first `count` endpoints of `chosen` as the answer of a dynamic RRset; false if they do not fit. */
export function writeEndpoints(
  query: Query,
  rrset: number,
  ttl: number,
  owner: number,
  chosen: Int32Array,
  count: number,
): boolean {
  const { nodes, endpoints, blobs } = query.snapshot;
  const family = nodes[rrset + RRSET.FAMILY]!;
  const type = nodes[rrset + RRSET.TYPE]!;
  for (let i = 0; i < count; i++) {
    const record = chosen[i]! * ENDPOINT.STRIDE;
    const rdata = endpoints[record + ENDPOINT.RDATA]!;
    if ((query.health[endpoints[record + ENDPOINT.SLOT]!]! & UNKNOWN_BIT) !== 0)
      query.reason ||= REASON.STALE_HEALTH;
    query.trace?.endpoint(chosen[i]!);
    query.aliasAt = query.at + 12 - query.base;
    const fits =
      family === FAMILY.A
        ? writeAddress(query, owner, ttl, rdata)
        : writeRecord(query, owner, type, ttl, blobs, rdata, endpoints[record + ENDPOINT.RDATA_LENGTH]!);
    if (!fits) return false;
    query.answers++;
  }
  return true;
}
