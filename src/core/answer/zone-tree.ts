import { TYPE } from '../dns/iana.js';
import { lowerName, parentName, parseName } from '../dns/name.js';
import type { RRset, Zone } from '../zone/model.js';

/** One name of a zone while the tables are built. */
export interface TreeNode {
  readonly name: Uint8Array;
  readonly rrsets: RRset[];
  parent: TreeNode | undefined;
  wildcard: TreeNode | undefined;
  /** The delegation at or above this name. */
  cut: TreeNode | undefined;
}

export interface ZoneTree {
  readonly zone: Zone;
  readonly apex: TreeNode;
  /** By `nameKey`; parents come before their children. */
  readonly nodes: ReadonlyMap<string, TreeNode>;
}

/**
 * The names of a zone with the empty non-terminals between them (RFC 4592 §2.2.2), its wildcards and its
 * delegations. Expects a zone that passed validation.
 */
export function buildTree(zone: Zone): ZoneTree {
  const origin = wireName(zone.origin);
  const apex = newNode(origin, undefined);
  const nodes = new Map<string, TreeNode>([[nameKey(origin), apex]]);
  for (const rrset of zone.rrsets) insert(nodes, wireName(rrset.name)).rrsets.push(rrset);
  const ordered = new Map([...nodes].sort(([, a], [, b]) => depth(a) - depth(b)));
  for (const node of ordered.values()) {
    if (node === apex) continue;
    node.cut = node.parent?.cut ?? (node.rrsets.some(isNs) ? node : undefined);
    if (node.parent && isWildcard(node.name)) node.parent.wildcard = node;
  }
  return { zone, apex, nodes: ordered };
}

/** Absolute lower-case presentation form to wire form. The zone was validated, so a bad name is a bug. */
export function wireName(text: string): Uint8Array {
  const wire = parseName(text);
  if (!(wire instanceof Uint8Array)) throw new Error(`name ${text}: ${wire.message}`);
  return lowerName(wire);
}

/** A map key that two names share only if they are equal. */
export function nameKey(wire: Uint8Array): string {
  return String.fromCharCode(...wire);
}

function insert(nodes: Map<string, TreeNode>, name: Uint8Array): TreeNode {
  const key = nameKey(name);
  const known = nodes.get(key);
  if (known) return known;
  if (name.length === 1) throw new Error('a name outside its zone: the zone was not validated');
  const node = newNode(name, insert(nodes, parentName(name)));
  nodes.set(key, node);
  return node;
}

function newNode(name: Uint8Array, parent: TreeNode | undefined): TreeNode {
  return { name, rrsets: [], parent, wildcard: undefined, cut: undefined };
}

function depth(node: TreeNode): number {
  let count = 0;
  for (let at = node.parent; at; at = at.parent) count++;
  return count;
}

function isNs(rrset: RRset): boolean {
  return rrset.kind === 'static' && rrset.type === TYPE.NS;
}

function isWildcard(name: Uint8Array): boolean {
  return name[0] === 1 && name[1] === 0x2a;
}
