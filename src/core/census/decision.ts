import type { Asked } from '../answer/ask.js';
import type { NumberIndex } from '../answer/build.js';
import { COUNTER } from '../answer/counters.js';
import { nameOf } from '../answer/name-table.js';
import { createQuery } from '../answer/query.js';
import { HASH_PREFIX_V4, HASH_PREFIX_V6, NODE, RRSET, type Snapshot } from '../answer/snapshot.js';
import { typeName } from '../dns/iana.js';
import { formatName } from '../dns/name.js';
import { formatAddress, maskBytes } from '../dns/rdata/address.js';
import { embeddedBase } from '../geo/embedded.js';
import { lookup4, lookup6 } from '../geo/trie.js';
import type { Steering } from '../zone/model.js';
import { type Change, changesOf } from './changes.js';
import { findDynamic } from './find-dynamic.js';
import { type Outcome, outcomeOf } from './outcome.js';

/** What decides about an answer, what clients like this one get, and what would change it. */
export interface Decision {
  readonly zone: string;
  /** The dynamic record: the name that was asked for, its wildcard, or what an alias leads to. */
  readonly record: string;
  readonly type: string;
  readonly policy: Steering['kind'];
  /** The geo class of the client. */
  readonly cls: number;
  /** The rule that matched, from 0, where rules steer. */
  readonly rule?: number;
  readonly expected: Outcome;
  /** Why the TTL and the scope are what they are, and what that means for caches; sentences. */
  readonly ttlWhy: string;
  readonly scopeWhy: string;
  readonly changes: readonly Change[];
}

/** The tables, and the health words, perhaps supposed ones. */
export interface DecisionSource {
  readonly snapshot: Snapshot;
  readonly index: NumberIndex;
  readonly health: Int32Array;
}

/** Undefined where nothing is decided: the answer is the same for everybody. */
export function decisionOf(source: DecisionSource, asked: Asked): Decision | undefined {
  const { snapshot, index, health } = source;
  const found = findDynamic(snapshot, health, asked.name, asked.type);
  if (typeof found === 'string') return undefined;
  const { node, rrset } = found;
  const { nodes, steering } = snapshot;
  const client = clientOf(asked);
  const hit = hitOf(snapshot, nodes[rrset + RRSET.TRIE]!, client);
  const cls = hit >>> 8;
  const classes = nodes[rrset + RRSET.CLASSES]!;
  const list = steering[classes + cls]!;
  const query = createQuery(snapshot, health, new Float64Array(COUNTER.SIZE), 1);
  const model = index.steering(classes)!;
  return {
    zone: index.zone(nodes[node + NODE.ZONE]!),
    record: formatName(nameOf(snapshot, node)),
    type: typeName(nodes[rrset + RRSET.TYPE]!),
    policy: model.kind,
    cls,
    ...(model.kind === 'rules' && { rule: Math.max(cls - 1, 0) }),
    expected: outcomeOf(query, index, rrset, list),
    ttlWhy: ttlWhy(snapshot, rrset),
    scopeWhy: scopeWhy(snapshot, rrset, hit & 0xff, client, asked),
    changes: changesOf(source, rrset, cls, list, model),
  };
}

/** The address that stands for the client. */
function clientOf({ subnet, source }: Asked): Uint8Array {
  return subnet && subnet.sourcePrefix > 0 ? maskBytes(subnet.address, subnet.sourcePrefix) : source;
}

/** `(class << 8) | depth`. */
function hitOf(snapshot: Snapshot, trie: number, client: Uint8Array): number {
  if (trie < 0) return 0;
  const geo = snapshot.tries[trie]!;
  if (client.length === 16) return lookup6(geo, client, 0);
  return lookup4(geo, new DataView(client.buffer, client.byteOffset).getInt32(0));
}

function ttlWhy({ nodes, steering }: Snapshot, rrset: number): string {
  const ttl = nodes[rrset + RRSET.TTL]!;
  if (ttl >= 0) {
    return `the record's own, ${ttl} s: after a change resolvers go on with what they have for as long as that`;
  }
  const [least, most] = [steering[~ttl]!, steering[~ttl + 1]!];
  return `from health, ${least} to ${most} s: no longer than until a verdict that the answer rests on could change`;
}

function scopeWhy(
  { nodes }: Snapshot,
  rrset: number,
  depth: number,
  client: Uint8Array,
  { subnet }: Asked,
): string {
  if (!subnet || subnet.sourcePrefix === 0) {
    return 'the resolver sends no client prefix: its own address decides, and it keeps the answer for all of its clients';
  }
  const hashes = nodes[rrset + RRSET.HASHES] === 1;
  const bits = hashes ? hashedBits(client) : 0;
  const scope = Math.max(depth, bits);
  if (scope === 0) return "the client's place does not matter: resolvers may keep the answer for everybody";
  const prefix = `${formatAddress(maskBytes(client, scope))}/${scope}`;
  return bits > depth
    ? `a pool that can answer picks by hash of the first ${bits} bits: resolvers keep the answer for ${prefix}`
    : `all of ${prefix} share the decision: resolvers keep the answer for these clients`;
}

function hashedBits(client: Uint8Array): number {
  if (client.length === 4) return HASH_PREFIX_V4;
  const base = embeddedBase(client, 0);
  return base > 0 ? base + HASH_PREFIX_V4 : HASH_PREFIX_V6;
}
