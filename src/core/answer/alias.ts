import { TYPE } from '../dns/iana.js';
import { chooseEndpoints } from '../policy/choose.js';
import { answerTtl } from '../policy/health-ttl.js';
import { ALIAS_SLOT, KNOWN_V4, KNOWN_V6, readAliasSlot, STALE_TTL } from './alias-slot.js';
import { draw, type Query } from './query.js';
import { ALIAS, ANSWERS_MAX, ENDPOINT, FAMILY, NODE, RRSET, RRSET_KIND } from './snapshot.js';
import { writeAddress, writeRecords, writeWords } from './write.js';
import { writeEndpoints } from './write-endpoints.js';

/** Steps from an ALIAS to addresses at most: each is a dynamic CNAME, the static ones were followed before. */
const STEPS_MAX = 8;

/** What became of an ALIAS. */
export const FLATTENED = {
  /** The addresses are in the answer. */
  DONE: 0,
  /** The target has no addresses of this family. */
  NODATA: 1,
  /** They do not fit. */
  TOO_LONG: 2,
  /** They are not known: not resolved yet, or a loop. */
  UNKNOWN: 3,
} as const;

/** Writes the addresses that an ALIAS stands for under `owner`. Its target's own policy chooses for this client. */
export function flatten(query: Query, alias: number, owner: number): number {
  const { nodes } = query.snapshot;
  return writeAddressesOf(query, nodes[alias + RRSET.TARGET]!, nodes[alias + RRSET.TTL]!, owner);
}

/** Writes the addresses of `query.type` that a link's target has for this client, or tells why not. */
export function writeAddressesOf(query: Query, link: number, ttlMax: number, owner: number): number {
  const { nodes, links, endpoints } = query.snapshot;
  let target = links[link * ALIAS.STRIDE + ALIAS.TARGET]!;
  let ttl = Math.min(ttlMax, links[link * ALIAS.STRIDE + ALIAS.TTL]!);
  for (let step = 0; step < STEPS_MAX; step++) {
    query.trace?.flatten(target);
    if (target <= ALIAS.SLOTS) return flattenOutside(query, ALIAS.SLOTS - target, ttl, owner);
    if (target < 0) return target === ALIAS.NXDOMAIN ? FLATTENED.NODATA : FLATTENED.UNKNOWN;
    const rrset = addressesAt(query, target);
    if (rrset < 0) return FLATTENED.NODATA;
    if (nodes[rrset + RRSET.KIND] === RRSET_KIND.STATIC) return copyAddresses(query, rrset, ttl, owner);
    const count = chooseEndpoints(query, rrset, chosen);
    if (count === 0) return FLATTENED.NODATA;
    ttl = Math.min(ttl, answerTtl(query, rrset));
    if (nodes[rrset + RRSET.FAMILY] !== FAMILY.CNAME) {
      return writeEndpoints(query, rrset, ttl, owner, chosen, count) ? FLATTENED.DONE : FLATTENED.TOO_LONG;
    }
    query.trace?.endpoint(chosen[0]!);
    const next = endpoints[chosen[0]! * ENDPOINT.STRIDE + ENDPOINT.LINK]! * ALIAS.STRIDE;
    target = links[next + ALIAS.TARGET]!;
    ttl = Math.min(ttl, links[next + ALIAS.TTL]!);
  }
  return FLATTENED.UNKNOWN;
}

const chosen: Int32Array = new Int32Array(ANSWERS_MAX);

/** The RRset of the asked type at a node, or its dynamic CNAME; -1 where it has neither. */
function addressesAt(query: Query, node: number): number {
  const { nodes } = query.snapshot;
  const first = nodes[node + NODE.RRSETS]!;
  const end = first + nodes[node + NODE.RRSETS_COUNT]! * RRSET.STRIDE;
  for (let at = first; at < end; at += RRSET.STRIDE) {
    const type = nodes[at + RRSET.TYPE]!;
    if (type === query.type || type === TYPE.CNAME) return at;
  }
  return -1;
}

/** Addresses hold no names, so that nothing but owner and TTL changes. */
function copyAddresses(query: Query, rrset: number, ttl: number, owner: number): number {
  const { nodes, blobs } = query.snapshot;
  const { at } = query;
  const length = nodes[rrset + RRSET.BYTES_LENGTH]!;
  if (!writeRecords(query, blobs, nodes[rrset + RRSET.BYTES]!, length, owner)) return FLATTENED.TOO_LONG;
  const count = nodes[rrset + RRSET.COUNT]!;
  const size = length / count;
  for (let i = 0; i < count; i++) {
    const place = at + i * size + TTL_AT;
    if (query.outputView.getInt32(place) > ttl) query.outputView.setInt32(place, ttl);
  }
  query.answers += count;
  return FLATTENED.DONE;
}

const TTL_AT = 6;

const held: Int32Array = new Int32Array(ALIAS_SLOT.STRIDE);

function flattenOutside(query: Query, slot: number, ttlMax: number, owner: number): number {
  if (!readAliasSlot(query.snapshot.aliases, slot, held)) return FLATTENED.UNKNOWN;
  const isV4 = query.type === TYPE.A;
  if ((held[ALIAS_SLOT.STATE]! & (isV4 ? KNOWN_V4 : KNOWN_V6)) === 0) return FLATTENED.UNKNOWN;
  const count = held[isV4 ? ALIAS_SLOT.V4_COUNT : ALIAS_SLOT.V6_COUNT]!;
  if (count === 0) return FLATTENED.NODATA;
  const left = held[ALIAS_SLOT.EXPIRES]! - query.nowSeconds;
  const ttl = Math.min(left > 0 ? left : STALE_TTL, ttlMax);
  const start = draw(query) % count;
  for (let i = 0; i < count; i++) {
    const address = (start + i) % count;
    const fits = isV4
      ? writeAddress(query, owner, ttl, held[ALIAS_SLOT.V4 + address]!)
      : writeWords(query, owner, TYPE.AAAA, ttl, held, ALIAS_SLOT.V6 + 4 * address);
    if (!fits) return FLATTENED.TOO_LONG;
    query.answers++;
  }
  return FLATTENED.DONE;
}
