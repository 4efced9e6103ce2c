import { TYPE } from '../dns/iana.js';
import { formatName, lowerName, nameLength, parentName } from '../dns/name.js';
import type { Build } from './build.js';
import { findNode, hashOf, nameOf } from './name-table.js';
import { ALIAS, NODE, RRSET, RRSET_KIND, type Snapshot, WILDCARD_DNAME, ZONE } from './snapshot.js';
import { nameKey } from './zone-tree.js';

/** Gives a name whose addresses somebody answers with a link, which is resolved when all zones are in their places. */
export function addLink(build: Build, target: Uint8Array): number {
  build.targets.push(lowerName(target));
  return build.links.reserve(ALIAS.STRIDE) / ALIAS.STRIDE;
}

/** Where a link leads, and what that rests on beside its own zone. */
export interface Resolved {
  readonly target: number;
  readonly ttl: number;
}

/** What the links of one zone rest on. */
export interface LinkGrounds {
  /** Keys of names that were looked up, and not found in the zone itself. */
  readonly visited: Set<string>;
  /** Names outside, with the slots that they had. */
  readonly outside: Map<string, number | undefined>;
}

/** Names passed at most on the way to addresses. */
const STEPS_MAX = 8;
const NAME_BYTES_MAX = 255;
const TTL_LARGE = 0x7fff_ffff;

/**
 * Follows what does not depend on the client: static CNAME, DNAME, ALIAS. In any zone of this server, by the tables
 * themselves. `home` is the number of the link's own zone.
 */
export function resolveLink(
  snapshot: Snapshot,
  first: Uint8Array,
  home: number,
  grounds: LinkGrounds,
  slotOf: (name: string) => number | undefined,
): Resolved {
  let name = first;
  let ttl = TTL_LARGE;
  for (let step = 0; step <= STEPS_MAX; step++) {
    const { nodes } = snapshot;
    const { node, at } = longestSuffix(snapshot, name);
    if (node < 0 || nodes[node + NODE.ZONE] !== home) grounds.visited.add(nameKey(name));
    // A delegated name is not ours either.
    if (node < 0 || nodes[node + NODE.CUT]! >= 0) {
      const text = formatName(name);
      const slot = slotOf(text);
      grounds.outside.set(text, slot);
      return { target: slot === undefined ? ALIAS.NONE : ALIAS.SLOTS - slot, ttl };
    }
    const wildcard = nodes[node + NODE.WILDCARD]!;
    const owner = at === 0 ? node : wildcard >= 0 ? wildcard : -1;
    const isRedirected = owner < 0 && wildcard === WILDCARD_DNAME;
    const next =
      owner >= 0 ? nextOf(snapshot, owner) : isRedirected ? redirected(snapshot, node, name, at) : 0;
    if (!next) return { target: owner >= 0 ? owner : ALIAS.NXDOMAIN, ttl };
    if (next.name.length > NAME_BYTES_MAX) return { target: ALIAS.NXDOMAIN, ttl };
    name = next.name;
    ttl = Math.min(ttl, next.ttl);
  }
  return { target: ALIAS.LOOP, ttl };
}

/** The longest suffix of a lower-case name that exists, as a node or -1, and where it begins. */
function longestSuffix(snapshot: Snapshot, name: Uint8Array): { readonly node: number; readonly at: number } {
  for (let rest = name; ; rest = parentName(rest)) {
    const at = name.length - rest.length;
    for (let i = 0; i < rest.length; i++) padded.setUint8(i, rest[i]!);
    padded.setInt32(rest.length, 0);
    const node = findNode(snapshot, padded, 0, rest.length, hashOf(rest));
    if (node >= 0 || rest.length <= 1) return { node, at };
  }
}

const padded: DataView = new DataView(new ArrayBuffer(264));

interface Next {
  /** Lower case. */
  readonly name: Uint8Array;
  readonly ttl: number;
}

/** Where the first alias at a node leads. */
function nextOf(snapshot: Snapshot, node: number): Next | undefined {
  const { nodes, blobs } = snapshot;
  for (const rrset of rrsetsOf(snapshot, node)) {
    const kind = nodes[rrset + RRSET.KIND];
    if (kind === RRSET_KIND.ALIAS) {
      const at = nodes[rrset + RRSET.ALIAS_NAME]!;
      const name = blobs.slice(at, at + nodes[rrset + RRSET.ALIAS_NAME_LENGTH]!);
      return { name: lowerName(name), ttl: nodes[rrset + RRSET.TTL]! };
    }
    if (kind === RRSET_KIND.STATIC && nodes[rrset + RRSET.TYPE] === TYPE.CNAME) {
      return { name: lowerName(cnameTarget(snapshot, node, rrset)), ttl: ttlOf(snapshot, rrset) };
    }
  }
  return undefined;
}

function redirected(snapshot: Snapshot, node: number, name: Uint8Array, prefix: number): Next | undefined {
  const { nodes, blobs } = snapshot;
  for (const rrset of rrsetsOf(snapshot, node)) {
    if (nodes[rrset + RRSET.KIND] !== RRSET_KIND.STATIC || nodes[rrset + RRSET.TYPE] !== TYPE.DNAME) continue;
    const at = nodes[rrset + RRSET.BYTES]! + HEAD_BYTES;
    const target = lowerName(blobs.slice(at, at + nameLength(blobs, at)));
    return { name: Uint8Array.from([...name.subarray(0, prefix), ...target]), ttl: ttlOf(snapshot, rrset) };
  }
  return undefined;
}

/** In front of the rdata of a ready RR. */
const HEAD_BYTES = 12;
const TTL_AT = 6;

/** A name in a ready CNAME ends in a pointer to the apex where it is in its zone (`record-bytes.ts`). */
function cnameTarget(snapshot: Snapshot, node: number, rrset: number): Uint8Array {
  const { nodes, blobs, fixups, zones } = snapshot;
  const at = nodes[rrset + RRSET.BYTES]!;
  if (nodes[rrset + RRSET.FIXUPS_COUNT] === 0) {
    return blobs.slice(at + HEAD_BYTES, at + nodes[rrset + RRSET.BYTES_LENGTH]!);
  }
  const pointer = at + fixups[nodes[rrset + RRSET.FIXUPS]!]!;
  const apex = zones[nodes[node + NODE.ZONE]! * ZONE.STRIDE + ZONE.APEX]!;
  return Uint8Array.from([...blobs.subarray(at + HEAD_BYTES, pointer), ...nameOf(snapshot, apex)]);
}

function ttlOf({ nodes, blobs }: Snapshot, rrset: number): number {
  const at = nodes[rrset + RRSET.BYTES]! + TTL_AT;
  return ((blobs[at]! << 24) | (blobs[at + 1]! << 16) | (blobs[at + 2]! << 8) | blobs[at + 3]!) >>> 0;
}

function rrsetsOf({ nodes }: Snapshot, node: number): readonly number[] {
  const first = nodes[node + NODE.RRSETS]!;
  return Array.from({ length: nodes[node + NODE.RRSETS_COUNT]! }, (_, i) => first + i * RRSET.STRIDE);
}
