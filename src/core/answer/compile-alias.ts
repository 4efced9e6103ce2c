import { TYPE } from '../dns/iana.js';
import { formatName, lowerName, parentName } from '../dns/name.js';
import type { AliasRRset, RRset } from '../zone/model.js';
import type { Build } from './build.js';
import { ALIAS, FAMILY, RRSET_KIND } from './snapshot.js';
import { nameKey, type TreeNode, type ZoneTree } from './zone-tree.js';

/** Names passed at most on the way from an ALIAS to addresses. */
const STEPS_MAX = 8;
const NAME_BYTES_MAX = 255;

/** Where a name leads: a node of any zone, or one of ALIAS; and the smallest TTL on the way. */
interface Flat {
  readonly target: number;
  readonly ttl: number;
}

/** The fields of an ALIAS, once for A and once for AAAA, in the order of RRSET. */
export function compileAlias(build: Build, rrset: AliasRRset): readonly (readonly number[])[] {
  const { target, ttl } = flatTarget(build, rrset.target);
  return rrset.families.map((family) => [
    TYPE[family],
    RRSET_KIND.ALIAS,
    FAMILY[family],
    Math.min(ttl, rrset.ttl),
    0,
    0,
    0,
    target,
    0,
  ]);
}

/** For each CNAME endpoint, where it leads when an ALIAS comes by: ALIAS.STRIDE words each. Empty where none
 * and no hint comes by. */
export function compileAliasTargets(build: Build): Int32Array {
  const { endpoints } = build.index;
  const hasAlias = build.input.zones.some(({ rrsets }) => rrsets.some(needsTargets));
  if (!hasAlias) return new Int32Array(new SharedArrayBuffer(0));
  const bytes = endpoints.length * ALIAS.STRIDE * Int32Array.BYTES_PER_ELEMENT;
  const table = new Int32Array(new SharedArrayBuffer(bytes));
  for (const [i, { family, endpoint }] of endpoints.entries()) {
    if (family !== 'CNAME') continue;
    const { target, ttl } = flatTarget(build, endpoint.rdata.CNAME!);
    table[i * ALIAS.STRIDE + ALIAS.TARGET] = target;
    table[i * ALIAS.STRIDE + ALIAS.TTL] = Math.min(ttl, TTL_LARGE);
  }
  return table;
}

function needsTargets(rrset: RRset): boolean {
  return rrset.kind === 'alias' || (rrset.kind === 'static' && rrset.hinted !== undefined);
}

const TTL_LARGE = 0x7fff_ffff;

/** Follows what does not depend on the client: static CNAME, DNAME, ALIAS. In any zone of this server. */
export function flatTarget(build: Build, target: Uint8Array): Flat {
  let name = lowerName(target);
  let ttl = Number.POSITIVE_INFINITY;
  for (let step = 0; step <= STEPS_MAX; step++) {
    const tree = closestTree(build, name);
    const found = tree && findIn(tree, name);
    // A delegated name is not ours either.
    if (!found || found.encloser.cut) return { target: outside(build, name), ttl };
    const { owner, encloser } = found;
    const next = owner ? nextOf(owner) : redirected(encloser, name);
    if (!next) return { target: owner ? owner.place : ALIAS.NXDOMAIN, ttl };
    if (next.name.length > NAME_BYTES_MAX) return { target: ALIAS.NXDOMAIN, ttl };
    name = next.name;
    ttl = Math.min(ttl, next.ttl);
  }
  return { target: ALIAS.LOOP, ttl };
}

function closestTree(build: Build, name: Uint8Array): ZoneTree | undefined {
  for (let at = name; ; at = parentName(at)) {
    const tree = build.trees.get(nameKey(at));
    if (tree || at.length <= 1) return tree;
  }
}

/** The closest encloser in a zone that holds the name, and the node that answers for the name, if there is one. */
function findIn(
  tree: ZoneTree,
  name: Uint8Array,
): { readonly encloser: TreeNode; readonly owner?: TreeNode } {
  for (let at = name; ; at = parentName(at)) {
    const node = tree.nodes.get(at);
    if (!node) continue;
    const owner = at === name ? node : node.wildcard;
    return { encloser: node, ...(owner && { owner }) };
  }
}

function nextOf(owner: TreeNode): { readonly name: Uint8Array; readonly ttl: number } | undefined {
  for (const rrset of owner.rrsets) {
    if (rrset.kind === 'alias') return { name: lowerName(rrset.target), ttl: rrset.ttl };
    if (rrset.kind === 'static' && rrset.type === TYPE.CNAME) {
      return { name: lowerName(rrset.rdata[0]!), ttl: rrset.ttl };
    }
  }
  return undefined;
}

function redirected(
  encloser: TreeNode,
  name: Uint8Array,
): { readonly name: Uint8Array; readonly ttl: number } | undefined {
  for (const rrset of encloser.rrsets) {
    if (rrset.kind !== 'static' || rrset.type !== TYPE.DNAME) continue;
    const prefix = name.subarray(0, name.length - encloser.name.length);
    return { name: Uint8Array.from([...prefix, ...lowerName(rrset.rdata[0]!)]), ttl: rrset.ttl };
  }
  return undefined;
}

function outside(build: Build, name: Uint8Array): number {
  const text = formatName(name);
  const slot = build.input.aliases?.slotOf(text);
  if (slot === undefined) return ALIAS.NONE;
  build.index.outside.set(slot, text);
  return ALIAS.SLOTS - slot;
}
